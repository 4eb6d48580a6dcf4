"""Regular expressions of constraints, matched in time that grows with the text alone.

They are RE2's: what needs back-tracking (look-around, back-references) is refused, so that no pattern is catastrophic.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from specs.model.limits import MAX_PATTERN_LENGTH

_MAX_MEMORY_BYTES = 1 << 20
_MAX_CACHED = 512
_EXPLAINED = (
    ("invalid perl operator: (?", "look-around and atomic groups are not supported"),
    ("invalid escape sequence: \\k", "back-references are not supported"),
    *((f"invalid escape sequence: \\{digit}", "back-references are not supported") for digit in range(1, 10)),
    ("pattern too large", "it is too large once its repetitions are written out"),
)


def pattern_fault(pattern: str) -> str | None:
    """The fault of a pattern: a sentence that goes on from the pattern, or None."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        return f"has {len(pattern):,} characters; wanted at most {MAX_PATTERN_LENGTH:,}"
    compiled = _compiled(pattern)
    return f"is not a regular expression of RE2: {compiled}" if isinstance(compiled, str) else None


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of `text` matches. Raises ValueError for a pattern with a fault."""
    compiled = _compiled(pattern) if len(pattern) <= MAX_PATTERN_LENGTH else "too long"
    if isinstance(compiled, str):
        raise ValueError(f"wanted a regular expression; got {pattern[:100]!r}: {compiled}")
    return compiled.fullmatch(_in_unicode(text)) is not None


@lru_cache(maxsize=_MAX_CACHED)
def _compiled(pattern: str) -> Any:
    """The compiled pattern, or the text of what is wrong with it."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY_BYTES
    try:
        return re2.compile(_in_unicode(pattern), options)
    except re2.error as error:
        return _explained(error.args[0].decode("utf-8", "replace"))


def _explained(message: str) -> str:
    words = next((words for sign, words in _EXPLAINED if message.startswith(sign)), "")
    return f"{words} ({message})" if words else message


def _in_unicode(text: str) -> str:
    """The text with a question mark for every lone surrogate, which has no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
