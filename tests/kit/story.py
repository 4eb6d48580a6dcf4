"""Stories on a real cluster: what is killed or frozen there, and the checker that nothing was lost or doubled."""

from __future__ import annotations

import contextlib
import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framework.local.cluster import Cluster
from framework.local.daemon import Daemon, http_status
from tests.kit.cli import Cli, containers, eventually

WORKER = "sh -c 'trap \"exit 0\" TERM; sleep 100000 & wait'"
"""Ends at once when it is told to."""


def workers(count: int, *, log: str = "info", cpus: float = 0.1, rule: str = "") -> str:
    """A stack file of `count` containers; another `log` is another version. `rule` is a constraint."""
    return f"""
services:
  work:
    image: framework-demo/busybox:1
    command: {WORKER}
    network_mode: host
    environment: {{LOG: {log}}}
    stop: {{grace: 2s}}
    resources: {{cpus: {cpus}, memory: 8M}}
    instances: {count}
    constraints: [{rule}]
"""


class Stage:
    """A cluster of which parts are killed and frozen; somebody who starts what has ended; and the checker."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cluster = cluster
        self.directory = directory

    # ---- who is who ---------------------------------------------------------------

    @property
    def schedulers(self) -> list[Daemon]:
        return [self.cluster.daemon(name) for name in ("scheduler1", "scheduler2")]

    def leading(self) -> Daemon | None:
        """The scheduler that leads and is subscribed, None where there is none now."""
        for daemon in self.schedulers:
            if daemon.state == "running" and http_status(f"http://{daemon.address}/v1/ready") == 200:
                info = daemon.get("/v1/info")
                if info is not None and info["leader"] == daemon.address and info["connection"] == "subscribed":
                    return daemon
        return None

    def leader(self, seconds: float = 60) -> Daemon:
        found = eventually(self.leading, "a scheduler leads and is subscribed", seconds)
        assert isinstance(found, Daemon)
        return found

    @property
    def cli(self) -> Cli:
        return Cli(f"http://{self.leader().address}")

    # ---- what is done -----------------------------------------------------------------

    def submit(self, name: str, text: str, *, wait: bool = True) -> None:
        file = self.directory / f"{name}.yml"
        file.write_text(text, encoding="utf-8")
        self.cli.run("submit", str(file), "--name", name, *(["--wait"] if wait else []))

    def remove(self, name: str) -> None:
        """Ends a story: of its stack nothing is left."""
        self.start_all()
        self.cli.run("remove", name, "--yes", "--wait")
        assert containers(name) == []

    def start_all(self) -> None:
        """Does what an init system does: what has ended is started again, what is frozen goes on."""
        for daemon in self.cluster.daemons.values():
            if daemon.state == "frozen":
                daemon.kill(signal.SIGCONT)
            if daemon.pid is None:
                daemon.start().wait()

    def kill(self, daemon: Daemon) -> None:
        """kill -9, and it is started again."""
        daemon.kill(signal.SIGKILL)
        daemon.start().wait()

    @contextlib.contextmanager
    def frozen(self, daemon: Daemon) -> Iterator[None]:
        daemon.kill(signal.SIGSTOP)
        try:
            yield
        finally:
            if daemon.state == "frozen":
                daemon.kill(signal.SIGCONT)

    # ---- what must hold -----------------------------------------------------------------

    def tasks(self, name: str) -> list[dict[str, Any]]:
        return self.cli.tasks(name)

    def ids(self, name: str) -> list[str]:
        return sorted(task["id"] for task in self.tasks(name))

    def at_rest(self, name: str, count: int, seconds: float = 90) -> list[str]:
        """Waits until just `count` tasks of the stack run, each slot once, in our view, in Mesos's and in Docker's.

        Returns their ids. Started is what has ended meanwhile.
        """
        faults: list[str] = ["nothing was looked at yet"]
        end = time.monotonic() + seconds
        while faults:
            assert time.monotonic() < end, f"{name} is not at rest after {seconds:.0f} s: {faults}"
            self.start_all()
            faults = self._faults(name, count)
            if faults:
                time.sleep(0.3)
        return self.ids(name)

    def _faults(self, name: str, count: int) -> list[str]:
        leader = self.leading()
        if leader is None:
            return ["nobody leads"]
        answer = leader.get(f"/v1/tasks?pattern={name}")
        if answer is None:
            return ["the leader does not answer"]
        tasks = answer["tasks"]
        ids = sorted(task["id"] for task in tasks)
        states = {(task["state"], task["goal"]) for task in tasks}
        in_mesos, in_docker = self.in_mesos(name), containers(name)
        faults = [f"it says: {answer['problem']}"] if answer["problem"] else []
        faults += [f"it has {len(tasks)} tasks, wanted {count}"] if len(tasks) != count else []
        faults += [f"states are {sorted(states)}"] if states != {("RUNNING", "RUN")} else []
        faults += ["a slot is held twice"] if len({(t["group"], t["slot"]) for t in tasks}) != len(tasks) else []
        faults += [f"Mesos runs {sorted(set(in_mesos) ^ set(ids))} otherwise"] if in_mesos != ids else []
        faults += [f"Docker has {sorted(set(in_docker) ^ set(ids))} otherwise"] if in_docker != ids else []
        return faults

    def in_mesos(self, name: str) -> list[str]:
        """The living tasks of the stack, as the master tells."""
        master = self.cluster.leader()
        state = master.get("/state") if master is not None else None
        frameworks = [each for each in (state or {}).get("frameworks", ()) if each["name"] == "framework"]
        return sorted(
            task["id"]
            for each in frameworks
            for task in each["tasks"]
            if task["id"].startswith(f"{name}.") and task["state"] not in ("TASK_UNREACHABLE",)
        )


def problem_of(daemon: Daemon) -> str:
    """What keeps the scheduler from its work, as /v1/ready says; "" where nothing does."""
    try:
        with urllib.request.urlopen(f"http://{daemon.address}/v1/ready", timeout=3):
            return ""
    except urllib.error.HTTPError as answer:
        return str(json.loads(answer.read())["message"])
    except OSError as error:
        return str(error)
