"""A real etcd for tests: Debian's, fetched with apt and unpacked beside the system."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from framework.local import packages, requirements
from framework.local.daemon import Daemon, DaemonSpec
from framework.local.paths import cache_home
from tests.kit.cluster import leased_subnet, need

PROGRAM = "usr/bin/etcd"


def program() -> Path:
    """The path of etcd, which is fetched where it is not there."""
    need(requirements.IMAGES)
    root = cache_home() / "etcd"
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / PROGRAM).exists():
            packages.unpack(["etcd-server"], root)
    return root / PROGRAM


@contextlib.contextmanager
def running_etcd(directory: Path) -> Iterator[Daemon]:
    """A server of etcd on a subnet of its own."""
    path = program()
    with leased_subnet() as subnet:
        server = Daemon.create(directory, etcd(path, directory, f"127.{subnet}.0.1"))
        try:
            yield server.start().wait()
        finally:
            server.kill()


def etcd(path: Path, directory: Path, host: str) -> DaemonSpec:
    """How it is started, with what it stores in the directory."""
    flags = {
        "data-dir": f"{directory}/data",
        "listen-client-urls": f"http://{host}:2379",
        "advertise-client-urls": f"http://{host}:2379",
        "listen-peer-urls": f"http://{host}:2380",
        # As Mesos and ZooKeeper beside it write to the same disk.
        "heartbeat-interval": "300",
        "election-timeout": "3000",
    }
    command = (str(path), *(word for name, value in flags.items() for word in (f"--{name}", value)))
    return DaemonSpec(kind="etcd", address=f"{host}:2379", command=command)
