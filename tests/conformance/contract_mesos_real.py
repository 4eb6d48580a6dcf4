"""A real Mesos, as the one that sets the exam: a master, two agents, and our executor."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from executor.archive import build_archive
from executor.mesos import Records
from framework.local.cluster import Cluster
from framework.local.waiting import wait_for
from tests.conformance.contract_mesos import AGENTS, EXECUTOR_ID, Framework, Json, scalars
from tests.kit.cluster import running_cluster
from tests.kit.executors import executors_of

Value = TypeVar("Value")

API, OPERATOR_API = "/api/v1/scheduler", "/api/v1"
PATIENCE_SECONDS = 90.0
PING_SECONDS, PINGS = 1, 8
MASTER_FLAGS = {
    "allocation_interval": "200ms",
    "agent_ping_timeout": f"{PING_SECONDS}secs",
    "max_agent_ping_timeouts": PINGS,
}
AGENT_FLAGS = {"executor_reregistration_timeout": "3secs", "registration_backoff_factor": "100ms"}


class RealFramework:
    """A subscription over HTTP; a thread of its own gathers the events."""

    def __init__(self, master: str, framework_id: str, failover_seconds: float) -> None:
        self._master = master
        self.id = framework_id
        self.events: list[Json] = []
        self.is_closed = False
        host, _, port = master.partition(":")
        self._connection = http.client.HTTPConnection(host, int(port))
        info: Json = {
            "user": "root",
            "name": "exam",
            "checkpoint": True,
            "failover_timeout": failover_seconds,
            "roles": ["*"],
            "capabilities": [{"type": kind} for kind in ("MULTI_ROLE", "PARTITION_AWARE", "TASK_KILLING_STATE")],
        }
        call: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        if framework_id:
            info["id"] = call["framework_id"] = {"value": framework_id}
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._connection.request("POST", API, json.dumps(call), headers)
        # Kept here: http.client forgets the socket of a stream that says it will close.
        self._socket = self._connection.sock
        self._response = self._connection.getresponse()
        assert self._response.status == http.client.OK, self._response.read()
        self._stream_id = self._response.headers["Mesos-Stream-Id"]
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def call(self, kind: str, **content: Any) -> None:
        body = {"type": kind, "framework_id": {"value": self.id}, **content}
        status, text = post(self._master, API, body, {"Mesos-Stream-Id": self._stream_id})
        assert status == http.client.ACCEPTED, text

    def disconnect(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(2)
        self._thread.join()
        self._connection.close()

    def _read(self) -> None:
        records = Records()
        with contextlib.suppress(OSError, http.client.HTTPException):
            while data := self._response.read1(65536):
                for record in records.feed(data):
                    event = json.loads(record)
                    if event["type"] == "SUBSCRIBED":
                        self.id = event["subscribed"]["framework_id"]["value"]
                    self.events.append(event)
        self.is_closed = True


def post(address: str, path: str, body: Json, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Status and content of the answer to a call."""
    host, _, port = address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    plain = {"Content-Type": "application/json", "Accept": "application/json"}
    connection.request("POST", path, json.dumps(body).encode(), {**plain, **(headers or {})})
    response = connection.getresponse()
    status, text = response.status, response.read()
    connection.close()
    return status, text


