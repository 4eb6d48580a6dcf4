"""The Docker engine: finds it, and starts one where there is none."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from framework.local.daemon import Daemon, DaemonSpec, command_of
from framework.local.errors import LocalError
from framework.local.paths import cache_home
from framework.local.waiting import wait_for

START_SECONDS = 60.0
END_SECONDS = 30.0
ANSWER_SECONDS = 120

# The container is gone, or another process removes it already.
BEING_REMOVED = (404, 409)

DEFAULT_NETWORK = "bridge"
DEFAULT_BRIDGE = "docker0"
BRIDGE_NAME_OPTION = "com.docker.network.bridge.name"

SIOCGIFADDR = 0x8915
"""Asks for an interface's address (netdevice(7)); the answer is a struct ifreq: 16 bytes of name, a
sockaddr_in."""
INTERFACE_NAME_BYTES = 15

PID_FILES = {
    Path("/var/run/docker.pid"): "dockerd",
    Path("/var/run/docker/containerd/containerd.pid"): "containerd",
}


@contextlib.contextmanager
def connection() -> Iterator[Any]:
    """A docker.DockerClient for the engine that DOCKER_HOST or the default socket names, closed afterwards.

    Raises LocalError, in the engine's or the system's words, where the engine refuses or does not answer.
    """
    import docker  # Late, since it takes longer to load than all else that most commands need.
    from requests import RequestException

    try:
        with contextlib.closing(docker.from_env(timeout=ANSWER_SECONDS)) as client:
            yield client
    except (docker.errors.DockerException, RequestException) as error:
        raise LocalError(f"the Docker engine: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """The system's own message at the bottom of a chain of errors, if there is one; else that of the first."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror + (f": {cause.filename}" if cause.filename else "")
        cause = cause.__cause__ or cause.__context__
    return str(getattr(error, "explanation", None) or error)  # The engine's own words, in an APIError.


def is_answering() -> bool:
    """Whether there is an engine that this user can use."""
    return trouble() is None


def trouble() -> str | None:
    """The reason why the engine cannot be used; None if it can."""
    try:
        with connection() as client:
            client.ping()
    except LocalError as error:
        return str(error)
    return None


def version() -> str:
    """The engine's version."""
    with connection() as client:
        return str(client.version()["Version"])


def bridge_address() -> str:
    """The machine's own IPv4 address on the network that the engine puts containers on by default.

    It is read from the bridge's interface. The engine's description of the network does not always have it: Docker
    20.10 leaves the gateway out until its second start, and with `default-gateway` it names another machine.
    Raises LocalError where there is no such network, or no address of it on this machine.
    """
    from docker.errors import NotFound

    with connection() as client:
        try:
            network = client.networks.get(DEFAULT_NETWORK).attrs
        except NotFound:
            raise LocalError(
                "the Docker engine has no default bridge network, so containers reach no DNS server of this machine;"
                ' start dockerd without "bridge": "none"'
            ) from None
    interface = str((network.get("Options") or {}).get(BRIDGE_NAME_OPTION) or DEFAULT_BRIDGE)
    address = interface_address(interface)
    if address is None:
        raise LocalError(
            f"the interface {interface} of Docker's default bridge has no IPv4 address on this machine, so containers"
            f" reach no DNS server here; see `docker network inspect {DEFAULT_NETWORK}`, and restart the engine"
        )
    return address


def interface_address(interface: str) -> str | None:
    """The first IPv4 address of a network interface of this machine; None if it has none, or is not there."""
    request = struct.pack("256s", interface.encode()[:INTERFACE_NAME_BYTES])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            answer = fcntl.ioctl(asked.fileno(), SIOCGIFADDR, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


def ensure() -> Daemon | None:
    """Makes sure that an engine answers; returns the one this call started, if it did.

    Raises LocalError, with what to do, when none answers and none can be started.  Two callers at once start one.
    """
    if is_answering():
        return None
    _directory().mkdir(parents=True, exist_ok=True)
    with (_directory() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        why = trouble()
        return _start(_dockerd(why)) if why else None


def _dockerd(why: str) -> str:
    """The program to start, since no engine answers; raises LocalError if we must not start one."""
    host = os.environ.get("DOCKER_HOST")
    if host:
        raise LocalError(f"no Docker engine answers at DOCKER_HOST={host} ({why}); check that it runs, or unset it")
    found = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise LocalError("no Docker engine answers, and dockerd is not there: apt-get install -y docker.io")
    if os.geteuid() != 0:
        raise LocalError(f"no Docker engine answers ({why}); start it as root: systemctl start docker, or dockerd")
    return found


def stop(engine: Daemon) -> None:
    """Ends an engine that `ensure` started."""
    engine.kill(signal.SIGTERM, END_SECONDS)


def started() -> Daemon | None:
    """The engine that an earlier `ensure` of this user started, if it still runs."""
    directory = _directory()
    if not (directory / "daemon.json").exists():
        return None
    engine = Daemon(directory)
    return engine if engine.pid else None


def remove_containers(labels: Iterable[str]) -> int:
    """Removes every container, running or not, that has one of the labels (NAME=VALUE); returns how many."""
    from docker.errors import APIError

    removed = 0
    with connection() as client:
        for label in labels:
            for container in client.api.containers(all=True, filters={"label": label}):
                try:
                    client.api.remove_container(container["Id"], force=True, v=True)
                    removed += 1
                except APIError as error:
                    if error.status_code not in BEING_REMOVED:
                        raise
    return removed


def _start(dockerd: str) -> Daemon:
    for path, program in PID_FILES.items():
        _forget_stale(path, program)
    spec = DaemonSpec(kind="dockerd", address="/var/run/docker.sock", command=(dockerd,))
    engine = Daemon.create(_directory(), spec).start()

    def answers() -> bool:
        if engine.pid is None:
            raise LocalError(f"dockerd was started and ended again. {engine.last_words()}")
        return is_answering()

    try:
        wait_for(answers, START_SECONDS, f"an answer of dockerd (log: {engine.log})")
    except BaseException:
        engine.kill()
        raise
    return engine


def _forget_stale(path: Path, program: str) -> None:
    """Removes a pid file from before a reboot: dockerd would take the process of that pid for itself."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        if program not in " ".join(command_of(int(path.read_text()))):
            path.unlink()


def _directory() -> Path:
    return cache_home() / "engine"
