"""Plain text keeps letters, spaces and joiners of every language, and no control characters."""

from __future__ import annotations

from specs.plain_text import plain_line, plain_lines

TEXT = "caf\u00e9\u00a0\U0001f469\u200d\U0001f4bb \u05d0\u200f\u2028\u3000"
CONTROLS = "\x00\a\b\x0b\x0c\r\x1b\x7f\x85\x9b\ud800"


def test_letters_spaces_and_joiners_stay() -> None:
    assert plain_line(TEXT) == plain_lines(TEXT) == TEXT


def test_each_control_character_is_replaced() -> None:
    assert plain_line(CONTROLS + "\t\n", "?") == "?" * (len(CONTROLS) + 2)
    assert plain_lines(CONTROLS + "\t\n", "?") == "?" * len(CONTROLS) + "\t\n"
