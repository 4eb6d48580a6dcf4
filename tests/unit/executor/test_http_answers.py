"""Answers as HTTP/1.x servers send them, and as they should not: the same however the bytes are cut."""

from __future__ import annotations

import pytest

from executor.http_answers import HEAD_BYTES, Answer, request_bytes

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 3\r\n\r\n"


def read(data: bytes, method: str = "GET", *, size: int = 0, ends: bool = True) -> tuple[Answer, bytes]:
    """The answer out of pieces of `size` bytes (0: all at once), and its body."""
    answer, body = Answer(method), b""
    size = size or len(data) or 1
    for start in range(0, len(data), size):
        body += answer.feed(data[start : start + size])
    if ends and not answer.is_complete:
        body += answer.feed(b"")
    return answer, body


@pytest.mark.parametrize("size", [0, 1, 7])
@pytest.mark.parametrize(
    ("data", "status", "reason", "body", "is_complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhimore", 200, "OK", b"hi", True),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", b"", True),
        (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 200, "", b"", True),
        (b"HTTP/1.0 200 All is well\n\nhi", 200, "All is well", b"hi", False),
        (b"HTTP/1.0 204 No Content\r\n\r\n", 204, "No Content", b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "Not Modified", b"", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 503, "No", b"", True),
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102\r\n\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            *(200, "OK", b"", True),
        ),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", 101, "Switching Protocols", b"", True),
        (CHUNKED + b"2\r\nhi\r\n3;x=y\r\n\r\n!\r\n0\r\nA: b\r\n\r\n", 200, "OK", b"hi\r\n!", True),
        (CHUNKED.replace(b"\r\n", b"\n") + b"002\nhi\n0\n\n", 200, "OK", b"hi", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", 200, "OK", b"hi", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nhi!", 200, "OK", b"hi!", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nhi!", 200, "OK", b"hi!", False),
        (b"HTTP/1.1 999 Odd\r\nno field\r\n X\r\nContent-Length:\r\n 0\r\n\r\n", 999, "Odd", b"", True),
        (b"HTTP/2 200 \r\n\r\n", 200, "", b"", False),
        (b"\r\nHTTP/1.1 200 caf\xc3\xa9\r\n\r\n", 200, "caf\u00e9", b"", False),
    ],
)
def test_the_final_answer_is_read(
    size: int, data: bytes, status: int, reason: str, body: bytes, is_complete: bool
) -> None:
    answer, found = read(data, size=size, ends=False)
    assert (answer.status, answer.reason, found, answer.is_complete) == (status, reason, body, is_complete)
    assert read(data, size=size)[0].is_complete


def test_to_head_there_is_no_body() -> None:
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD", ends=False)[0].is_complete


def test_of_a_script_that_writes_a_status_line_only() -> None:
    assert read(b"HTTP/1.0 200 OK\r\n")[0].status == 200
    assert read(b"HTTP/1.0 200")[0].status == 200


def test_fields_by_name_and_folded_ones() -> None:
    answer, _ = read(b"HTTP/1.1 200 OK\r\nA: 1\r\nB : x\r\n\ty\r\na: 2\r\n\r\n")
    assert answer.headers == {"a": "1, 2", "b": "x y"}


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it closed the connection"),
        (b"SSH-2.0-x\r\n", "this is not HTTP: b'S"),
        (b"HTTP/1.1 OK\r\n\r\n", "this is not HTTP: b'HTTP/1.1 OK'"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "this is not HTTP: b'HTTP/1.1 2000 OK'"),
        (b"HTTP/1.1 20", "it closed the connection in the middle of its answer"),
        (b"HTTP/1.1 103 Early\r\n\r\n", "it closed the connection after 103, without its final answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "it closed the connection in the middle of its answer"),
        (CHUNKED + b"2\r\nhi\r\n", "it closed the connection in the middle of its answer"),
        (CHUNKED + b"2\r\nhi!\r\n", "wanted the end of a chunk, got b'!'"),
        (CHUNKED + b"-2\r\n", "wanted the length of a chunk, got b'-2'"),
        (CHUNKED + b"1" * 5000, "a line of its chunks is too long"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * HEAD_BYTES, "the head of the answer is longer than 64 KiB"),
    ],
)
def test_what_is_no_answer(size: int, data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match="^" + words.replace("(", r"\(")):
        read(data, size=size)


def test_a_request_has_only_letters_that_it_may_have() -> None:
    assert request_bytes("GET", "/a b\u00e9?x=|1%20#part", (("Host", "h:1"),)) == (
        b"GET /a%20b%C3%A9?x=%7C1%20 HTTP/1.1\r\nHost: h:1\r\n\r\n"
    )
