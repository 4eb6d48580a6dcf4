"""Answers of HTTP/1.x servers, read from bytes as they come: for checks and for pages of metrics. Pure.

As RFC 9112 has a client read them: interim answers (1xx) are read over, a reason phrase may be missing, lines may end
in LF alone, HTTP/1.0 may end with the connection. http.client would take a 103 for the answer.
"""

from __future__ import annotations

import re
from enum import Enum

HEAD_BYTES = 64 * 1024
"""Limit on the head of an answer, and on the trailer of a chunked one."""
CHUNK_LINE_BYTES = 4096
"""Limit on the line before a chunk, extensions included."""
_BEGINNING = b"HTTP/"
_STATUS_LINE = re.compile(rb"HTTP/[0-9]+(?:\.[0-9]+)?[ \t]+([0-9]{3})(?:[ \t]+(.*))?[ \t]*", re.DOTALL)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_LINE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?", re.DOTALL)
_SWITCHING = 101
_BODILESS = (204, 304)
_MOST_REASON = 100


class _Stage(Enum):
    HEAD = "head"
    LENGTH = "length"
    """A body of known length, or a chunk of one."""
    CHUNK_LINE = "chunk line"
    CHUNK_END = "chunk end"
    TRAILER = "trailer"
    UNTIL_END = "until end"
    """A body that ends with the connection."""
    COMPLETE = "complete"


class Answer:
    """One answer to a request with `method`. Fed with what comes, then once with b"" where the connection ends.

    `status` is None until the final head is there; 101 is final, as nobody asked to switch. `interim` is the last
    status that was read over, 0 for none. `headers` have names in lower case; the values of a name that comes twice are
    joined by ", ".
    """

    def __init__(self, method: str = "GET") -> None:
        self._method = method
        self._stage = _Stage.HEAD
        self._pending = bytearray()
        self._left = 0
        self._is_chunked = False
        self.status: int | None = None
        self.reason = ""
        self.interim = 0
        self.headers: dict[str, str] = {}

    @property
    def is_complete(self) -> bool:
        """Whether the answer has ended: nothing more belongs to it."""
        return self._stage is _Stage.COMPLETE

    def feed(self, data: bytes) -> bytes:
        """Takes in the next bytes; returns the part of the body that is in them. Raises ValueError where this is no
        answer, or breaks off in the middle."""
        self._pending += data
        is_end = not data
        body = bytearray()
        while not self.is_complete and self._advance(body, is_end):
            pass
        if is_end and not self.is_complete:
            self._end()
        return bytes(body)

    def _advance(self, body: bytearray, is_end: bool) -> bool:
        """One step; False where it needs more bytes."""
        match self._stage:
            case _Stage.HEAD:
                return self._read_head(is_end)
            case _Stage.LENGTH | _Stage.UNTIL_END:
                return self._read_body(body)
            case _Stage.CHUNK_LINE | _Stage.CHUNK_END | _Stage.TRAILER:
                return self._read_chunk_line()
            case _Stage.COMPLETE:
                return False

    # ---- the head -------------------------------------------------------------------

    def _read_head(self, is_end: bool) -> bool:
        while self._pending.startswith((b"\r", b"\n")):  # a line too many after an interim answer
            del self._pending[:1]
        if not self._pending:
            return False
        if not self._pending.startswith(_BEGINNING[: len(self._pending)]):
            raise ValueError(f"this is not HTTP: {_first_line(self._pending)!r}")
        end = _HEAD_END.search(self._pending)
        if end is None:
            if len(self._pending) > HEAD_BYTES:
                raise ValueError(f"the head of the answer is longer than {HEAD_BYTES // 1024} KiB")
            if is_end:  # a script that writes a status line and nothing else is understood
                if b"\n" not in self._pending and not _STATUS_LINE.fullmatch(self._pending):
                    raise ValueError("it closed the connection in the middle of its answer")
                self._take_head(bytes(self._pending))
                self._pending.clear()
            return is_end
        head = bytes(self._pending[: end.start()])
        del self._pending[: end.end()]
        self._take_head(head)
        return True

    def _take_head(self, head: bytes) -> None:
        first, *lines = (line.removesuffix(b"\r") for line in head.split(b"\n"))
        found = _STATUS_LINE.fullmatch(first)
        if found is None:
            raise ValueError(f"this is not HTTP: {first[:60]!r}")
        status = int(found[1])
        if 100 <= status < 200 and status != _SWITCHING:
            self.interim = status
            return
        self.status = status
        self.reason = (found[2] or b"").decode("utf-8", "replace").strip()[:_MOST_REASON]
        self.headers = _headers(lines)
        self._stage = self._framing(status)

    def _framing(self, status: int) -> _Stage:
        """The framing of the body: RFC 9112, section 6.3."""
        if self._method == "HEAD" or status in _BODILESS or status < 200:
            return _Stage.COMPLETE
        coding = self.headers.get("transfer-encoding")
        if coding is not None:
            self._is_chunked = coding.lower().rpartition(",")[2].strip() == "chunked"
            return _Stage.CHUNK_LINE if self._is_chunked else _Stage.UNTIL_END
        lengths = {length.strip() for length in self.headers.get("content-length", "").split(",")}
        if lengths == {""}:
            return _Stage.UNTIL_END
        length = lengths.pop()
        if lengths or not length.isascii() or not length.isdecimal() or len(length) > 18:
            # The head is understood; only where the body ends is not known.
            return _Stage.UNTIL_END
        self._left = int(length)
        return _Stage.LENGTH if self._left else _Stage.COMPLETE

    # ---- the body -------------------------------------------------------------------

    def _read_body(self, body: bytearray) -> bool:
        if not self._pending:
            return False
        count = len(self._pending) if self._stage is _Stage.UNTIL_END else min(self._left, len(self._pending))
        body += self._pending[:count]
        del self._pending[:count]
        if self._stage is _Stage.LENGTH:
            self._left -= count
            if not self._left:
                self._stage = _Stage.CHUNK_END if self._is_chunked else _Stage.COMPLETE
        return True

    def _read_chunk_line(self) -> bool:
        end = self._pending.find(b"\n")
        limit = HEAD_BYTES if self._stage is _Stage.TRAILER else CHUNK_LINE_BYTES
        if max(end, len(self._pending) if end < 0 else 0) > limit:
            raise ValueError("a line of its chunks is too long")
        if end < 0:
            return False
        line = bytes(self._pending[:end]).removesuffix(b"\r")
        del self._pending[: end + 1]
        if self._stage is _Stage.CHUNK_END:
            if line:
                raise ValueError(f"wanted the end of a chunk, got {line[:60]!r}")
            self._stage = _Stage.CHUNK_LINE
        elif self._stage is _Stage.TRAILER:
            self._stage = _Stage.TRAILER if line else _Stage.COMPLETE
        else:
            found = _CHUNK_LINE.fullmatch(line)
            if found is None:
                raise ValueError(f"wanted the length of a chunk, got {line[:60]!r}")
            self._left = int(found[1], 16)
            self._stage = _Stage.LENGTH if self._left else _Stage.TRAILER
        return True

    def _end(self) -> None:
        if self._stage is _Stage.UNTIL_END:
            self._stage = _Stage.COMPLETE
        elif self.status is not None:
            raise ValueError("it closed the connection in the middle of its answer")
        elif self.interim:
            raise ValueError(f"it closed the connection after {self.interim}, without its final answer")
        else:
            raise ValueError("it closed the connection")


