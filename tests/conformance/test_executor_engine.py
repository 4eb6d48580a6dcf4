"""dockerd is restarted under running tasks: on real Mesos, with an engine of the test's own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.local import engine, requirements
from framework.local import images as local_images
from framework.local.cluster import Cluster
from framework.local.commands import executor_path
from framework.local.daemon import command_of
from tests.conformance.test_adoption import executors_of
from tests.kit.cli import Cli, containers, eventually
from tests.kit.cluster import need, running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

STACK = """
services:
  sleep:
    image: framework-demo/busybox:1
    command: sleep 600
    network: host
    stop: {signal: SIGKILL}
    resources: {cpus: 0.1, memory: 16M}
    instances: 4
"""


class OwnEngine:
    """A dockerd that only this test uses, with all it has in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host = f"unix://{directory}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._forget_containerd()
        program = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        assert program is not None
        # In a network of its own: without a bridge, dockerd removes that of the machine's engine.
        command = ["unshare", "--net", program, f"--host={self.host}", f"--data-root={self.directory}/data"]
        command += [f"--exec-root={self.directory}/exec", f"--pidfile={self.directory}/pid"]
        command += ["--bridge=none", "--iptables=false", "--ip-masq=false"]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        eventually(engine.is_answering, f"dockerd answers (log: {self.directory}/log)")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(60)

    def end(self) -> None:
        """Ends it with its containerd, which may outlive a dockerd that was killed, and with what it has mounted."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        pid = self._containerd()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            eventually(lambda: self._containerd() is None, "its containerd ends")
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for path in reversed([path for path in mounted if path.startswith(f"{self.directory}/")]):
            subprocess.run(["umount", path], check=False)

    def _containerd(self) -> int | None:
        """The process id of its containerd, None where it does not run."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int((self.directory / "exec" / "containerd" / "containerd.pid").read_text())
            return pid if str(self.directory) in " ".join(command_of(pid)) else None
        return None

    def _forget_containerd(self) -> None:
        """Removes the pid file of one that ended with its dockerd: the next would wait for it, as long as nobody has
        taken note of its death."""
        if self._containerd() is None:
            (self.directory / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)


@pytest.fixture
def own_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnEngine]:
    if os.geteuid() != 0:
        pytest.skip("a dockerd of the test's own is started as root only")
    need((*requirements.ENGINE, *requirements.IMAGES))
    # The path of a socket is short, and that of pytest's directories may be long.
    directory = Path(tempfile.mkdtemp(prefix="engine-"))
    own = OwnEngine(directory)
    monkeypatch.setenv("DOCKER_HOST", own.host)
    try:
        own.start()
        local_images.build([local_images.BUSYBOX])
        yield own
    finally:
        own.end()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def cluster(own_engine: OwnEngine, tmp_path: Path) -> Iterator[Cluster]:
    variables = {"PATH": executor_path(), "DOCKER_HOST": own_engine.host}
    flags = {"executor_environment_variables": json.dumps(variables)}
    with running_cluster(tmp_path / "cluster", agents=1, schedulers=1, agent_flags=flags) as cluster:
        yield cluster


def test_a_restarted_engine_costs_no_executor_and_its_tasks_run_again(
    own_engine: OwnEngine, cluster: Cluster, tmp_path: Path
) -> None:
    """Stopped, it ends its containers; killed, it ends them when it is back: live-restore is off, as by default."""
    cli = Cli(cluster.url)
    (tmp_path / "stack.yml").write_text(STACK)
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "engine", "--wait")
    executors = executors_of(cluster, "agent1")
    for number in (signal.SIGTERM, signal.SIGKILL):
        before = {task["id"] for task in cli.tasks("engine")}
        assert containers("engine") == sorted(before)
        own_engine.stop(number)
        own_engine.start()

        def is_as_wished(before: set[str] = before) -> bool:
            tasks = cli.tasks("engine")
            is_running = len(tasks) == 4 and {task["state"] for task in tasks} == {"RUNNING"}
            ids = sorted(task["id"] for task in tasks)
            return is_running and not before & set(ids) and containers("engine") == ids

        eventually(is_as_wished, f"all tasks run again after {number.name}", 120)
        assert executors_of(cluster, "agent1") == executors
    cli.run("remove", "engine", "--yes", "--wait")
    assert containers("engine") == []
