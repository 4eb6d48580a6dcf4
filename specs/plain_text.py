"""Plain text: text of others without control characters, for messages, tables and terminals. Pure."""

from __future__ import annotations

import re

# All other characters are somebody's letters, spaces or joiners (no-break spaces, U+200D in emoji), and stay.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def plain_line(text: str, instead: str = " ") -> str:
    """The text in one line: each control character becomes `instead`."""
    return _CONTROL.sub(instead, text)


def plain_lines(text: str, instead: str = " ") -> str:
    """The text with its line ends and tabs: each other control character becomes `instead`."""
    return _CONTROL_IN_LINES.sub(instead, text)
