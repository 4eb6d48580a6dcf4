"""A log is one stream of bytes, however often its file is rotated, as the executor writes it and the API reads it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import executor.sandbox as boxes
from executor.sandbox import Sandbox
from framework.api.routes.log_files import AgentFault, LogFile, Piece
from specs.ids import TaskId

TASK = TaskId("shop.web.0.1")
NOW = 1_795_273_732.0


async def read(path: str, offset: int, length: int) -> Piece:
    """As Mesos's files API does it."""
    await asyncio.sleep(0)
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise AgentFault("No such file", 404) from None
    if offset < 0 or offset >= len(content):
        return Piece(offset=len(content), data=b"")
    return Piece(offset=offset, data=content[offset : offset + length])


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setattr(boxes, "LOG_BYTES", 1000)
    box = Sandbox(tmp_path)
    box.prepare(TASK)
    return box


def log(sandbox: Sandbox, most: int = 700) -> LogFile:
    return LogFile(str(sandbox.log(TASK, "stdout")), read, most)


def write(sandbox: Sandbox, *lines: str, at: float = NOW) -> None:
    for line in lines:
        sandbox.append(TASK, "stdout", f"{line}\n".encode(), at)


def test_offsets_go_on_over_rotations_and_what_is_gone_is_told_by_the_offset(sandbox: Sandbox) -> None:
    lines = [f"line {number:094}" for number in range(25)]  # of 100 bytes: it is rotated after 10 and 20
    write(sandbox, *lines)
    piece = asyncio.run(log(sandbox).piece(1950, 100))
    assert piece == Piece(offset=1950, data=f"{lines[19]}\n".encode()[50:])
    assert asyncio.run(log(sandbox).piece(2000, 100)).data.decode() == f"{lines[20]}\n"
    assert asyncio.run(log(sandbox).piece(0, 100)) == Piece(offset=1000, data=f"{lines[10]}\n".encode())
    assert asyncio.run(log(sandbox).piece(2500, 100)) == Piece(offset=2500, data=b"")


def test_a_tail_reaches_into_the_older_part(sandbox: Sandbox) -> None:
    write(sandbox, *(f"line {number:094}" for number in range(25)))
    piece = asyncio.run(log(sandbox).tail(12, 10_000))
    assert (piece.offset, piece.data.count(b"\n"), piece.data[:100].decode()) == (1300, 12, f"line {13:094}\n")
    assert asyncio.run(log(sandbox).tail(100, 10_000)).offset == 1000


def test_a_reader_that_keeps_up_loses_and_doubles_nothing_while_the_file_is_rotated_under_it(sandbox: Sandbox) -> None:
    lines = [f"{number:09}" for number in range(1500)]
    may_write = threading.Semaphore(50)  # the writer is never further ahead

    def writing() -> None:
        for line in lines:
            may_write.acquire()
            write(sandbox, line)

    async def reading() -> bytes:
        found, source = b"", log(sandbox)
        while len(found) < 10 * len(lines):
            piece = await source.piece(len(found), 700)
            assert piece.offset == len(found)
            lines_before = len(found) // 10
            found += piece.data
            for _ in range(len(found) // 10 - lines_before):
                may_write.release()
        return found

    thread = threading.Thread(target=writing, daemon=True)
    thread.start()
    found = asyncio.run(asyncio.wait_for(reading(), 60))
    assert found.decode().split() == lines
    assert int(Path(f"{sandbox.log(TASK, 'stdout')}.base").read_text().split()[0]) >= 14_000


def test_since_finds_what_was_written_then_and_later(sandbox: Sandbox) -> None:
    for second in (0.0, 0.4, 30.0, 30.9, 31.2):
        write(sandbox, f"{second:04.1f} s", at=NOW + second)
    source = log(sandbox, most=40)

    def first_since(seconds: float) -> str:
        return asyncio.run(source.piece(asyncio.run(source.offset_at(NOW + seconds)), 6)).data.decode()

    found = {seconds: first_since(seconds) for seconds in (-5, 0.0, 0.5, 1.5, 29.0, 30.5, 31.2, 31.9, 33.0)}
    assert found == {
        -5: "00.0 s", 0.0: "00.0 s", 0.5: "00.0 s", 1.5: "30.0 s", 29.0: "30.0 s", 30.5: "30.0 s", 31.2: "31.2 s",
        31.9: "31.2 s", 33.0: "",
    }  # fmt: skip


def test_notes_of_the_time_are_bounded(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "TIMES_BYTES", 400)
    for second in range(100):
        write(sandbox, "x", at=NOW + 2 * second)
    notes = Path(f"{sandbox.log(TASK, 'stdout')}.times").read_text().splitlines()
    assert (notes[-1], len(notes) < 25) == (f"{NOW + 198:.3f} 198", True)
    assert asyncio.run(log(sandbox).offset_at(NOW)) == int(notes[0].split()[1])


def test_an_executor_that_wrote_no_times_shows_all(sandbox: Sandbox) -> None:
    sandbox.log(TASK, "stdout").write_bytes(b"old\n")
    assert asyncio.run(log(sandbox).offset_at(NOW)) == 0
