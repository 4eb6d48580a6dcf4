"""Stories on a real cluster: what is killed or frozen there, and the checker that nothing was lost or doubled."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from framework.local import leftovers
from framework.local.cluster import Cluster
from framework.local.daemon import Daemon, http_status
from tests.kit.cli import Cli, eventually

WORKER = " ".join(
    (
        "mkdir -p /www; echo $$FRAMEWORK_STACK.$$FRAMEWORK_SLOT > /www/index.html;",
        "httpd -p $$FRAMEWORK_ADDRESS:$$PORT0 -h /www;",
        'trap "exit 0" TERM; sleep 100000 & wait',
    )
)
"""Says at its endpoint which slot it has; ends at once when it is told to."""

LOG_LINES = 25
MOST_STORIES = 4


def workers(count: int, *, log: str = "info", cpus: float = 0.1, rule: str = "") -> str:
    """A stack file of `count` containers, each with an endpoint; another `log` is another version. `rule` is a
    constraint."""
    return f"""
services:
  work:
    image: framework-demo/busybox:1
    command: [sh, -c, '{WORKER}']
    network_mode: host
    ports: {{http: 0}}
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
        self.until(lambda: self.containers(name) == [], name, "no container is left", 30)

    @contextlib.contextmanager
    def asking(self, cli: Cli, name: str, text: str) -> Iterator[None]:
        """A submit that is under way meanwhile, whatever is answered; its command has ended afterwards."""
        file = self.directory / f"{name}.yml"
        file.write_text(text, encoding="utf-8")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(cli.run, "submit", str(file), "--name", name, code=None)
            yield

    def clear(self) -> None:
        """Ends a story whatever came of it: all daemons run, and there is no stack."""
        self.start_all()
        self.leader(120)
        for stack in self.cli.json("ls")["stacks"]:
            self.remove(stack["name"])

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

    def start_as(self, daemon: Daemon, *prefix: str, environment: Mapping[str, str] | None = None) -> Daemon:
        """kill -9, and it is started with words before its command, and with variables; from now on, whenever it is."""
        spec = daemon.spec
        command = spec.command if spec.command[: len(prefix)] == prefix else (*prefix, *spec.command)
        spec = replace(spec, command=command, environment={**spec.environment, **(environment or {})})
        daemon.kill(signal.SIGKILL)
        return Daemon.create(daemon.directory, spec).start().wait()

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

    def running(self, name: str) -> dict[str, str]:
        """When each container of the stack began, by its id; all of them run."""
        states = json.loads(docker("inspect", *ids) if (ids := self._docker_ps(name, "{{.ID}}")) else "[]")
        assert all(state["State"]["Running"] for state in states), self.report(name, f"some do not run: {states}")
        return {state["Id"]: state["State"]["StartedAt"] for state in states}

    def containers(self, name: str) -> list[str]:
        """The names of the containers of the stack, running or not, on this cluster's agents."""
        return self._docker_ps(name, "{{.Names}}")

    def _docker_ps(self, name: str, what: str) -> list[str]:
        """The engine may have other clusters' containers, of stacks of the same name."""
        ours = set(leftovers.agent_ids(self.cluster.directory))
        row = "{{.Label " + json.dumps(leftovers.AGENT_LABEL) + "}} " + what
        rows = docker("ps", "-a", "--no-trunc", "--filter", f"label=framework.stack={name}", "--format", row)
        return sorted(found for agent, found in map(str.split, rows.splitlines()) if agent in ours)

    def at_rest(self, name: str, count: int, seconds: float = 90, without: Collection[str] = ()) -> list[str]:
        """Waits until just `count` tasks of the stack run, each slot once, in our view, in Mesos's and in Docker's, and
        none of those in `without`.

        Returns their ids. Started is what has ended meanwhile.
        """
        end = time.monotonic() + seconds
        while True:
            self.start_all()
            try:
                faults = self.faults(name, count)
                ids = self.ids(name)
                faults += [f"{id} is still there" for id in ids if id in without]
                if not faults:
                    return ids
            except AssertionError as error:  # It led, and was gone when it was asked.
                faults = [str(error)]
            assert time.monotonic() < end, self.report(name, f"not at rest after {seconds:.0f} s: {'; '.join(faults)}")
            time.sleep(0.3)

    def until(self, condition: Callable[[], Any], name: str, what: str, seconds: float = 60) -> Any:
        """Waits until the condition is truthy and returns its value; fails with all that is known of the stack."""
        try:
            return eventually(condition, what, seconds)
        except AssertionError as error:
            raise AssertionError(self.report(name, str(error))) from error

    def started_once(self, name: str) -> None:
        """No slot of the stack had a task that ran before the one it has.

        An intent that was stored and never sent, as its leader died between, is an attempt that never ran.
        """
        twice = [task["id"] for task in self.cli.ended(name) if task["running_since"]]
        assert not twice, self.report(name, f"ran before, and do not any more: {twice}")

    def faults(self, name: str, count: int) -> list[str]:
        """Differences from the spec; none if exactly `count` tasks run and each serves at its endpoint."""
        leader = self.leading()
        if leader is None:
            return ["nobody leads"]
        answer = leader.get(f"/v1/tasks?pattern={name}")
        if answer is None:
            return ["the leader does not answer"]
        tasks = answer["tasks"]
        ids = sorted(task["id"] for task in tasks)
        states = {(task["state"], task["goal"]) for task in tasks}
        in_mesos, in_docker = self.in_mesos(name), self.containers(name)
        faults = [f"it says: {answer['problem']}"] if answer["problem"] else []
        faults += [f"it has {len(tasks)} tasks, wanted {count}"] if len(tasks) != count else []
        faults += [f"states are {sorted(states)}"] if states != {("RUNNING", "RUN")} else []
        faults += ["a slot is held twice"] if len({(t["group"], t["slot"]) for t in tasks}) != len(tasks) else []
        faults += [f"Mesos runs {sorted(set(in_mesos) ^ set(ids))} otherwise"] if in_mesos != ids else []
        faults += [f"Docker has {sorted(set(in_docker) ^ set(ids))} otherwise"] if in_docker != ids else []
        return faults or [fault for task in tasks if (fault := self.endpoint_fault(task))]

    def endpoint_fault(self, task: Mapping[str, Any]) -> str:
        """The fault of a worker's endpoint; "" if it answers with the slot of its task."""
        wanted = f"{task['stack']}.{task['slot']}"
        if len(task["endpoints"]) != 1:
            return f"{task['id']} has the endpoints {task['endpoints']}, wanted one"
        (endpoint,) = task["endpoints"]
        try:
            said = self.visit(task["id"], f"http://{endpoint}/").strip()
        except (OSError, subprocess.CalledProcessError) as error:
            return f"{task['id']} at {endpoint}: {error}"
        return "" if said == wanted else f"{endpoint} says {said!r}, wanted {wanted!r}"

    def visit(self, _task_id: str, url: str) -> str:
        """The answer of an endpoint; raises OSError if there is none."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # Endpoints are never behind a proxy.
        with opener.open(url, timeout=3) as answer:
            return str(answer.read().decode())

    def report(self, name: str, what: str) -> str:
        """All facts about a stack that is not as desired, to find out why."""
        lines = [f"{name}: {what}"]
        leader = self.leading()
        answer = leader.get(f"/v1/tasks?pattern={name}") if leader is not None else None
        tasks = answer["tasks"] if answer is not None else []
        lines += [f"{leader.name} leads" if leader is not None else "nobody leads", f"it has {len(tasks)} tasks"]
        odd = [task for task in tasks if (task["state"], task["goal"]) != ("RUNNING", "RUN")]
        for task in (odd or tasks)[:MOST_STORIES]:
            lines.append(f"{task['id']} on {task['agent']}: {task['state']}, goal {task['goal']}")
            story = leader.get(f"/v1/tasks/{task['id']}/story") if leader is not None else None
            lines += [f"  {entry['at']:.3f} {entry['text']}" for entry in (story or {"entries": []})["entries"]]
        for daemon in self.cluster.daemons.values():
            lines.append(f"{daemon.name} ({daemon.state}). {daemon.last_words(self._log_lines(daemon))}")
        return "\n".join(lines)

    @staticmethod
    def _log_lines(daemon: Daemon) -> int:
        return LOG_LINES if daemon.spec.kind == "scheduler" or daemon.state != "running" else 3

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


def docker(*words: str) -> str:
    """The output of a command of the engine."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


def passes(seconds: float) -> None:
    """Lets time pass, longer than a person waits: the story needs it."""
    time.sleep(seconds)
