"""Regular expressions: whole texts, bounded time, and words for what is refused."""

from __future__ import annotations

import time

import pytest

from specs.model.patterns import matches, pattern_fault


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("us-.*", "us-east", True),
        ("us", "us-east", False),
        ("east", "us-east", False),
        ("r[1-3]", "r2", True),
        ("a|ab", "ab", True),
        ("", "", True),
        ("", "a", False),
        ("a.b", "a\nb", False),
        ("(?i)SSD", "ssd", True),
        ("ä+", "ää", True),
        ("z.+", "z\ud800", True),
        ("ro w 1", "ro w 1", True),
    ],
)
def test_the_whole_text_is_matched(pattern: str, text: str, is_match: bool) -> None:
    assert pattern_fault(pattern) is None
    assert matches(pattern, text) is is_match


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("us-(", "missing )"),
        ("*", "no argument for repetition operator: *"),
        ("[z-a]", "invalid character class range"),
        ("(?=a)b", "look-around and atomic groups are not supported"),
        ("(?<!a)b", "look-around and atomic groups are not supported"),
        (r"(a)\1", "back-references are not supported"),
        (r"\pL{500}", "too large once its repetitions are written out"),
        ("((a{100}){100}){100}", "invalid repetition size"),
        ("a" * 1001, "has 1,001 characters; wanted at most 1,000"),
    ],
)
def test_what_is_refused_is_told_why(pattern: str, told: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert told in (pattern_fault(pattern) or "")
    with pytest.raises(ValueError, match="wanted a regular expression; got"):
        matches(pattern, "a")
    assert capfd.readouterr().err == ""


def test_no_pattern_is_catastrophic() -> None:
    text = "x" * 100_000
    begin = time.process_time()
    assert not matches("(x+x+)+y", text)
    assert not matches("(a|aa|x)+y", text)
    assert time.process_time() - begin < 1
