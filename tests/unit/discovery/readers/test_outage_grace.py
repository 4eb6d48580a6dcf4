"""Endpoints that are kept after an outage of ZooKeeper, and for how long."""

from __future__ import annotations

from discovery.readers.outage_grace import OutageGrace

ONE, TWO = {"/a/1": b"one"}, {"/a/2": b"two"}


def test_what_vanishes_after_an_absence_is_kept_until_its_time_is_over() -> None:
    kept = OutageGrace(5.0)
    kept.begin(ONE | TWO, now=100.0)
    assert kept.until == 105.0
    assert kept.completed(TWO, now=100.1) == ONE | TWO
    assert kept.completed(TWO, now=104.9) == ONE | TWO
    assert kept.completed(TWO, now=105.0) == TWO
    assert kept.until is None


def test_what_was_back_may_go_at_once() -> None:
    kept = OutageGrace(5.0)
    kept.begin(ONE | TWO, now=100.0)
    kept.completed(TWO, now=100.1)
    assert kept.completed({"/a/1": b"anew"} | TWO, now=100.5) == {"/a/1": b"anew"} | TWO
    assert kept.completed(TWO, now=101.0) == TWO


def test_without_an_absence_nothing_is_kept() -> None:
    kept = OutageGrace(5.0)
    assert kept.completed(ONE | TWO, now=1.0) == ONE | TWO
    assert kept.completed({}, now=1.1) == {}
    kept.begin({}, now=2.0)
    assert kept.until is None
