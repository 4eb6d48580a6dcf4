"""A confined process takes no more than it may, and whoever asks it learns of what there was too much."""

from __future__ import annotations

import errno
import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from specs.confined import Confined, Exceeded, Limits, Unavailable

LIMITS = Limits(cpu_seconds=1, seconds=300.0, memory_bytes=128 << 20, output_bytes=10_000)


@pytest.fixture
def confined() -> Iterator[Confined]:
    found = Confined("tests.kit.confined_target", limits=LIMITS)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"memory": 1_500_000_000}, "more than 128 MiB of memory"),
        ({"time": 0}, "more than 1 s of processor time"),
        ({"output": 10_001}, "more than 10,000 bytes of answer"),
    ],
)
def test_what_takes_too_much_is_ended_and_the_next_call_is_answered(
    confined: Confined, request_: dict[str, Any], words: str
) -> None:
    with pytest.raises(Exceeded, match=f"^{words}$"):
        confined.call(request_)
    assert confined.call({"memory": 1_000_000}) == {"length": 1_000_000}


def test_the_time_of_the_clock_is_limited_too(confined: Confined) -> None:
    confined.call({"told": 0})  # it runs
    with pytest.raises(Exceeded, match=r"more than 0\.05 s"):
        confined.call({"sleep": 600}, seconds=0.05)


@pytest.mark.parametrize("request_", [{"end": 7}, {"raise": "x"}])
def test_an_end_for_another_reason_is_no_excess(confined: Confined, request_: dict[str, Any]) -> None:
    with pytest.raises(Unavailable, match="its process ended with"):
        confined.call(request_)
    assert confined.call({"memory": 1}) == {"length": 1}


def test_it_writes_no_file_and_what_it_prints_goes_nowhere(confined: Confined, tmp_path: Path) -> None:
    assert confined.call({"write": str(tmp_path / "x")}) == {"errno": errno.EFBIG}


def test_a_child_is_told_once_what_it_has_to_know(confined: Confined) -> None:
    one, two = object(), object()

    def call(told: object, number: int) -> tuple[list[int], int]:
        found = confined.call({"told": 0}, told=told, tell=lambda: {"tell": number})
        return found["told"], found["pid"]

    first = call(one, 1)
    assert call(one, 2) == first == ([1], first[1])
    assert call(two, 3) == ([1, 3], first[1])
    with pytest.raises(Unavailable):
        confined.call({"end": 1})
    found, pid = call(two, 4)
    assert (found, pid == first[1]) == ([4], False)


def test_it_ends_when_it_is_closed_and_not_before_it_was_idle_long_enough(confined: Confined) -> None:
    pid = confined.call({"told": 0})["pid"]
    confined.close(idle_seconds=3600.0)
    assert Path(f"/proc/{pid}").exists()
    confined.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_call_is_broken_off_by_its_key_and_no_other_is(confined: Confined) -> None:
    confined.call({"told": 0})
    ended: queue.SimpleQueue[Exception] = queue.SimpleQueue()

    def sleep() -> None:
        try:
            confined.call({"sleep": 600}, key="mine")
        except Unavailable as fault:
            ended.put(fault)

    thread = threading.Thread(target=sleep)
    thread.start()
    while thread.is_alive():
        confined.abort("another's")
        confined.abort("")
        confined.abort("mine")
    assert ended.get(timeout=1)
    confined.abort("mine")
    assert confined.call({"memory": 1}) == {"length": 1}


def test_what_cannot_start_says_so() -> None:
    with pytest.raises(Unavailable, match="there is no module nowhere"):
        Confined("nowhere.at_all").call({})
    with pytest.raises(Unavailable, match="its process did not start: its process ended with 1"):
        Confined("tests.kit.nowhere").call({})
