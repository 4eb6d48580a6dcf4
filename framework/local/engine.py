"""The Docker engine: finds it, and starts one where there is none."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from framework.local.daemon import Daemon, DaemonSpec, command_of
from framework.local.errors import LocalError
from framework.local.paths import cache_home
from framework.local.waiting import wait_for

START_SECONDS = 60.0
END_SECONDS = 30.0
ANSWER_SECONDS = 120

PID_FILES = {
    Path("/var/run/docker.pid"): "dockerd",
    Path("/var/run/docker/containerd/containerd.pid"): "containerd",
}


def client() -> Any:
    """A docker.DockerClient for the engine that DOCKER_HOST or the default socket names."""
    import docker  # Late, since it takes longer to load than all other commands need.

    return docker.from_env(timeout=ANSWER_SECONDS)


def is_answering() -> bool:
    """Whether there is an engine that this user may use."""
    return trouble() is None


def trouble() -> str | None:
    """Why the engine cannot be used, in its or the system's words; None if it can."""
    from docker.errors import DockerException

    try:
        connection = client()
    except DockerException as error:
        return str(error)
    with contextlib.closing(connection):
        try:
            connection.ping()
        except (DockerException, OSError) as error:
            return str(error)
    return None


def version() -> str:
    """The engine's version."""
    with contextlib.closing(client()) as connection:
        return str(connection.version()["Version"])


def ensure() -> Daemon | None:
    """Makes sure that an engine answers; returns the one this call started, if it did.

    Raises LocalError, with what to do, when none answers and none can be started.
    """
    why = trouble()
    if why is None:
        return None
    if os.environ.get("DOCKER_HOST"):
        raise LocalError(f"no Docker engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}: {why}")
    dockerd = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if dockerd is None:
        raise LocalError("no Docker engine answers, and dockerd is not there: apt-get install -y docker.io")
    if os.geteuid() != 0:
        raise LocalError(f"no Docker engine answers ({why}); start it as root: systemctl start docker, or dockerd")
    return _start(dockerd)


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
    from docker.errors import APIError, NotFound

    removed = 0
    with contextlib.closing(client()) as connection:
        for label in labels:
            for container in connection.api.containers(all=True, filters={"label": label}):
                with contextlib.suppress(NotFound):
                    try:
                        connection.api.remove_container(container["Id"], force=True, v=True)
                    except APIError as error:
                        if error.status_code != 409:  # 409: somebody else is removing it already.
                            raise
                    removed += 1
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
    """Removes a pid file that outlived a reboot, in whose process dockerd would else see itself."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        if program not in " ".join(command_of(int(path.read_text()))):
            path.unlink()


def _directory() -> Path:
    return cache_home() / "engine"
