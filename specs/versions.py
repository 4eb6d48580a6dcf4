"""Versions as agents' attributes have them ("5.15.0-91-generic", "v1.2-rc1"), and conditions on them (">= 5.4").

A version is numbers with dots between them, perhaps with a v in front; numbers that are missing are 0. What follows
them is not compared, but for the marks of what comes before a release: dev, alpha, beta, pre and rc, in this order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from operator import eq, ge, gt, le, lt
from typing import Any

_MAX_LENGTH = 100
_BEFORE_RELEASE = ("dev", "alpha", "beta", "pre", "rc")
_VERSION = re.compile(
    r"[vV]?(?P<numbers>[0-9]{1,18}(\.[0-9]{1,18}){0,15})(?![0-9])"
    rf"([-.+~_]?(?P<mark>{'|'.join(_BEFORE_RELEASE)})[-._]?(?P<count>[0-9]{{0,18}})(?![A-Za-z0-9]))?"
    r"(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN_REST = re.compile(r"([-+~_][-+~_.0-9A-Za-z]*)?")
_CONDITION = re.compile(r"(?P<sign>==|!=|<=|>=|=|<|>)(?P<version>.*)", re.DOTALL)
_COMPARES: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "==": eq, "<": lt, "<=": le, ">": gt, ">=": ge}
_WANTED = 'wanted one of ==, !=, <, <=, >, >= and a version, as ">= 5.4"'
_Ordered = tuple[tuple[int, ...], int, int]
"""The numbers without zeros at the end, the mark before the release, and the mark's own number."""


def condition_fault(condition: str) -> str | None:
    """What keeps `condition` from being used: a sentence, or None if nothing does."""
    return None if _condition(condition) else f"{_WANTED}; got {condition[:_MAX_LENGTH]!r}"


def satisfies(version: str, condition: str) -> bool:
    """Whether `version` meets `condition`. What is no version meets none but !=.

    Raises ValueError for a condition with a fault.
    """
    wanted = _condition(condition)
    if wanted is None:
        raise ValueError(condition_fault(condition))
    sign, bound = wanted
    found = _ordered(version)
    if sign == "!=":
        return found != bound
    return found is not None and _COMPARES[sign](found, bound)


@lru_cache(maxsize=4096)
def _ordered(text: str) -> _Ordered | None:
    found = _VERSION.match(text.strip()[:_MAX_LENGTH])
    if not found:
        return None
    numbers = [int(number) for number in found["numbers"].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    mark = found["mark"]
    stage = _BEFORE_RELEASE.index(mark.lower()) if mark else len(_BEFORE_RELEASE)
    return tuple(numbers), stage, int(found["count"] or 0)


@lru_cache(maxsize=1024)
def _condition(text: str) -> tuple[str, _Ordered] | None:
    found = _CONDITION.fullmatch(text.strip()) if len(text) <= _MAX_LENGTH else None
    if not found:
        return None
    version = found["version"].strip()
    parts = _VERSION.fullmatch(version)
    ordered = _ordered(version)
    if not parts or ordered is None or not _PLAIN_REST.fullmatch(parts["rest"]):
        return None
    return found["sign"], ordered
