"""`framework balancer` as a process of its own, which follows a cluster of the tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from framework.local import requirements
from framework.local.cluster import Cluster
from tests.kit.cluster import need

END_SECONDS = 30


class Balancer:
    """One kind (haproxy or nginx) on an address of the cluster's subnet; `log` is what it and its process said."""

    def __init__(self, kind: str, cluster: Cluster, directory: Path) -> None:
        self.address = f"127.{cluster.shape.subnet}.9.1"
        self.directory = directory
        self.log = directory.parent / f"{directory.name}.log"
        self._words = [kind, "--zk", cluster.store_url, "--directory", str(directory), "--bind", self.address]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> Balancer:
        """Starts it, with more words on its command line."""
        command = [sys.executable, "-m", "framework.cli.main", "balancer", *self._words, *more]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | {"PYTHONUNBUFFERED": "1"}
            )
        return self

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Sends it a signal and waits for its end."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(END_SECONDS)

    def said(self) -> str:
        """All that it said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


@contextlib.contextmanager
def running_balancer(kind: str, cluster: Cluster, directory: Path) -> Iterator[Balancer]:
    """One that ends with the context, and its own process with it."""
    need(requirements.BALANCERS)
    balancer = Balancer(kind, cluster, directory).start()
    try:
        yield balancer
    finally:
        balancer.end()