class RealMesos:
    """The cluster, left by each exam as it was found."""

    unreachable_after_seconds = float(PING_SECONDS * PINGS)

    def __init__(self, cluster: Cluster, archive: Path) -> None:
        self._cluster, self._archive = cluster, archive
        self._frameworks: list[RealFramework] = []

    @property
    def _master(self) -> str:
        return self._cluster.wait_for_leader().address

    def subscribe(self, framework_id: str = "", failover_seconds: float = 600.0) -> Framework:
        found = RealFramework(self._master, framework_id, failover_seconds)
        self._frameworks.append(found)
        self.wait(lambda: found.events, "an answer to SUBSCRIBE")
        return found

    def wait(self, condition: Callable[[], Value | None], what: str) -> Value:
        return wait_for(condition, PATIENCE_SECONDS, what)

    def is_connected(self, framework_id: str) -> bool:
        found = json.loads(self._operate({"type": "GET_FRAMEWORKS"}))["get_frameworks"].get("frameworks", ())
        ids = {each["framework_info"]["id"]["value"]: each["connected"] for each in found}
        return bool(ids.get(framework_id, False))

    def allocations(self, count: int) -> None:
        def runs() -> int:
            return int(self._cluster.wait_for_leader().get("/metrics/snapshot")["allocator/mesos/allocation_runs"])

        # One that is under way when this is asked does not count.
        wanted = runs() + count + 1
        self.wait(lambda: runs() >= wanted, f"{count} allocations")

    def executor(self) -> Json:
        return {
            "executor_id": {"value": EXECUTOR_ID},
            "name": EXECUTOR_ID,
            "command": {
                "value": "exec python3 framework-executor.pyz --idle 600",
                "uris": [{"value": str(self._archive), "executable": True, "extract": False}],
                "environment": {"variables": [{"name": "MALLOC_ARENA_MAX", "value": "1"}]},
            },
            "resources": scalars(cpus=0.01, mem=32.0),
        }

    def kill_agent(self, name: str) -> None:
        self._cluster.daemon(name).kill()

    def start_agent(self, name: str) -> None:
        self._cluster.daemon(name).start()

    def freeze_agent(self, name: str) -> None:
        self._cluster.daemon(name).kill(signal.SIGSTOP)

    def thaw_agent(self, name: str) -> None:
        self._cluster.daemon(name).kill(signal.SIGCONT)

    def reboot_agent(self, name: str) -> None:
        self.kill_agent(name)
        self.kill_executors(name)
        # An agent takes its machine's boot id for that of its checkpoints.
        (self._cluster.directory / name / "work" / "meta" / "boot_id").write_text("another-boot")
        self.start_agent(name)

    def kill_executors(self, name: str) -> None:
        found = executors_of(self._cluster, name)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait(lambda: not set(found) & set(executors_of(self._cluster, name)), f"the end of executors on {name}")

    def freeze_executors(self, name: str) -> None:
        for pid in executors_of(self._cluster, name):
            os.kill(pid, signal.SIGSTOP)

    def drain(self, agent_id: str) -> None:
        self._operate({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": agent_id}}})

    def reactivate(self, agent_id: str) -> None:
        self._operate({"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": {"value": agent_id}}})

    def agents(self) -> Json:
        found: Json = json.loads(self._operate({"type": "GET_AGENTS"}))
        return found

    def _operate(self, body: Json) -> bytes:
        status, text = post(self._master, OPERATOR_API, body)
        assert status == http.client.OK, text
        return text

    def tidy(self) -> None:
        """Ends the exam's frameworks and brings all agents back."""
        for name in AGENTS:
            daemon = self._cluster.daemon(name)
            if daemon.state == "frozen":
                self.thaw_agent(name)
            daemon.start()
        # First: a master whose framework goes while an agent of its tasks comes back may abort (Mesos 1.11, RoleTree).
        self.wait(lambda: self._cluster.active_agents() == len(AGENTS), "both agents")
        for framework in self._frameworks:
            body = {"type": "TEARDOWN", "framework_id": {"value": framework.id}}
            post(self._master, API, body, {"Mesos-Stream-Id": framework._stream_id})
            framework.disconnect()


@contextlib.contextmanager
def real_cluster(directory: Path) -> Iterator[tuple[Cluster, Path]]:
    """A cluster for exams, and the archive of the executor."""
    archive = build_archive(directory / "framework-executor.pyz").path
    with running_cluster(
        directory / "cluster", masters=1, agents=2, master_flags=MASTER_FLAGS, agent_flags=AGENT_FLAGS
    ) as cluster:
        yield cluster, Path(archive)
