"""Processes that can be killed by any signal and started again as they were."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from framework.local.errors import LocalError
from framework.local.waiting import wait_for

Kind = Literal["zookeeper", "etcd", "mesos-master", "mesos-agent", "scheduler", "dns", "balancer", "keeper", "dockerd"]
State = Literal["running", "frozen", "down"]

# No other variable is passed on: executors and tasks inherit an agent's environment, secrets and proxies included, and
# MESOS_* and LIBPROCESS_* are flags of Mesos' daemons.
INHERITED = ("HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR")
INHERITED_PREFIXES = ("LC_", "DOCKER_")

STOPPED_FILE = "stopped"
RESTARTS_FILE = "restarts"
LOCK_FILE = "start.lock"
"""Not "lock": the process that starts the daemon can hold that file at the same time, as framework.local.engine
does."""

START_SECONDS = 40.0
END_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonSpec:
    """The start of a daemon.

    `address` is HOST:PORT, a socket's path for dockerd, or "-" for a daemon that serves nobody; `environment` is added
    to the inherited variables.
    """

    kind: Kind
    address: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """An entry of the process table: its state's letter, and a mark that no other process has, reboots included."""

    pid: int
    letter: str
    mark: str

    @classmethod
    def find(cls, pid: int) -> "Process | None":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return cls(pid=pid, letter=fields[0], mark=f"{boot}:{fields[19]}")


class Daemon:
    """A process with a directory for its log, its pid, its state and its DaemonSpec."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = directory.name
        stored = json.loads((directory / "daemon.json").read_text(encoding="utf-8"))
        self.spec = DaemonSpec(**{**stored, "command": tuple(stored["command"])})

    @classmethod
    def create(cls, directory: Path, spec: DaemonSpec) -> "Daemon":
        """Writes the spec of the daemon into its directory; does not start it."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "daemon.json").write_text(json.dumps(asdict(spec), indent=2), encoding="utf-8")
        return cls(directory)

    @property
    def address(self) -> str:
        return self.spec.address

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def pid(self) -> int | None:
        """The pid of the process if it is there (stopped by SIGSTOP counts), else None."""
        return process.pid if (process := self._process()) else None

    @property
    def state(self) -> State:
        process = self._process()
        if process is None:
            return "down"
        return "frozen" if process.letter in ("T", "t") else "running"

    def _process(self) -> "Process | None":
        """The process that `start` noted, if it still lives. A pid from before a reboot, or used again, does not
        count."""
        try:
            pid, mark = (self.directory / "pid").read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        reap(int(pid))
        process = Process.find(int(pid))
        return process if process and process.mark == mark and process.letter not in ("Z", "X") else None

    @property
    def is_stopped(self) -> bool:
        """Whether it is down because `kill` ended it; false if it ended by itself."""
        return (self.directory / STOPPED_FILE).exists()

    @property
    def restarts(self) -> int:
        """The number of times it has ended by itself and was started again."""
        try:
            return int((self.directory / RESTARTS_FILE).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def start(self) -> "Daemon":
        """Starts the process, unless it runs; does not wait until it answers."""
        with self._locked():
            (self.directory / STOPPED_FILE).unlink(missing_ok=True)
            self._run()
        return self

    def start_again(self) -> "Daemon":
        """Starts the daemon again if it has ended by itself, and counts that; does nothing if `kill` has ended it."""
        with self._locked():
            if not self.is_stopped and self.pid is None:
                (self.directory / RESTARTS_FILE).write_text(str(self.restarts + 1))
                self._run()
        return self

    def _run(self) -> None:
        if self.pid is None:
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    self.spec.command,
                    env={**inherited_environment(os.environ), **self.spec.environment},
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    cwd=self.directory,
                    start_new_session=True,
                )
            found = Process.find(process.pid)
            (self.directory / "pid").write_text(f"{found.pid} {found.mark}" if found else "")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Lets one process at a time start the daemon."""
        with (self.directory / LOCK_FILE).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def kill(self, number: signal.Signals = signal.SIGKILL, seconds: float = END_SECONDS) -> "Daemon":
        """Signals the process and waits for the effect; does nothing if it is down."""
        after = self._state_after(number)
        if after == "down":
            (self.directory / STOPPED_FILE).touch()
        pid = self.pid
        if pid is not None:
            os.kill(pid, number)
            if after is not None:
                # A process that wakes can end at once, because it has slept too long.
                wait_for(lambda: self.state in (after, "down"), seconds, f"{self.name} {after} after {number.name}")
        return self

    def _state_after(self, number: signal.Signals) -> State | None:
        """The state after a signal, if the signal changes it."""
        if number == signal.SIGSTOP:
            return "frozen"
        if number == signal.SIGCONT:
            return "running"
        deadly = number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        return "down" if deadly or (number == signal.SIGUSR1 and self.spec.kind == "mesos-agent") else None

    def get(self, path: str) -> Any:
        """The JSON at a path of the daemon's HTTP server, or None if it does not answer with JSON."""
        return get_json(f"http://{self.address}{path}")

    def wait(self, seconds: float = START_SECONDS) -> "Daemon":
        """Waits until the daemon answers; raises LocalError at once if it ends instead."""

        def answers() -> bool:
            if self.pid is None:
                raise LocalError(f"{self.name} ended instead of answering at {self.address}. {self.last_words()}")
            return self.answers()

        wait_for(answers, seconds, f"an answer of {self.name} at {self.address} (log: {self.log})")
        return self

    def answers(self) -> bool:
        """Whether the daemon serves. ZooKeeper must answer srvr, Mesos its version, a scheduler or its follower any
        status; a DNS server and a balancer must accept connections; a keeper is never checked."""
        if self.spec.kind == "zookeeper":
            return b"Mode:" in four_letters(self.address, b"srvr")
        if self.spec.kind == "scheduler":
            return http_status(f"http://{self.address}/v1/ready") is not None
        if self.spec.kind == "keeper":
            return True
        if self.spec.kind in ("dns", "balancer"):
            return accepts(self.address)
        return self.get("/version") is not None

    def last_words(self, lines: int = 5) -> str:
        """The end of the log, and its path."""
        return f"The end of {self.log}:\n" + "\n".join(tail(self.log, lines))


