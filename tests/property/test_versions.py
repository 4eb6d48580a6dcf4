"""Versions are in one total order, and it is Debian's."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specs.model.versions import condition_fault, satisfies

_NUMBERS = st.one_of(st.integers(0, 12).map(str), st.integers(0, 10**30).map(str), st.sampled_from(["00", "07"]))
_WORDS = st.sampled_from(["generic", "el7", "x86", "rc1", "SNAPSHOT", "a1", "k", "deb12u3", "ubuntu4", "dev", "M2", ""])
_SEPARATORS = st.sampled_from(["-", ".", "+", "~", ""])
_DOTTED = st.lists(_NUMBERS, min_size=1, max_size=4).map(".".join)


def _tail(words: st.SearchStrategy[str], separators: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    part = st.tuples(separators, st.one_of(words, _NUMBERS)).map("".join)
    return st.lists(part, max_size=4).map("".join)


_VERSIONS = st.tuples(st.sampled_from(["", "v", "1:"]), _DOTTED, _tail(_WORDS, _SEPARATORS)).map("".join)
_PLAIN_WORDS = st.sampled_from(["generic", "el", "y", "k", "deb", "ubuntu", "Final"])
_UPSTREAM = st.tuples(
    st.lists(_NUMBERS, min_size=3, max_size=3).map(".".join),
    st.one_of(st.just(""), st.tuples(st.sampled_from("+~"), _tail(_PLAIN_WORDS, st.sampled_from("+~."))).map("".join)),
).map("".join)
_OF_DEBIAN = st.tuples(
    st.sampled_from(["", "0:", "2:"]),
    _UPSTREAM,
    st.one_of(st.just(""), st.tuples(st.just("-"), _NUMBERS, _tail(_PLAIN_WORDS, st.sampled_from("+~."))).map("".join)),
).map("".join)
"""Versions with three numbers before all else, one hyphen, and no word for what comes before a release."""
_SIGNS = {"lt": "<", "le": "<=", "eq": "==", "ne": "!=", "ge": ">=", "gt": ">"}


def _is_short(version: str) -> bool:
    return len(version) < 90


@given(one=_VERSIONS.filter(_is_short), other=_VERSIONS.filter(_is_short))
def test_of_two_versions_exactly_one_comes_first_or_both_are_the_same(one: str, other: str) -> None:
    assert condition_fault(f"< {other}") is None
    holding = [sign for sign in ("<", "==", ">") if satisfies(one, f"{sign} {other}")]
    assert len(holding) == 1
    assert satisfies(one, f"<= {other}") is (holding != [">"])
    assert satisfies(one, f">= {other}") is (holding != ["<"])
    assert satisfies(one, f"!= {other}") is (holding != ["=="])
    mirrored = {"<": ">", "==": "==", ">": "<"}[holding[0]]
    assert satisfies(other, f"{mirrored} {one}")


@given(versions=st.lists(_VERSIONS.filter(_is_short), min_size=3, max_size=3))
def test_what_comes_before_what_comes_before_a_third_comes_before_it(versions: list[str]) -> None:
    one, other, third = versions
    if satisfies(one, f"<= {other}") and satisfies(other, f"<= {third}"):
        assert satisfies(one, f"<= {third}")
        if satisfies(one, f"< {other}") or satisfies(other, f"< {third}"):
            assert satisfies(one, f"< {third}")


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg, which the order is compared with, is not installed here")
@settings(max_examples=150, deadline=None)
@given(one=_OF_DEBIAN.filter(_is_short), other=_OF_DEBIAN.filter(_is_short), word=st.sampled_from(sorted(_SIGNS)))
def test_the_order_is_that_of_dpkg(one: str, other: str, word: str) -> None:
    answer = subprocess.run(["dpkg", "--compare-versions", one, word, other], check=False, capture_output=True)
    assert answer.returncode in (0, 1), answer.stderr
    assert satisfies(one, f"{_SIGNS[word]} {other}") is (answer.returncode == 0)


@given(numbers=_DOTTED.filter(_is_short), mark=st.sampled_from(["-rc1", ".dev2", "a1", "-SNAPSHOT", "_m3", "~beta"]))
def test_a_version_before_the_release_comes_before_it_and_after_all_that_was_before(numbers: str, mark: str) -> None:
    assert satisfies(f"{numbers}{mark}", f"< {numbers}")
    assert satisfies(f"{numbers}{mark}", f"> {numbers}~")
