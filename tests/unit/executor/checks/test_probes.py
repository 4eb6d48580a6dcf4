"""Checks over the network, against real servers of this machine."""

from __future__ import annotations

import contextlib
import http.server
import queue
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from executor.checks.probes import AT_ONCE, CheckTarget, Probes, host_in
from executor.runtime import CheckOutcome
from specs.model.stack import CheckKind, HealthCheck

CHECK = HealthCheck(kind=CheckKind.HTTP, path="/x", timeout_seconds=5.0)
HTTPS = replace(CHECK, kind=CheckKind.HTTPS)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the code that the path names, 299 if the header X-Who says me."""

    def do_GET(self) -> None:
        digits = self.path.strip("/")
        code = 299 if self.headers["X-Who"] == "me" else int(digits) if digits.isdecimal() else 200
        body = b"x" * 100_000
        self.send_response(code, f"by {self.command} of {self.headers['Host']}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server; gives its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def probes() -> Probes:
    return Probes(lambda _: None)


def ask(probes: Probes, port: int, check: HealthCheck) -> CheckOutcome:
    outcomes: queue.SimpleQueue[CheckOutcome] = queue.SimpleQueue()
    probes.submit(CheckTarget(address="127.0.0.1", port=port, check=check), time.monotonic(), outcomes.put)
    return outcomes.get(timeout=30)


def test_codes_decide_and_the_answer_is_told(probes: Probes) -> None:
    with serving() as port:
        where = f"http://127.0.0.1:{port}"
        found = ask(probes, port, CHECK)
        assert found == CheckOutcome(
            is_healthy=True, message=f"GET {where}/x: 200 by GET of 127.0.0.1:{port}", code=200
        )
        assert ask(probes, port, replace(CHECK, path="/399")).is_healthy
        assert not ask(probes, port, replace(CHECK, path="/400")).is_healthy
        picky = replace(CHECK, path="/204", codes=((200, 200), (300, 302)), method="HEAD")
        found = ask(probes, port, picky)
        assert (found.is_healthy, found.code) == (False, 204)
        assert found.message.startswith(f"HEAD {where}/204: 204 by HEAD") and found.message.endswith(
            "(wanted 200, 300-302)"
        )


def test_headers_are_sent_and_host_is_one_of_them(probes: Probes) -> None:
    with serving() as port:
        found = ask(probes, port, replace(CHECK, headers=(("Host", "shop.example"), ("X-Who", "me"))))
        assert (found.code, found.message.rpartition(": ")[2]) == (299, "299 by GET of shop.example")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that nobody has signed, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=shop"]
    subprocess.run([*command, "-keyout", str(path), "-out", str(path) + ".crt"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


def test_a_certificate_is_looked_at_only_if_that_is_wanted(probes: Probes, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as port:
        found = ask(probes, port, HTTPS)
        assert (found.is_healthy, found.code) == (True, 200)
        assert found.message.startswith(f"GET https://127.0.0.1:{port}/x: 200 by GET")
        found = ask(probes, port, replace(HTTPS, verifies=True))
        assert (found.is_healthy, found.code) == (False, None)
        assert "its certificate is not good: self" in found.message


def test_what_is_no_answer_says_why(probes: Probes) -> None:
    with serving() as port:
        assert "no TLS: wrong version number" in ask(probes, port, HTTPS).message
    assert ask(probes, port, CHECK).message == f"GET http://127.0.0.1:{port}/x: connection refused"
    assert ask(probes, port, replace(CHECK, kind=CheckKind.TCP)) == CheckOutcome(
        is_healthy=False, message=f"connection to 127.0.0.1:{port}: connection refused", code=0
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for answer, words in ((b"SSH-2.0\r\n\r\n", "this is not HTTP: b'SSH-2.0'"), (b"", "it closed the connection")):
            thread = threading.Thread(target=answer_once, args=(server, answer))
            thread.start()
            assert ask(probes, port, CHECK).message.endswith(words)
            thread.join()


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
DRAINED = b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "codes", "is_healthy", "words"),
    [
        (HINTS + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None, True, "200 OK"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS + b"HTTP/1.1 503\r\n\r\n", None, False, "503"),
        (HINTS, ((100, 199),), False, "no answer within 2 s, only 103"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", None, False, "101 Switching Protocols"),
        (b"HTTP/1.1 200\r\n\r\n", None, True, "200"),
        (b"HTTP/1.0 200 OK\n\n", None, True, "200 OK"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", None, True, "200 OK"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", None, True, "200 OK"),
        (DRAINED, None, True, "302 Found"),
        (DRAINED, ((301, 302),), True, "302 Found"),
        (DRAINED, ((200, 200),), False, "302 Found (wanted 200)"),
        (b"SETTINGS", None, False, "this is not HTTP: b'SETTINGS'"),
    ],
)
def test_the_final_answer_decides_though_the_connection_stays_open(
    probes: Probes, answer: bytes, codes: tuple[tuple[int, int], ...] | None, is_healthy: bool, words: str
) -> None:
    check = replace(CHECK, timeout_seconds=2.0 if words.endswith("only 103") else 30.0, codes=codes or CHECK.codes)
    is_over = threading.Event()

    def talk(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(answer)
            is_over.wait(30)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=talk, args=(server,))
        thread.start()
        port = server.getsockname()[1]
        try:
            found = ask(probes, port, check)
        finally:
            is_over.set()
            thread.join()
    assert (found.is_healthy, found.message) == (is_healthy, f"GET http://127.0.0.1:{port}/x: {words}")


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("shop.example:443", "shop.example"),
        ("shop.example", "shop.example"),
        ("[::1]:443", "::1"),
        ("fd00::2", "fd00::2"),
    ],
)
def test_a_certificate_is_wanted_for_the_host_without_its_port(name: str, host: str) -> None:
    assert host_in(name) == host


def answer_once(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(answer)


def test_checks_that_hang_delay_nobody_and_end_in_time(probes: Probes) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as silent, serving() as port:
        late: queue.SimpleQueue[CheckOutcome] = queue.SimpleQueue()
        check = replace(CHECK, timeout_seconds=60.0)
        for _ in range(200):
            target = CheckTarget(address="127.0.0.1", port=silent.getsockname()[1], check=check)
            probes.submit(target, time.monotonic(), late.put)
        assert ask(probes, port, CHECK).is_healthy
        short = replace(CHECK, timeout_seconds=0.2)
        assert ask(probes, silent.getsockname()[1], short).message.endswith("no answer within 0.2 s")
        assert late.empty()
    for _ in range(200):  # the connections are reset with their server
        assert not late.get(timeout=30).is_healthy


def test_more_than_can_be_open_at_once_wait_for_their_turn(probes: Probes) -> None:
    outcomes: queue.SimpleQueue[CheckOutcome] = queue.SimpleQueue()
    with serving() as port:
        target = CheckTarget(
            address="127.0.0.1", port=port, check=replace(CHECK, kind=CheckKind.TCP, timeout_seconds=60.0)
        )
        for _ in range(AT_ONCE + 100):
            probes.submit(target, time.monotonic(), outcomes.put)
        assert all(outcomes.get(timeout=30).is_healthy for _ in range(AT_ONCE + 100))
