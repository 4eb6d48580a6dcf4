"""A scheduler as small as can be, over raw HTTP: the executor's tests on a real cluster launch orders with it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from executor.archive import ArchiveInfo, build_archive
from executor.mesos import Records
from framework.local.cluster import Cluster
from framework.local.images import BUSYBOX
from specs.model.canonical import container_json
from specs.model.stack import Container, Network
from specs.records_pb2 import ExecutorMessage, LaunchOrder, StatusDetail

API = "/api/v1/scheduler"
TERMINAL = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE"}


def wait_until(condition: Callable[[], Any], seconds: float, what: Callable[[], object]) -> Any:
    """The condition's value, once it is true; fails, saying `what`, if that takes longer."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what()}"
        time.sleep(0.02)
    return value


class MiniScheduler:
    """Takes all offers, launches what it is told, acknowledges everything, remembers every status."""

    def __init__(
        self,
        master: str,
        archive: Path,
        arguments: str = "--idle 5 --reap-after 5",
        checkpoint: bool = True,
        endpoints: str = "",
    ) -> None:
        self.master = master
        self.command = f"exec python3 framework-executor.pyz {arguments}"
        self.archive = archive
        self.checkpoint = checkpoint
        self.environment = [{"name": "MALLOC_ARENA_MAX", "value": "1"}]
        if endpoints:
            self.environment.append({"name": "FRAMEWORK_ENDPOINTS", "value": endpoints})
        self.framework_id = ""
        self.offers: list[dict[str, Any]] = []
        self.statuses: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.messages: list[ExecutorMessage] = []
        self.failures: list[dict[str, Any]] = []
        self._stream_id = ""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        wait_until(lambda: self.framework_id, 20, lambda: "a subscription")

    # ---- what tests do ------------------------------------------------------------

    def order(self, name: str, agent: dict[str, Any], container: Container, ports: list[int]) -> LaunchOrder:
        return LaunchOrder(
            schema=1,
            task_id=name,
            stack="test",
            service="unit",
            slot=1,
            attempt=1,
            version="0123456789ab",
            container_json=container_json(container),
            cpus_milli=10,
            mem_mib=16,
            host_ports=ports,
            address=agent["url"]["address"]["ip"],
            hostname=agent["hostname"],
            framework_id=self.framework_id,
            agent_id=agent["agent_id"]["value"],
        )

    def launch(self, tasks: dict[str, Container], ports: dict[str, list[int]] | None = None, mem_mib: int = 16) -> None:
        """Launches tasks on the agent of the first offer that comes."""
        wait_until(lambda: self.offers, 30, lambda: "an offer")
        offer = self.offers.pop(0)
        executor = {
            "executor_id": {"value": "executor"},
            "framework_id": {"value": self.framework_id},
            "name": "executor",
            "command": {
                "value": self.command,
                "uris": [{"value": str(self.archive), "executable": True, "extract": False}],
                "environment": {"variables": self.environment},
            },
            "resources": [
                {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.01}},
                {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}},
            ],
        }
        infos = []
        for name, container in tasks.items():
            order = self.order(name, offer, container, (ports or {}).get(name, []))
            order.mem_mib = mem_mib
            infos.append(
                {
                    "name": name,
                    "task_id": {"value": name},
                    "agent_id": offer["agent_id"],
                    "executor": executor,
                    "data": base64.b64encode(order.SerializeToString()).decode(),
                    "resources": [
                        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.01}},
                        {"name": "mem", "type": "SCALAR", "scalar": {"value": 16}},
                    ],
                }
            )
        self.call(
            "ACCEPT",
            accept={
                "offer_ids": [offer["id"]],
                "operations": [{"type": "LAUNCH", "launch": {"task_infos": infos}}],
                "filters": {"refuse_seconds": 0.1},
            },
        )

    def kill(self, name: str, grace_seconds: float | None = None) -> None:
        kill: dict[str, Any] = {"task_id": {"value": name}}
        if grace_seconds is not None:
            kill["kill_policy"] = {"grace_period": {"nanoseconds": int(grace_seconds * 1e9)}}
        self.call("KILL", kill=kill)

    def of(self, name: str) -> list[dict[str, Any]]:
        return [status for status in self.statuses if status["task_id"]["value"] == name]

    def states(self, name: str) -> list[str]:
        """The states of a task in the order in which they came, each once in a row."""
        states: list[str] = []
        for status in self.of(name):
            if not states or states[-1] != status["state"]:
                states.append(status["state"])
        return states

    def wait(self, name: str, state: str, seconds: float = 30, healthy: bool | None = None) -> dict[str, Any]:
        """The first status of a task that says so."""

        def found() -> dict[str, Any] | None:
            for status in self.of(name):
                if status["state"] == state and (healthy is None or status.get("healthy") is healthy):
                    return status
                assert state in TERMINAL or status["state"] not in TERMINAL, status
            return None

        status: dict[str, Any] = wait_until(found, seconds, lambda: (name, state, self.of(name), self.failures))
        return status

    def teardown(self) -> None:
        self.call("TEARDOWN")

    # ---- inside -------------------------------------------------------------------

    def call(self, kind: str, **content: Any) -> None:
        host, _, port = self.master.partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        body = {"type": kind, "framework_id": {"value": self.framework_id}, **content}
        headers = {"Content-Type": "application/json", "Mesos-Stream-Id": self._stream_id}
        connection.request("POST", API, json.dumps(body).encode(), headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        assert response.status == http.client.ACCEPTED, text

    def _read(self) -> None:
        host, _, port = self.master.partition(":")
        connection = http.client.HTTPConnection(host, int(port))
        info = {
            "user": "root",
            "name": "executor-test",
            "checkpoint": self.checkpoint,
            "failover_timeout": 5.0,
            "roles": ["*"],
            "capabilities": [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}, {"type": "TASK_KILLING_STATE"}],
        }
        body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
        connection.request("POST", API, body, {"Content-Type": "application/json", "Accept": "application/json"})
        response = connection.getresponse()
        assert response.status == http.client.OK, response.read()
        self._stream_id = response.headers["Mesos-Stream-Id"]
        records = Records()
        try:
            while data := response.read1(65536):
                for record in records.feed(data):
                    self._handle(json.loads(record))
        except (OSError, http.client.HTTPException):
            return  # the test is over, and the cluster with it

    def _handle(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "SUBSCRIBED":
            self.framework_id = event["subscribed"]["framework_id"]["value"]
        elif kind == "OFFERS":
            self.offers += event["offers"]["offers"]
        elif kind == "RESCIND":
            self.offers = [offer for offer in self.offers if offer["id"] != event["rescind"]["offer_id"]]
        elif kind == "MESSAGE":
            self.messages.append(ExecutorMessage.FromString(base64.b64decode(event["message"]["data"])))
        elif kind == "FAILURE":
            self.failures.append(event["failure"])
        elif kind == "UPDATE":
            status = event["update"]["status"]
            self.statuses.append(status)
            self.times.append(time.monotonic())
            if "uuid" in status:
                content = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
                self.call("ACKNOWLEDGE", acknowledge=content)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> ArchiveInfo:
    """The executor's archive, as agents would fetch it."""
    return build_archive(tmp_path_factory.mktemp("archive") / "framework-executor.pyz")


@contextlib.contextmanager
def mini_scheduler(cluster: Cluster, archive: ArchiveInfo, endpoints: str = "") -> Iterator[MiniScheduler]:
    """One that is subscribed; it leaves no container."""
    scheduler = MiniScheduler(cluster.wait_for_leader().address, archive.path, endpoints=endpoints)
    try:
        yield scheduler
    finally:
        scheduler.teardown()
        wait_until(lambda: not containers(scheduler), 30, lambda: containers(scheduler))


def containers(scheduler: MiniScheduler) -> list[dict[str, Any]]:
    """All containers of its tasks."""
    label = f"framework.framework_id={scheduler.framework_id}"
    with contextlib.closing(docker.APIClient(version="auto")) as client:
        rows: list[dict[str, Any]] = client.containers(all=True, filters={"label": label})
    return rows


def shell(script: str, **settings: Any) -> Container:
    """A container that runs a line of shell, on the agent's network."""
    return Container(image=BUSYBOX, command=("sh", "-c", script), network=Network.HOST, **settings)


def log(scheduler: MiniScheduler, name: str) -> list[str]:
    """The output of a task, by lines."""
    status = next(status for status in scheduler.of(name) if status.get("data"))
    return (Path(detail(status).sandbox) / f"{name}.stdout").read_text().splitlines()


def detail(status: dict[str, Any]) -> StatusDetail:
    return StatusDetail.FromString(base64.b64decode(status["data"]))
