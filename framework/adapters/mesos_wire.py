"""The bytes between us and a master: HTTP answers and the stream of events, taken apart as they come; no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_HEAD_BYTES = 64 * 1024
MOST_RECORD_BYTES = 256 * 1024 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class WireFault(Exception):
    """The received bytes are not the answer of a Mesos master."""


@dataclass(frozen=True, slots=True)
class Head:
    """The status line and headers of an answer; names in lower case."""

    status: int
    headers: dict[str, str]

    @property
    def length(self) -> int | None:
        text = self.headers.get("content-length", "")
        return int(text) if text.isdigit() else None

    @property
    def is_chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer to a call; `text` is what it says about itself, empty when it was taken."""

    status: int
    text: str

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300


class _Chunks:
    """Takes the chunked transfer coding off."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self.is_complete = False

    def feed(self, data: bytes | bytearray) -> bytes:
        """Takes `data` in, and returns the content that it completes."""
        raw, parts, position = self._raw, [], 0
        raw += data
        while not self.is_complete:
            end = raw.find(b"\r\n", position)
            if end < 0:
                if len(raw) - position > MOST_HEAD_BYTES:
                    raise WireFault(f"the length of a chunk: wanted a number, got {bytes(raw[position:][:40])!r}")
                break
            size = _number(raw[position:end].partition(b";")[0], 16, "the length of a chunk")
            if len(raw) < end + 2 + size + 2:
                break
            parts.append(bytes(raw[end + 2 : end + 2 + size]))
            position = end + 2 + size + 2
            self.is_complete = size == 0
        del raw[:position]
        return b"".join(parts)

    @property
    def rest(self) -> bytes:
        """The bytes after the last chunk."""
        return bytes(self._raw)


class EventStream:
    """The answer to SUBSCRIBE: a head, then records, each a JSON text behind its length."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self._raw = bytearray()
        self._chunks = _Chunks()
        self._content = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The records that are complete with `data`; raises WireFault."""
        if self.head is None:
            self._raw += data
            found = _take_head(self._raw)
            if found is None:
                return []
            self.head = found
            data = bytes(self._raw)
            self._raw.clear()
        self._content += self._chunks.feed(data) if self.head.is_chunked else data
        return self._records() if self.head.status == 200 else []

    @property
    def is_complete(self) -> bool:
        """Whether the answer has ended."""
        if self.head is None:
            return False
        if self.head.is_chunked:
            return self._chunks.is_complete
        return self.head.length is not None and len(self._content) >= self.head.length

    @property
    def text(self) -> str:
        """The content of an answer that is no stream."""
        return self._content.decode("utf-8", "replace").strip()

    def _records(self) -> list[bytes]:
        content, records, position = self._content, [], 0
        while True:
            end = content.find(b"\n", position, position + 32)
            if end < 0:
                if len(content) - position >= 32:
                    raise WireFault(f"the length of an event: wanted a number, got {bytes(content[position:][:32])!r}")
                break
            size = _number(content[position:end], 10, "the length of an event")
            if size > MOST_RECORD_BYTES:
                raise WireFault(f"the length of an event: wanted at most {MOST_RECORD_BYTES} bytes, got {size}")
            if len(content) < end + 1 + size:
                break
            records.append(bytes(content[end + 1 : end + 1 + size]))
            position = end + 1 + size
        del content[:position]
        return records


class Answers:
    """Answers to calls on a kept connection, one after the other."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._head: Head | None = None
        self._chunks = _Chunks()
        self._content = bytearray()

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that are complete with `data`; raises WireFault."""
        self._raw += data
        answers = []
        while (answer := self._next()) is not None:
            answers.append(answer)
        return answers

    def _next(self) -> Answer | None:
        if self._head is None:
            self._head = _take_head(self._raw)
            if self._head is None:
                return None
        head = self._head
        if head.is_chunked:
            self._content += self._chunks.feed(self._raw)
            self._raw.clear()
            if not self._chunks.is_complete:
                return None
            self._raw += self._chunks.rest
        else:
            length = head.length or 0
            if len(self._raw) < length:
                return None
            self._content += self._raw[:length]
            del self._raw[:length]
        answer = Answer(head.status, self._content.decode("utf-8", "replace").strip())
        self._head, self._chunks, self._content = None, _Chunks(), bytearray()
        return answer


def _take_head(raw: bytearray) -> Head | None:
    """Cuts the head of an answer off `raw`, once it is whole."""
    end = raw.find(b"\r\n\r\n")
    if end < 0:
        if len(raw) > MOST_HEAD_BYTES or (len(raw) >= 16 and not _STATUS.match(raw)):
            raise WireFault(f"wanted an answer in HTTP, got {bytes(raw[:40])!r}")
        return None
    lines = bytes(raw[:end]).split(b"\r\n")
    found = _STATUS.match(lines[0])
    if not found:
        raise WireFault(f"wanted an answer in HTTP, got {lines[0][:40]!r}")
    del raw[: end + 4]
    pairs = (line.decode("latin-1").partition(":") for line in lines[1:])
    return Head(int(found[1]), {name.strip().lower(): value.strip() for name, _, value in pairs})


def _number(text: bytes | bytearray, base: int, what: str) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise WireFault(f"{what}: wanted a number, got {bytes(text[:40])!r}") from None