def accepts(address: str) -> bool:
    """Whether a process accepts connections at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return True
    except OSError:
        return False


def inherited_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that daemons get."""
    kept = {k: v for k, v in environment.items() if k in INHERITED or k.startswith(INHERITED_PREFIXES)}
    return {**kept, "PATH": environment.get("PATH", os.defpath)}


def reap(pid: int) -> None:
    """Reaps an ended child, so that its entry in the process table goes; does nothing for other processes."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def command_of(pid: int) -> list[str]:
    """The command line of a process; empty if there is none or it has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [os.fsdecode(word) for word in words]


def tail(log: Path, lines: int) -> Sequence[str]:
    """The last lines of a log, read from its last 64 KiB at most."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65536))
        return file.read().decode(errors="replace").splitlines()[-lines:] if lines else []


def get_json(url: str, timeout: float = 3.0) -> Any:
    """The JSON at the URL, or None."""
    try:
        with _open(url, timeout) as response:
            return json.load(response)
    except (OSError, ValueError):
        return None


def http_status(url: str, timeout: float = 3.0) -> int | None:
    """The status with which the URL answers, or None if nothing answers there."""
    try:
        with _open(url, timeout) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def _open(url: str, timeout: float) -> Any:
    # Addresses of this machine are never behind a proxy.
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=timeout)


def four_letters(address: str, word: bytes, timeout: float = 2.0) -> bytes:
    """ZooKeeper's answer to a four-letter word; empty if there is none."""
    host, _, port = address.partition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=timeout) as connection:
            connection.sendall(word)
            return b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError:
        return b""
