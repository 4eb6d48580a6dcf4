"""Daemons, tried on processes that need nothing but this machine."""

import fcntl
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.local.daemon import Daemon, DaemonSpec, Process, inherited_environment, tail
from framework.local.errors import LocalError
from framework.local.ports import check_free, holder_of, is_free
from framework.local.waiting import wait_for


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Daemon]:
    spec = DaemonSpec(kind="mesos-agent", address="127.0.0.1:1", command=("sleep", "60"))
    daemon = Daemon.create(tmp_path / "sleeper", spec).start()
    yield daemon
    daemon.kill()


def test_a_daemon_is_killed_and_started_again(sleeper: Daemon) -> None:
    first = sleeper.pid
    assert first is not None and sleeper.state == "running"
    killed = sleeper.kill(signal.SIGKILL)
    assert (killed.pid, killed.state) == (None, "down")
    assert sleeper.start().pid not in (None, first)


def test_who_starts_a_daemon_may_hold_a_lock_of_its_directory(tmp_path: Path) -> None:
    """As framework.local.engine does, so that two callers start one engine."""
    spec = DaemonSpec(kind="dockerd", address=str(tmp_path / "socket"), command=("sleep", "60"))
    daemon = Daemon.create(tmp_path / "engine", spec)
    with (daemon.directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = threading.Thread(target=daemon.start, daemon=True)
        started.start()
        started.join(30)
        assert not started.is_alive() and daemon.pid is not None
    daemon.kill()


def test_start_leaves_a_running_daemon_alone(sleeper: Daemon) -> None:
    assert sleeper.pid == sleeper.start().pid


def test_a_stopped_daemon_is_frozen_until_it_goes_on(sleeper: Daemon) -> None:
    assert sleeper.kill(signal.SIGSTOP).state == "frozen"
    assert sleeper.kill(signal.SIGCONT).state == "running"


def test_another_object_for_the_same_directory_knows_the_same_process(sleeper: Daemon) -> None:
    again = Daemon(sleeper.directory)
    assert (again.pid, again.spec) == (sleeper.pid, sleeper.spec)


def test_a_pid_from_before_a_reboot_is_not_taken_for_the_daemon(sleeper: Daemon) -> None:
    file = sleeper.directory / "pid"
    current = file.read_text()
    pid, mark = current.split()
    file.write_text(f"{pid} another-boot:{mark.partition(':')[2]}")
    assert sleeper.pid is None
    file.write_text(current)


def test_a_daemon_that_ends_instead_of_answering_is_told_with_its_last_words(tmp_path: Path) -> None:
    spec = DaemonSpec(kind="mesos-master", address="127.0.0.1:1", command=("sh", "-c", "echo no such flag; exit 1"))
    daemon = Daemon.create(tmp_path / "master1", spec).start()
    with pytest.raises(LocalError) as failed:
        daemon.wait(10)
    assert "master1 ended instead of answering at 127.0.0.1:1" in str(failed.value)
    assert str(failed.value).endswith("no such flag")


def test_daemons_inherit_neither_flags_nor_secrets_nor_proxies() -> None:
    environment = {
        "PATH": "/bin",
        "HOME": "/root",
        "LC_ALL": "C",
        "MESOS_IP": "1.2.3.4",
        "LIBPROCESS_IP": "1.2.3.4",
        "SECRET": "x",
        "http_proxy": "http://proxy",
    }
    assert inherited_environment(environment) == {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C"}


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log, 3) == []
    log.write_text("".join(f"line {n}\n" for n in range(20000)))
    assert tail(log, 2) == ["line 19998", "line 19999"]
    assert tail(log, 0) == []


def test_waiting_gives_up_and_says_for_what() -> None:
    with pytest.raises(LocalError, match=r"^the moon: not within 0\.05 s$"):
        wait_for(lambda: None, 0.05, "the moon")


def test_an_address_in_use_is_told_with_its_holder() -> None:
    with socket.socket() as server:
        server.bind(("127.20.9.9", 0))
        server.listen()
        address = f"127.20.9.9:{server.getsockname()[1]}"
        assert not is_free(address)
        assert holder_of(address).startswith("pid ")
        with pytest.raises(LocalError, match=f"agent1's address {address} is in use by pid"):
            check_free({"agent1": address})
    assert is_free(address)


def test_a_pid_that_does_not_exist_has_no_process() -> None:
    assert Process.find(2**22 + 1) is None