def request_bytes(method: str, target: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """A request without a body. The part of `target` after a # is never sent; letters that no request may have are
    percent-encoded, as a browser does."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    path = b"".join(
        byte if _ALLOWED.fullmatch(byte) else b"%%%02X" % byte[0]
        for byte in (bytes([each]) for each in target.partition("#")[0].encode("utf-8", "surrogateescape"))
    )
    return b"%s %s HTTP/1.1\r\n%s\r\n" % (method.encode(), path, head.encode("utf-8", "surrogateescape"))


_ALLOWED = re.compile(rb"[A-Za-z0-9%/?:@!$&'()*+,;=._~\[\]-]")


def host_header(address: str, port: int) -> str:
    """The value of Host."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _headers(lines: list[bytes]) -> dict[str, str]:
    """The fields of a head. A line that begins with a space continues the one before; what is no field is left out."""
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        text = line.decode("latin-1")
        if text[:1] in (" ", "\t"):
            if name:
                found[name] = f"{found[name]} {text.strip()}".strip()
            continue
        name, colon, value = text.partition(":")
        name = name.strip().lower() if colon else ""
        if name:
            found[name] = f"{found[name]}, {value.strip()}" if name in found else value.strip()
    return found


def _first_line(data: bytearray) -> bytes:
    return bytes(data[:60]).split(b"\n", 1)[0].removesuffix(b"\r")
