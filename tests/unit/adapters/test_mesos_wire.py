"""Bytes in any pieces are the same answers and events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.adapters.mesos_wire import Answers, EventStream, WireFault

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nMesos-Stream-Id: s-1\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, position = [], 0
    for size in sizes:
        pieces.append(data[position : position + size])
        position += size
    return [*pieces, data[position:]]


@given(
    records=st.lists(st.binary(max_size=40), max_size=5),
    chunks=st.lists(st.integers(1, 9), max_size=20),
    reads=st.lists(st.integers(1, 9), max_size=40),
)
def test_a_stream_in_any_pieces_has_the_same_records(records: list[bytes], chunks: list[int], reads: list[int]) -> None:
    content = b"".join(b"%d\n%b" % (len(record), record) for record in records)
    raw = HEAD + b"".join(chunk(piece) for piece in cut(content, chunks) if piece)
    stream = EventStream()
    assert [record for piece in cut(raw, reads) for record in stream.feed(piece)] == records
    assert stream.head is not None and stream.head.headers["mesos-stream-id"] == "s-1"
    assert not stream.is_complete
    stream.feed(chunk(b""))
    assert stream.is_complete


@given(reads=st.lists(st.integers(1, 30), max_size=30))
def test_answers_in_any_pieces_are_the_same(reads: list[int]) -> None:
    raw = (
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nbad offer"
        b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk(b"no ")
        + chunk(b"way")
        + chunk(b"")
        + b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    )
    answers = Answers()
    got = [(answer.status, answer.text, answer.is_taken) for piece in cut(raw, reads) for answer in answers.feed(piece)]
    assert got == [(202, "", True), (400, "bad offer", False), (403, "no way", False), (202, "", True)]


def test_a_refusal_has_its_text() -> None:
    stream = EventStream()
    assert stream.feed(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno") == []
    assert not stream.is_complete
    stream.feed(b"!")
    assert stream.is_complete and stream.text == "no!"


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n",
        b"x" * 70_000,
        HEAD + b"zz\r\n",
        HEAD + chunk(b"many\n"),
        HEAD + chunk(b"x" * 50),
        HEAD + chunk(b"999999999999\n"),
    ],
)
def test_what_is_no_master_is_a_fault(raw: bytes) -> None:
    with pytest.raises(WireFault, match="wanted"):
        EventStream().feed(raw)
