"""The known word that somebody meant: for messages about words that nobody knows. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache

_MAX_WORD = 100
"""Characters of an unknown word that are compared to known ones."""
_MAX_CANDIDATES = 150
"""Known words it is compared to; of more, those with the same first letter."""


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one; "" where none is like it."""
    candidates = tuple(known)
    if len(candidates) > _MAX_CANDIDATES:
        candidates = tuple(one for one in candidates if one[:1] == word[:1])[:_MAX_CANDIDATES]
    return _closest(word.lower()[:_MAX_WORD], candidates)


@lru_cache(maxsize=256)
def _closest(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return close[0] if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean image?" or nothing."""
    close = closest(word, known)
    return f"; did you mean {close}?" if close else ""
