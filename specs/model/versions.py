"""Versions as agents' attributes have them ("5.15.0-91-generic", "v1.2-rc1"), and conditions on them (">= 5.4").

All are in one order: that of Debian, as `dpkg --compare-versions` has it, of everything that is written. Numbers are
compared as numbers of any length, the signs between them by their letters; ~ comes before the end, and signs that are
no letters come after letters. Three things are added, as not only Debian writes versions:

* A number that is missing at the end of the dotted numbers is 0, and a v can stand before them: v5.4 is 5.4.0.
* The pieces between hyphens are compared one by one, from the left. dpkg divides at the last hyphen alone, and so calls
  5.15.0-80-generic later than 5.15.0-91.
* A word for a version before the release (alpha, beta, rc, snapshot, ...) counts as if ~ stood before it:
  1.7.0-SNAPSHOT comes before 1.7.0, and 1.0a1 before 1.0. Among themselves these words are in the order of their
  letters, as in Debian's order and in Semantic Versioning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import zip_longest
from operator import eq, ge, gt, le, lt, ne

_MAX_LENGTH = 100
"""Limit on the length of a condition. A version that an agent has may be of any length."""
_BEFORE_RELEASE = {
    "a": "alpha",
    "alpha": "alpha",
    "b": "beta",
    "beta": "beta",
    "canary": "canary",
    "cr": "rc",
    "dev": "dev",
    "ea": "ea",
    "m": "milestone",
    "milestone": "milestone",
    "nightly": "nightly",
    "pre": "pre",
    "preview": "preview",
    "rc": "rc",
    "snapshot": "snapshot",
}
"""The words for what comes before a release, and the word as which each is compared. A letter alone is one only where
its number follows at once: 1.0a1 is an alpha, and 1.1.1a is a release of its own."""
_WORDS = "|".join(sorted((word for word in _BEFORE_RELEASE if len(word) > 1), key=len, reverse=True))
_MARK = re.compile(
    r"(?P<number>(?:\A|(?<=[-.+~_]))[0-9]+)[-._~]?"
    rf"(?P<word>(?:{_WORDS})(?![A-Za-z])|[abm](?=[0-9]))(?:[-._](?=[0-9]))?",
    re.IGNORECASE,
)
_VERSION = re.compile(
    r"(?:(?P<epoch>[0-9]+):)?[vV]?(?P<numbers>[0-9]+(?:\.[0-9]+)*)(?P<rest>(?:[-.+~_A-Za-z][-.+~_A-Za-z0-9]*)?)"
)
_PIECE = re.compile(r"([^0-9]*)([0-9]*)")
_ANY_NUMBER = re.compile(r"\.[xX](?![A-Za-z0-9])")
_CONDITION = re.compile(r"(?P<sign>==|!=|<=|>=|=|<|>)(?P<version>.*)", re.DOTALL)
_COMPARES: dict[str, Callable[[int, int], bool]] = {
    "=": eq,
    "==": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_WANTED_VERSION = 'wanted a version that begins with its numbers, without x or *, as ">= 5.4",'
_WANTED = 'wanted one of ==, !=, <, <=, >, >= and a version, as ">= 5.4"'

_Number = tuple[int, str]
"""How many digits it has, and the digits; without zeros in front. Not an int: it may have a million digits."""
_Step = tuple[tuple[int, ...], _Number]
"""The signs up to a number, as their ranks, and the number."""
_Piece = tuple[_Step, ...]
"""The text between two hyphens."""
_Version = tuple[_Number, tuple[_Number, ...], tuple[_Piece, ...]]
"""The epoch, the dotted numbers it begins with, and all that follows them."""
_END = 0
_ZERO: _Number = (0, "")
_NOTHING: _Step = ((_END,), _ZERO)


def condition_fault(condition: str) -> str | None:
    """The fault of a condition: a sentence, or None."""
    if _condition(condition):
        return None
    found = _CONDITION.fullmatch(condition.strip()) if len(condition) <= _MAX_LENGTH else None
    if found and found["version"].strip():
        return f"{_WANTED_VERSION} after {found['sign']}; got {found['version'].strip()!r}"
    return f"{_WANTED}; got {condition[:_MAX_LENGTH]!r}"


def satisfies(version: str, condition: str) -> bool:
    """Whether `version` meets `condition`. What is no version meets none but !=.

    Raises ValueError for a condition with a fault.
    """
    wanted = _condition(condition)
    if wanted is None:
        raise ValueError(condition_fault(condition))
    sign, bound = wanted
    found = _parsed(version) if len(version) <= _MAX_LENGTH else _parsed_long(version)
    if found is None:
        return sign == "!="
    return _COMPARES[sign](_compare(found, bound), 0)


def _parse(text: str) -> _Version | None:
    found = _VERSION.fullmatch(text.strip())
    if not found:
        return None
    rest = _MARK.sub(_marked, found["numbers"] + found["rest"])
    dotted = _VERSION.fullmatch(rest)
    if not dotted:
        return None
    numbers = [_number(each) for each in dotted["numbers"].split(".")]
    while numbers and numbers[-1] == _ZERO:
        numbers.pop()
    return _number(found["epoch"] or ""), tuple(numbers), tuple(_piece(each) for each in dotted["rest"].split("-"))


_parsed = lru_cache(maxsize=4096)(_parse)
_parsed_long = lru_cache(maxsize=16)(_parse)
"""A version of a million characters takes seconds to read: it is read once, and few of them are kept."""


def _marked(found: re.Match[str]) -> str:
    return f"{found['number']}~{_BEFORE_RELEASE[found['word'].lower()]}"


def _number(digits: str) -> _Number:
    significant = digits.lstrip("0")
    return len(significant), significant


def _piece(text: str) -> _Piece:
    return tuple(
        ((*map(_rank, signs), _END), _number(digits)) for signs, digits in _PIECE.findall(text) if signs or digits
    )


def _rank(sign: str) -> int:
    if sign == "~":
        return _END - 1
    return ord(sign) if sign.isalpha() else ord(sign) + 256


def _compare(one: _Version, other: _Version) -> int:
    """Less than 0 where `one` comes first, 0 where both are the same, more than 0 where `other` comes first."""
    if one[:2] != other[:2]:
        return -1 if one[:2] < other[:2] else 1
    for piece, opposite in zip_longest(one[2], other[2], fillvalue=()):
        for mine, theirs in zip_longest(piece, opposite, fillvalue=_NOTHING):
            if mine != theirs:
                return -1 if mine < theirs else 1
    return 0


@lru_cache(maxsize=1024)
def _condition(text: str) -> tuple[str, _Version] | None:
    found = _CONDITION.fullmatch(text.strip()) if len(text) <= _MAX_LENGTH else None
    if not found or _ANY_NUMBER.search(found["version"]):
        return None
    version = _parse(found["version"])
    return (found["sign"], version) if version else None
