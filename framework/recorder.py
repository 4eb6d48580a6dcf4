"""The flight recorder: a journal of the core's events and of the commands that followed; and its replay.

A journal is a file of JSON lines: a head, then a line for each event with its time, its kind, its content and a mark of
its commands, null if the event ended the process. The first event holds the content of the store, so that a fresh
Scheduler returns the same commands.
"""

from __future__ import annotations

import logging
import os
import secrets
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

import orjson

from framework.core.commands import Command
from framework.core.events import Event
from framework.core.journal import Masker, comparable, decode, members
from framework.core.model import Instant, Settings, StackSpec
from framework.core.scheduler import Scheduler

log = logging.getLogger(__name__)

FORMAT = 2
MOST_BYTES = 256 * 1024 * 1024
MOST_KEPT = 256
"""Limit on events kept in memory before they are written."""
_EVENTS = members(Event)


class Recorder:
    """Writes a journal, from the loop's thread. A failure must never end the scheduler: the recorder logs it once and
    stops recording."""

    def __init__(self, path: Path, settings: Settings, *, most_bytes: int = MOST_BYTES) -> None:
        """Begins a new file of mode 0600. An existing one is kept as FILE.1, which replaces an older one.

        Raises OSError if the file cannot be created.
        """
        self._path = path
        self._masker = Masker(secrets.token_bytes(16))
        self._most_bytes = most_bytes
        self._bytes = 0
        if path.is_file():
            path.replace(path.with_name(path.name + ".1"))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file: BinaryIO | None = os.fdopen(descriptor, "wb", buffering=1 << 20)
        self._begun: list[tuple[Event, Instant]] = []
        self._ended: list[tuple[Command, ...]] = []
        self._write(orjson.dumps({"journal": FORMAT, "settings": settings}) + b"\n")

    @property
    def is_recording(self) -> bool:
        """Whether the journal is still open."""
        return self._file is not None

    def begin(self, event: Event, now: Instant) -> None:
        """Notes an event before it is handled, so that an event that ends the process by a bug is in the journal."""
        if self._file is not None:
            self._begun.append((event, now))

    def end(self, commands: tuple[Command, ...]) -> None:
        """Notes the commands of the event that has begun."""
        if self._file is not None:
            self._ended.append(commands)
            if len(self._ended) >= MOST_KEPT:
                self._write_kept()

    def flush(self) -> None:
        """Writes all notes, and hands them to the system."""
        self._write_kept()
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                self._end(f"it cannot be written: {error.strerror}")

    def close(self) -> None:
        """Ends the journal."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_kept(self) -> None:
        """Writes all events in one go: values are frozen and can wait, and many together cost less than each alone."""
        begun, ended = self._begun, self._ended
        self._begun, self._ended = [], []
        lines: list[bytes] = []
        room = self._most_bytes - self._bytes
        for (event, now), commands in zip_longest(begun, ended):
            if room < 0:
                self._write(b"".join(lines))
                self._end(f"it has {self._bytes:,} bytes, and may have {self._most_bytes:,}")
                return
            came = None if commands is None else mark(commands, self._masker.stack)
            line = orjson.dumps(
                (now, type(event).__name__, self._masker.plain(event), came), option=orjson.OPT_APPEND_NEWLINE
            )
            lines.append(line)
            room -= len(line)
        self._write(b"".join(lines))

    def _write(self, text: bytes) -> None:
        if self._file is None:
            return
        try:
            self._file.write(text)
        except OSError as error:
            self._end(f"it cannot be written: {error.strerror}")
            return
        self._bytes += len(text)

    def _end(self, why: str) -> None:
        log.warning("the journal %s ends here: %s; the next process begins another", self._path, why)
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                log.debug("the journal was not closed in order: %s", error.strerror)


def mark(commands: tuple[Command, ...], stack: Callable[[StackSpec], StackSpec]) -> str:
    """The mark of commands: their names, and a checksum of all that is compared. "" where there are none."""
    if not commands:
        return ""
    text = orjson.dumps(comparable(commands, stack))
    return f"{' '.join([type(command).__name__ for command in commands])} {zlib.crc32(text):08x}"


class JournalFault(Exception):
    """A file that is no journal, or that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An event of a journal and the commands of a fresh Scheduler. `recorded` is None where the journal breaks off.

    `bug` is the exception that ended the Scheduler, "" if there was none.
    """

    number: int
    at: Instant
    event: Event
    recorded: str | None
    replayed: str
    commands: tuple[Command, ...]
    bug: str = ""

    @property
    def is_same(self) -> bool:
        """Whether the same commands followed; true where the journal breaks off."""
        return self.recorded is None or self.recorded == self.replayed


def replay(path: Path) -> Iterator[Step]:
    """Plays a journal to a fresh Scheduler, step by step; raises JournalFault."""
    try:
        with path.open("rb") as file:
            scheduler = Scheduler(_settings(path, file.readline()))
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):  # or a full disk has cut it off
                    yield _step(path, scheduler, number, line)
    except OSError as error:
        raise JournalFault(f"{path} cannot be read: {error.strerror}") from None


def _settings(path: Path, line: bytes) -> Settings:
    try:
        head = orjson.loads(line)
        if head["journal"] != FORMAT:
            raise JournalFault(f"{path} is a journal of format {head['journal']}; wanted {FORMAT}")
        return decode(Settings, head["settings"])  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError) as error:
        raise JournalFault(f"{path} is no journal: its first line says {error}") from None


def _step(path: Path, scheduler: Scheduler, number: int, line: bytes) -> Step:
    try:
        at, kind, content, recorded = orjson.loads(line)
        event, at = decode(_EVENTS[kind], content), decode(Instant, at)
    except (ValueError, KeyError, TypeError) as error:
        raise JournalFault(f"{path}, event {number} cannot be read: {error}") from None
    commands: tuple[Command, ...] = ()
    bug = ""
    try:
        commands = scheduler.handle(event, at)
    except (AssertionError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RuntimeError) as fault:
        bug = repr(fault)
    return Step(
        number=number,
        at=at,
        event=event,
        recorded=None if recorded is None else str(recorded),
        replayed=mark(commands, lambda stack: stack),
        commands=commands,
        bug=bug,
    )
