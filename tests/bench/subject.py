"""The whole system under measurement: a real cluster, and its scheduler asked over HTTP as the command line asks it."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from framework.cli.server import Address, RequestRefused, Server, path_of
from framework.local.cluster import Cluster
from framework.local.ports import is_free
from specs.file.load import load_stack, stack_to_json
from specs.model.stack import Stack
from tests.bench import machine
from tests.bench.machine import Usage

SUBNETS = range(80, 90)
LOOK_SECONDS = 0.4
"""How often it is looked whether all is done: as often as `framework submit --wait` looks."""
GONE_SECONDS = 90.0
SAVE_SECONDS = 10.0


@contextlib.contextmanager
def cluster(**options: Any) -> Iterator[Cluster]:
    """A cluster in a temporary directory, `options` as Cluster.up has them; its logs stay if something goes wrong."""
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    started = Cluster(directory, subnet=_free_subnet())
    try:
        yield started.up(**{"schedulers": 1, **options})
    except Exception as error:
        started.down()
        error.add_note(f"the cluster's logs: {directory}/*/log")
        raise
    except BaseException:  # Ctrl-C: who stops a bench wants no logs of it.
        _end(started)
        raise
    _end(started)


def _end(started: Cluster) -> None:
    started.down()
    shutil.rmtree(started.directory)


def _free_subnet() -> int:
    for subnet in SUBNETS:
        if is_free(f"127.{subnet}.0.1:2181") and is_free(f"127.{subnet}.0.1:5050"):
            return subnet
    raise LookupError(f"no subnet from {SUBNETS.start} to {SUBNETS.stop - 1} is free: does another bench run?")


def one_service(name: str, instances: int, service: dict[str, Any]) -> Stack:
    """A stack with one service in so many instances."""
    document = {"services": {"task": {**service, "instances": instances}}}
    return load_stack(json.dumps(document), name=name, variables={})


class Subject:
    """A scheduler and its cluster. Times are by the scheduler's clock, which is this machine's."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.server = Server(Address(cluster.url, "the bench"), None)

    def launch(self, stack: Stack, seconds: float = 120.0) -> float:
        """Submits; returns the seconds from then to the last task's RUNNING, stored and acknowledged."""
        begin = time.time()
        self.server.put(path_of("stacks", stack.name), stack_to_json(stack))
        self._until(lambda: self._runs(stack), seconds, f"{stack.name} running")
        return self._last("TaskRunning", stack.name, begin) - begin

    def change(self, stack: Stack, seconds: float) -> float:
        """Submits another version; returns the seconds from then to the end of its rollout, stored."""
        begin = time.time()
        self.server.put(path_of("stacks", stack.name), stack_to_json(stack))
        rollout = f"{path_of('stacks', stack.name)}/rollout"
        self._until(lambda: self.server.get(rollout)["rollout"] is None, seconds, f"end of {stack.name}'s rollout")
        return self._last("RolloutDone", stack.name, begin) - begin

    def remove(self, stack: Stack, seconds: float = 120.0) -> float:
        """Removes; returns the seconds from then to the moment when nothing is left of it, in the store either."""
        begin = time.time()
        self.server.delete(path_of("stacks", stack.name))
        self._until(lambda: not self._is_there(stack.name), seconds, f"{stack.name} gone")
        return self._last("StackRemoved", stack.name, begin) - begin

    def usage(self) -> dict[str, Usage]:
        """The usage of each part of the cluster until now."""
        return machine.by_part(self.cluster)

    def wait_for_no_executor(self) -> None:
        """Waits until all executors have ended, for want of tasks."""
        self._until(lambda: not machine.executors(self.cluster), GONE_SECONDS, "end of the executors")

    def _runs(self, stack: Stack) -> bool:
        groups = self.server.get("/v1/groups", pattern=stack.name)["groups"]
        return bool(groups) and all(group["ready"] == group["wanted"] for group in groups)

    def _is_there(self, name: str) -> bool:
        return any(stack["name"] == name for stack in self.server.get("/v1/stacks")["stacks"])

    def _last(self, kind: str, name: str, since: float) -> float:
        """When the last event of the kind happened to the stack; it comes after its save, later than the view of it."""
        times: list[float] = []

        def came() -> bool:
            events = self.server.events(pattern=name, after=0, follow=False)
            times.extend(at for event in events if event["kind"] == kind and (at := float(event["at"])) >= since)
            return bool(times)

        self._until(came, SAVE_SECONDS, f"the event {kind} of {name}")
        return max(times)

    def _until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"wanted {what} within {seconds:.0f} s, got: {self._state()}")
            time.sleep(LOOK_SECONDS)

    def _state(self) -> str:
        try:
            groups = self.server.get("/v1/groups")["groups"]
        except RequestRefused as refused:
            return str(refused)
        return "; ".join(f"{group['group']} {group['states']} {group['waiting']}" for group in groups)[:2000]


def spent(before: dict[str, Usage], after: dict[str, Usage]) -> dict[str, float]:
    """Seconds of a core that each part has used between two looks."""
    return {part: after[part].cpu_seconds - before[part].cpu_seconds for part in after}
