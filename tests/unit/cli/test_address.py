"""The address of the scheduler, and the errors when nobody answers there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.cli.faults import CommandFault
from framework.cli.server import Address, find_address
from tests.unit.cli.conftest import Run, Serve


def test_the_flag_wins_then_the_environment_then_the_local_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find_address(None) == Address("http://127.0.0.1:8080", "the default")
    file = tmp_path / ".framework" / "local" / "url"
    file.parent.mkdir(parents=True)
    file.write_text("http://127.0.4.1:8080\n", encoding="utf-8")
    assert find_address(None) == Address("http://127.0.4.1:8080", str(file))
    other = tmp_path / "url"
    other.write_text("http://127.0.5.1:8080", encoding="utf-8")
    monkeypatch.setenv("FRAMEWORK_LOCAL_DIR", str(tmp_path))
    assert find_address(None) == Address("http://127.0.5.1:8080", str(other))
    monkeypatch.setenv("FRAMEWORK_URL", "http://scheduler:8080/")
    assert find_address(None) == Address("http://scheduler:8080", "FRAMEWORK_URL")
    assert find_address("https://other") == Address("https://other", "--url")


def test_host_and_port_are_enough() -> None:
    assert find_address("10.0.0.9:8080").url == "http://10.0.0.9:8080"


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:99999", "http://x:y", "http://[::1", "://"])
def test_what_is_no_address(run: Run, url: str) -> None:
    with pytest.raises(CommandFault) as caught:
        find_address(url)
    assert caught.value.exit_code == 2
    result = run("ls", "--url", url)
    assert result.exit_code == 2
    assert result.stderr == f"--url wants the address of a scheduler, as http://127.0.0.1:8080; got {url!r}.\n"


def test_nobody_is_there(run: Run) -> None:
    result = run("ls", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 3
    assert result.stderr == (
        "No scheduler answers at http://127.0.0.1:9 (from --url): connection refused.\n"
        "Is one running? `framework local status` tells of the local cluster; --url or FRAMEWORK_URL name another.\n"
    )


def test_a_name_that_is_not_known(run: Run) -> None:
    result = run("ls", "--url", "http://scheduler.invalid:8080")
    assert result.exit_code == 3
    assert "scheduler.invalid:8080 (from --url): the name " in result.stderr


def test_version_works_without_a_scheduler(run: Run) -> None:
    result = run("version", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 0
    assert result.stdout.startswith("framework ")
    assert "connection refused" in result.stderr


@pytest.fixture
def stranger() -> Iterator[tuple[str, list[bytes]]]:
    """Somebody who answers what the test says, and is no scheduler."""
    answers = [b""]
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answers[0])

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", answers
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "is not a framework scheduler"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "is not a framework scheduler"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!", "is not a framework scheduler"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "is not a framework"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP"),
        (b"", "it closed the connection without an answer"),
    ],
)
def test_somebody_else_is_there(run: Run, stranger: tuple[str, list[bytes]], answer: bytes, words: str) -> None:
    url, answers = stranger
    answers[0] = answer
    result = run("ls", "--url", url)
    assert result.exit_code == 3
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_proxies_and_netrc_of_the_surroundings_are_not_used(
    serve: Serve, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert run("ls").exit_code == 0
