"""Files that are too much: refused with the limit that they exceed, and soon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from specs.file.load import load_files, load_stack, stack_from_json
from specs.model.errors import StackError


@contextmanager
def without_blowing_up() -> Iterator[None]:
    """Fails where the block works for 30 s: it took the bait. How quick a refusal is, is for the benchmarks."""
    start = time.process_time()
    yield
    assert time.process_time() - start < 30


def told(text: str | bytes) -> str:
    with pytest.raises(StackError) as caught:
        load_stack(text, name="s", file="s.yml", variables={})
    return str(caught.value)


def _bomb() -> str:
    lines = ["a0: &a0 x"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join(lines)


def _merge_bomb() -> str:
    lines = ["x0: &x0 {a: {b: c}}"]
    lines += [f"x{n}: &x{n} {{{', '.join(f'k{i}: {{<<: *x{n - 1}}}' for i in range(10))}}}" for n in range(1, 12)]
    return "\n".join(lines)


def _long_text_bomb() -> str:
    return f"a: &a '{'x' * 500_000}'\nb: [{', '.join(['*a'] * 100)}]"


def _services(count: int) -> str:
    return "services:\n" + "".join(f"  s{n}: {{image: a}}\n" for n in range(count))


def _groups(count: int) -> str:
    return "services:\n  web:\n    image: a\n    groups:\n" + "".join(
        f"    - {{labels: [g{n}]}}\n" for n in range(count)
    )


def _group_product() -> str:
    names = "".join(f"      V{n}: x\n" for n in range(10_000))
    return _groups(5_000).replace("    groups:", f"    environment:\n{names}    groups:")


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (_bomb, "more than 100,000 values, aliases written out; split the file"),
        (_merge_bomb, "more than 100,000 values, aliases written out; split the file"),
        (_long_text_bomb, "more than 8,388,608 characters, aliases written out; split the file"),
        (lambda: _services(10_000), "10,000 services; a stack has at most 1,000. Split it into several"),
        (lambda: _groups(10_001), "10,001 groups; a stack has at most 10,000. Split it into several"),
        (_group_product, "more than 1,000,000 values in all groups, each with its service's; split the stack"),
        (lambda: "[" * 100_000, "nested more than 32 deep; a stack file never needs that"),
        (lambda: "{a: [" * 50_000, "nested more than 32 deep; a stack file never needs that"),
        (lambda: "services: {web: {image: a, command: " + "[" * 2_000 + "]" * 2_000 + "}}", "nested more than 32 deep"),
        (lambda: "- " * 100_000, "nested more than 32 deep; a stack file never needs that"),
        (lambda: "a: [" + "x, " * 200_000 + "]", "more than 100,000 values, aliases written out; split the file"),
        (lambda: "x" * (1 << 20) + "y", "the file has 1,048,577 bytes; at most 1,048,576 are read. Split it"),
        (lambda: "services: {web: {image: '" + "${A:-" * 1000 + "}" * 1000 + "'}}", "more than 16 deep"),
        (
            lambda: "services: {web: {image: a, ports: [80], health: {http: /, codes: 102-199}}}",
            "wanted status codes of final answers, from 200 on; got 102-199, which are read over",
        ),
        (lambda: "services: {web: {image: a, ports: ['1-65535']}}", "wanted at most 100 ports; got 65,535"),
        (lambda: "services: {web: {image: a, ports: [" + "80, " * 101 + "]}}", "wanted at most 100 ports; got 101"),
    ],
)
def test_what_is_too_much_is_refused(make: Callable[[], str], wanted: str) -> None:
    text = make()
    with without_blowing_up():
        assert wanted in told(text)


def test_a_file_of_50_mb_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    wanted = "the file has 50,000,000 bytes; at most 1,048,576 are read"
    with without_blowing_up(), pytest.raises(StackError, match=wanted):
        load_files(path, name=None, variables={})


def test_settings_of_one_group() -> None:
    environment = ", ".join(f"V{n}: {'x' * 30_000}" for n in range(9))
    assert "bytes of settings; wanted at most 262,144" in told(
        f"services: {{web: {{image: a, environment: {{{environment}}}}}}}"
    )


def _web(keys: str) -> str:
    return f"services: {{web: {{image: a, ports: [80], {keys}}}}}"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            f"environment: {{NAME: {'x' * 131_067}}}",
            "NAME has 131,073 bytes with its name, '=' and the null character at its end; Linux takes at most 131,072"
            ": put large contents into a file",
        ),
        (f"command: [a, {'x' * 131_072}]", "an argument has 131,073 bytes with the null character at its end; Linux"),
        (f"entrypoint: [a, {'x' * 131_072}]", "an argument has 131,073 bytes with the null character at its end"),
        (f"command: {'x' * 131_072}", "an argument has 131,073 bytes"),
        (f"health: {{command: {'x' * 131_072}}}", "an argument has 131,073 bytes"),
        (f"ready: {{command: {'x' * 131_072}}}", "an argument has 131,073 bytes"),
        (f"pre_stop: [{{command: {'x' * 131_072}}}]", "an argument has 131,073 bytes"),
        (f"pre_stop: [{{command: a, environment: {{A: {'x' * 131_070}}}}}]", "A has 131,073 bytes with its name"),
        (
            f"command: [{'x' * 100_000}], environment: {{A: {'x' * 14_669}}}, ulimits: {{stack: 262144}}",
            "arguments and environment have 114,689 bytes together, 8 for each counted; wanted at most 114,688",
        ),
        ('health: {command: ["a\\0b"]}', "an argument holds a null character"),
        (f"hostname: {'a.' * 32}a", "wanted a host name of at most 64 bytes, Linux's limit; got 65"),
        (f"volumes: ['/{'x' * 256}:/a']", "has a part of 256 bytes; Linux takes at most 255 between two slashes"),
        (f"volumes: ['/a:{'/x' * 2048}']", "has 4,097 bytes with the null character at its end; Linux takes at most"),
        (f"tmpfs: [/{'x' * 256}]", "has a part of 256 bytes"),
        (f"working_dir: /{'x' * 256}", "has a part of 256 bytes"),
        (f"templates: [{{target: {'x' * 256}, content: a}}]", "has a part of 256 bytes"),
        (
            f"templates: [{{target: a, content: a, on_change: {{command: {'x' * 131_072}}}}}]",
            "a: an argument has 131,073 bytes",
        ),
    ],
)
def test_more_than_linux_takes(keys: str, words: str) -> None:
    assert words in told(_web(keys))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a" * 65, "wanted a host name of at most 64 bytes, Linux's limit; got 65"),
        ("a" * 64, "each part of at most 63 and with no '-' at its ends; got 'aaaa"),
        ("web-", "each part of at most 63 and with no '-' at its ends; got 'web-'"),
    ],
)
def test_a_host_name_has_one_mistake_at_a_time(name: str, words: str) -> None:
    mistakes = told(_web(f"hostname: {name}"))
    assert words in mistakes
    assert len(mistakes.splitlines()) == 1


@pytest.mark.parametrize(
    "keys",
    [
        f"environment: {{NAME: {'x' * 131_066}}}",
        f"command: [a, {'x' * 131_071}]",
        f"command: [{'x' * 100_000}], environment: {{A: {'x' * 14_668}}}, ulimits: {{stack: 262144}}",
        f"hostname: {'a.' * 31}ab",
        f"volumes: ['/{'x' * 255}:{'/x' * 2047}']",
    ],
)
def test_as_much_as_linux_takes(keys: str) -> None:
    load_stack(_web(keys), name="s", variables={})


def test_the_largest_stack_that_is_taken() -> None:
    with without_blowing_up():
        stack = load_stack(_groups(10_000), name="s", variables={})
    assert len(stack.groups) == 10_000


def test_a_cycle_through_a_thousand_services_is_found_soon() -> None:
    text = "services:\n" + "".join(f"  s{n}: {{image: a, links: [s{(n + 1) % 1000}]}}\n" for n in range(1000))
    with without_blowing_up():
        assert "a cycle: s0 -> s1 -> s2 -> " in told(text)


def test_json_too_deep_and_too_much() -> None:
    deep: object = "x"
    for _ in range(40):
        deep = [deep]
    with pytest.raises(StackError, match="nested more than 32 deep"):
        stack_from_json({"services": deep}, name="s")
    with pytest.raises(StackError, match="more than 100,000 values"):
        stack_from_json({"services": ["x"] * 100_001}, name="s")
