"""The log of a task out of the files that its executor keeps: a stream of bytes, counted from the task's beginning.

At 10 MiB a log becomes `.1`, of which there is one. `.base` says how many bytes were written before the file begins,
and before `.1` does; `.times` when what was written. executor/sandbox.py writes them; they are read with the agent's
files API.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import requests

_LOOKS = 20
_LOOK_AGAIN_SECONDS = 0.02
"""A rotation is two renames: who meets one looks again."""
_MARK_SECONDS = 1.0
"""A note of the time is made of the first byte that comes a second after the last note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes of a file from an offset on. A read at offset -1 gives no bytes, and the file's size as the offset."""

    offset: int
    data: bytes


class AgentFault(Exception):
    """The agent did not give the file: `status` is its HTTP status, 0 where it did not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


Fetch = Callable[[str, str, int, int, float], Piece]
"""(host:port, path, offset, length, timeout in seconds) -> Piece; raises AgentFault."""


def fetch_from_agent(agent: str, path: str, offset: int, length: int, timeout_seconds: float) -> Piece:
    """Reads from /files/read of the agent."""
    parameters: dict[str, str | int] = {"path": path, "offset": offset, "length": length}
    try:
        answer = requests.get(
            f"http://{agent}/files/read", params=parameters, timeout=(3, timeout_seconds), allow_redirects=False
        )
    except requests.RequestException as error:
        raise AgentFault("no answer in time" if isinstance(error, requests.Timeout) else "no connection") from None
    if answer.status_code != 200:
        raise AgentFault(answer.text[:200].strip(), answer.status_code)
    try:
        # Mesos puts a file's bytes into the JSON string as they are, whatever their encoding: each is a character here.
        content = json.loads(answer.content.decode("latin-1"))
        return Piece(offset=int(content["offset"]), data=str(content["data"]).encode("latin-1"))
    except (ValueError, KeyError, TypeError):
        raise AgentFault("its answer is not what Mesos's files API gives", answer.status_code) from None


Read = Callable[[str, int, int], Awaitable[Piece]]
"""(path, offset, length) -> Piece; raises AgentFault."""


@dataclass(frozen=True, slots=True)
class _Bases:
    """With which bytes of the stream the file begins, and its older part; None where there is none."""

    current: int = 0
    older: int | None = None
    is_rotating: bool = False


@dataclass(frozen=True, slots=True)
class LogFile:
    """A stream of a task, at `path` on its agent, read by `read` in pieces of at most `most` bytes."""

    path: str
    read: Read
    most: int

    async def piece(self, offset: int, length: int) -> Piece:
        """The bytes from `offset` on, or from the first byte after it that is still there."""
        return await self._between_rotations(lambda bases: self._part(bases, offset, length))

    async def tail(self, lines: int, most_bytes: int) -> Piece:
        """The last lines, as far as they are among the last bytes that the limit allows."""
        return await self._between_rotations(lambda bases: self._tail(bases, lines, most_bytes))

    async def _between_rotations(self, look: Callable[[_Bases], Awaitable[Piece | None]]) -> Piece:
        """The result of a look during which the files stayed the same: else it may have seen another one, or none."""
        for _ in range(_LOOKS):
            bases = await self._bases()
            if not bases.is_rotating:
                found: Piece | AgentFault | None
                try:
                    found = await look(bases)
                except AgentFault as fault:
                    if fault.status != 404:
                        raise
                    found = fault
                if found is not None and bases == await self._bases():
                    if isinstance(found, AgentFault):
                        raise found
                    return found
            await anyio.sleep(_LOOK_AGAIN_SECONDS)
        raise AgentFault("the log is rotated faster than it can be read")

    async def offset_at(self, since: float) -> int:
        """With which byte begins what was written at that time, in seconds since 1970, and later; a second's writing
        more at most."""
        try:
            end, later = (await self.read(f"{self.path}.times", -1, 0)).offset, b""
        except AgentFault as fault:
            if fault.status == 404:  # an executor that did not write times yet
                return 0
            raise
        while end > 0:
            start = max(end - self.most, 0)
            later = (await self.read(f"{self.path}.times", start, end - start)).data[: end - start] + later
            end = start
            marks = _marks(later, is_cut=start > 0)
            if marks and marks[0][0] <= since:
                break
        marks = _marks(later, is_cut=end > 0)
        for index in reversed(range(len(marks))):
            at, offset = marks[index]
            if at <= since:
                # What follows a note was written within a second of it, or has a note of its own.
                is_over = since >= at + _MARK_SECONDS
                if is_over and index + 1 == len(marks):
                    return await self._end()
                return marks[index + 1][1] if is_over else offset
        return marks[0][1] if marks else 0

    async def _end(self) -> int:
        return (await self.tail(0, 0)).offset

    async def _bases(self) -> _Bases:
        try:
            words = (await self.read(f"{self.path}.base", 0, 100)).data.decode("ascii", "replace").split()
        except AgentFault as fault:
            if fault.status != 404:
                raise
            return _Bases()
        if len(words) < 2 or not words[0].isdecimal() or not words[1].isdecimal():
            raise AgentFault("what stands beside the log is not what an executor writes")
        return _Bases(int(words[0]), int(words[1]), len(words) > 2)

    async def _part(self, bases: _Bases, offset: int, length: int) -> Piece | None:
        """The bytes at an offset; None where the file has become another one."""
        if offset < bases.current and bases.older is not None:
            offset = max(offset, bases.older)
            found = await self._read(f"{self.path}.1", offset, bases.older, length)
            if found.data or found.offset < offset:
                return found if found.offset == offset else None
            offset = bases.current
        found = await self._read(self.path, offset, bases.current, length)
        return None if found.offset < offset and bases != await self._bases() else found

    async def _read(self, path: str, offset: int, base: int, length: int) -> Piece:
        found = await self.read(path, offset - base, min(length, self.most))
        return Piece(offset=found.offset + base, data=found.data)

    async def _tail(self, bases: _Bases, lines: int, most_bytes: int) -> Piece:
        end = bases.current + (await self.read(self.path, -1, 0)).offset
        start, data = end, b""
        first = bases.current if bases.older is None else bases.older
        while lines and start > first and _line_ends(data) < lines and len(data) < most_bytes:
            in_older = start <= bases.current
            path, base = (f"{self.path}.1", first) if in_older else (self.path, bases.current)
            length = min(self.most, start - base)
            piece = (await self._read(path, start - length, base, length)).data
            if not piece:
                break
            start, data = start - length, piece[:length] + data
        kept = _last_lines(data, lines) if lines else b""
        return Piece(offset=end - len(kept), data=kept)


def _marks(data: bytes, *, is_cut: bool) -> list[tuple[float, int]]:
    """The notes in a file of them, the first line left out where its beginning is not there."""
    lines = data.decode("ascii", "replace").split("\n")[1 if is_cut else 0 : -1]
    found: list[tuple[float, int]] = []
    for line in lines:
        at, _, offset = line.partition(" ")
        try:
            found.append((float(at), int(offset)))
        except ValueError:
            raise AgentFault("what stands beside the log is not what an executor writes") from None
    return found


def _line_ends(data: bytes) -> int:
    """How many lines are whole and followed by another."""
    return data.removesuffix(b"\n").count(b"\n")


def _last_lines(data: bytes, lines: int) -> bytes:
    start = len(data.removesuffix(b"\n"))
    for _ in range(lines):
        start = data.rfind(b"\n", 0, start)
        if start < 0:
            break
    return data[start + 1 :]
