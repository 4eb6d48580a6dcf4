"""Single texts with a meaning, and variables in them."""

from __future__ import annotations

import pytest

from specs.file.interpolate import InterpolationError, interpolate
from specs.file.values import (
    parse_boolean,
    parse_cpus_milli,
    parse_integer,
    parse_seconds,
    parse_signal,
    parse_size_mib,
)
from specs.model.resources import format_size_mib


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("1m", 1), ("1M", 1), ("1mb", 1), ("1MB", 1), ("1MiB", 1), ("1mib", 1), ("1 M", 1),
        ("1b", 1), ("1k", 1), ("1024k", 1), ("1025k", 2), ("0m", 0),
        ("1g", 1024), ("1.5G", 1536), ("2GiB", 2048), ("1t", 1 << 20), ("0.1g", 103), ("1048577b", 2),
    ],
)  # fmt: skip
def test_sizes(text: str, mib: int) -> None:
    assert parse_size_mib(text) == mib


@pytest.mark.parametrize(
    "text",
    ["", "16", "M", "1x", "1mm", "1ki", "1 000M", "1e3M", "0x10M", "1,5G", "١M", "9" * 90 + "G", "9" * 400 + "G"],
)
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="wanted a number and its unit"):
        parse_size_mib(text)


@pytest.mark.parametrize(
    ("text", "milli"),
    [("1", 1000), ("0.5", 500), (".5", 500), ("0.001", 1), ("1.1250", 1125), ("-1", -1000), ("1e1", 10_000)],
)
def test_cpus(text: str, milli: int) -> None:
    assert parse_cpus_milli(text) == milli


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.0005",
        "0.1234",
        "half",
        "nan",
        "inf",
        "sNaN",
        "1e99",
        "1e308",
        "1e999999",
        "1e-999999",
        "1,5",
        "9" * 5000,
        "1." + "0" * 40 + "1",
    ],
)
def test_no_cpus(text: str) -> None:
    with pytest.raises(ValueError, match="wanted a number of at most three decimals"):
        parse_cpus_milli(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("1h", 3600.0),
        ("1.5s", 1.5),
        ("0s", 0.0),
        ("1d", 86400.0),
        ("10us", 1e-5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-5s", "5sec", "1m 30s", "5S", "1.s", "9" * 400 + "h", "1" * 1_000_000]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="wanted a number and its unit"):
        parse_seconds(text)


@pytest.mark.parametrize("text", ["SIGTERM", "TERM", "term", "15"])
def test_signals(text: str) -> None:
    assert parse_signal(text) == "SIGTERM"


@pytest.mark.parametrize("text", ["", "SIGFOO", "0", "99", "SIG", "1500"])
def test_no_signals(text: str) -> None:
    with pytest.raises(ValueError, match="wanted the name of a signal"):
        parse_signal(text)


def test_whole_numbers_and_booleans() -> None:
    assert (parse_integer("-12"), parse_boolean("True"), parse_boolean("false")) == (-12, True, False)
    for text in ("1.0", "0x1", "", "1e3", "1_000"):
        with pytest.raises(ValueError, match="wanted a whole number"):
            parse_integer(text)
    for text in ("yes", "1", ""):
        with pytest.raises(ValueError, match="wanted true or false"):
            parse_boolean(text)


@pytest.mark.parametrize(("mib", "text"), [(0, "0M"), (5, "5M"), (1024, "1G"), (1536, "1536M"), (1 << 20, "1T")])
def test_sizes_as_people_write_them(mib: int, text: str) -> None:
    assert format_size_mib(mib) == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "plain"),
        ("$A", "a"), ("${A}", "a"), ("$A$A", "aa"), ("$$A", "$A"), ("$$$A", "$a"), ("${A}b", "ab"), ("$A-b", "a-b"),
        ("${A:-x}", "a"), ("${E:-x}", "x"), ("${U:-x}", "x"), ("${A-x}", "a"), ("${E-x}", ""), ("${U-x}", "x"),
        ("${A:+x}", "x"), ("${E:+x}", ""), ("${U:+x}", ""), ("${A+x}", "x"), ("${E+x}", "x"), ("${U+x}", ""),
        ("${A:?x}", "a"), ("${E?x}", ""), ("${U:-}", ""), ("${U:-${E:-$A}}", "a"), ("${U:-a}b}", "ab}"),
        ("${U:-$$}", "$"), ("${U:-a:-b}", "a:-b"), ("${U:-{}}", "{}"),
    ],
)  # fmt: skip
def test_variables(text: str, wanted: str) -> None:
    assert interpolate(text, {"A": "a", "E": ""}) == wanted


@pytest.mark.parametrize(
    ("text", "wanted", "variable"),
    [
        ("$U", "uses the variable U, which is not set", "U"),
        ("${U}", "uses the variable U, which is not set", "U"),
        ("${U?give it}", "needs the variable U: give it", "U"),
        ("${E:?give $A}", "needs the variable E: give a", "E"),
        ("${U:?}", "needs the variable U: set it", "U"),
        ("a$", "has a '$' at position 2 that begins no variable", ""),
        ("$1", "has a '$' at position 1 that begins no variable", ""),
        ("${}", "has ${}; wanted a name", ""),
        ("${A!}", "has ${A!}; wanted '}', or one of :- :? :+ - ? + after A", ""),
        ("${A", "has a '${' at position 1 that no '}' closes", ""),
        ("${A:-${A}", "has a '${' at position 1 that no '}' closes", ""),
    ],
)
def test_no_variables(text: str, wanted: str, variable: str) -> None:
    with pytest.raises(InterpolationError) as caught:
        interpolate(text, {"A": "a", "E": ""})
    assert str(caught.value).startswith(wanted)
    assert caught.value.variable == variable


def test_values_do_not_grow_without_a_bound() -> None:
    with pytest.raises(InterpolationError, match="has more than 131,071 bytes"):
        interpolate("$A" * 2000, {"A": "x" * 100})
