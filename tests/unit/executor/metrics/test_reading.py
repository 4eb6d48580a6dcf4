"""Measuring: by the kernel where its files can be read, by the engine where not."""

from __future__ import annotations

import queue
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError

from executor.core.events import Event
from executor.core.survey import TaskSnapshot
from executor.core.task import Phase
from executor.logs import Logs
from executor.metrics.reading import ENGINE_AT_ONCE, Measuring
from executor.process.processes import Processes
from executor.sandbox import Sandbox
from executor.terminal import ExecRequest
from specs.model.stack import Container, Network
from tests.kit.executor_talk import order
from tests.kit.processes import within
from tests.kit.recorded_stats import ID, NETWORK, SECOND_FILES, STATS, STOPPED

PID = 4711
CHILD = """
import time
held = bytearray(64 * 2**20)
until = time.process_time() + 0.1
while time.process_time() < until:
    pass
print(flush=True)
input()
"""


class FakeEngine:
    """Knows one first process for all containers; `stats` are its statistics."""

    def __init__(self) -> None:
        self.pid = PID
        self.stats_of: dict[str, Any] = STATS
        self.asked: list[str] = []
        self.fault: Exception | None = None

    def connected(self) -> FakeEngine:
        if self.fault is not None:
            raise self.fault
        return self

    def inspect_container(self, id: str) -> dict[str, Any]:
        self.asked.append(f"inspect {id[:4]}")
        return {"State": {"Pid": self.pid}}

    def stats(self, id: str, stream: bool, one_shot: bool) -> dict[str, Any]:
        assert (stream, one_shot) == (False, True)
        self.asked.append(f"stats {id[:4]}")
        return self.stats_of


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return FakeEngine()


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Directories as the kernel has them, with one container of the second version's."""
    groups = tmp_path / "groups"
    for path, text in SECOND_FILES.items():
        write(groups / path.removeprefix("/sys/fs/cgroup/"), text)
    write(tmp_path / "self/mountinfo", f"29 22 0:26 / {groups} rw - cgroup2 cgroup2 rw\n")
    write(tmp_path / f"{PID}/cgroup", f"0::/system.slice/docker-{ID}.scope\n")
    write(tmp_path / f"{PID}/net/dev", NETWORK)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def seen(name: str = "shop.web.1.1", container_id: str = ID, pid: int = 0, **settings: Any) -> TaskSnapshot:
    return TaskSnapshot(
        order=order(name, Container(image="" if pid else "acme/web", **settings)),
        phase=Phase.RUNNING,
        container_id="" if pid else container_id,
        pid=pid,
        started_at=0.0,
        is_healthy=None,
        is_ready=None,
    )


def test_the_kernels_files_are_read_and_the_engine_is_asked_once(engine: FakeEngine, machine: Path) -> None:
    measuring = Measuring(engine, str(machine))
    for _ in range(3):
        (usage,) = measuring.measure([seen()]).values()
        assert (usage.cpu_seconds, usage.mem_bytes, usage.oom_kills) == (2.5, 8 * 2**20, 1)
        assert (usage.net_rx_bytes, usage.net_tx_bytes) == (1000000266, 50)
    assert engine.asked == [f"inspect {ID[:4]}"]


def test_on_the_hosts_network_nothing_is_said_of_the_network(engine: FakeEngine, machine: Path) -> None:
    (usage,) = Measuring(engine, str(machine)).measure([seen(network=Network.HOST)]).values()
    assert (usage.net_rx_bytes, usage.net_tx_bytes) == (None, None)


@pytest.mark.parametrize("why", ["another machine", "another container's process", "no such process"])
def test_where_they_cannot_be_read_the_engine_is_asked(
    engine: FakeEngine, machine: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "another machine":
        monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.7:2375")
    elif why == "no such process":
        engine.pid = PID + 1
    container_id = "f" * 64 if why == "another container's process" else ID
    many = [seen(f"shop.web.{n}.1", container_id) for n in range(2 * ENGINE_AT_ONCE)]
    found = Measuring(engine, str(machine)).measure(many)
    assert list(found) == [each.order.task_id for each in many]
    assert {usage.mem_bytes for usage in found.values()} == {671744 - 40960}
    assert {usage.mem_limit_bytes for usage in found.values()} == {64 * 2**20}


def test_without_a_limit_of_its_own_the_engine_says_the_machines(engine: FakeEngine, machine: Path) -> None:
    engine.pid = 0
    bare = replace(seen(), order=order(container=Container(image="a"), mem_mib=0))
    (usage,) = Measuring(engine, str(machine)).measure([bare]).values()
    assert usage.mem_limit_bytes is None


@pytest.mark.parametrize("why", ["it is away", "it refuses", "the container has stopped"])
def test_what_cannot_be_measured_is_left_out_and_told_of_once(
    engine: FakeEngine, machine: Path, caplog: pytest.LogCaptureFixture, why: str
) -> None:
    engine.pid = 0
    faults = {"it is away": OSError("no such file"), "it refuses": APIError("refused")}
    engine.fault, engine.stats_of = faults.get(why), STOPPED
    measuring = Measuring(engine, str(machine))
    assert measuring.measure([seen()]) == {}
    assert caplog.text == ""
    for _ in range(3):
        assert measuring.measure([seen()]) == {}
    assert caplog.text.count("what shop.web.1.1 uses cannot be measured") == 1
    engine.fault, engine.stats_of = None, STATS
    assert len(measuring.measure([seen()])) == 1


def test_an_engine_that_is_away_is_waited_for_once_a_round(engine: FakeEngine, machine: Path) -> None:
    waited: list[str] = []

    class Slow(FakeEngine):
        def connected(self) -> FakeEngine:
            waited.append("")
            raise OSError("no answer")

    assert Measuring(Slow(), str(machine)).measure([seen(f"shop.web.{n}.1") for n in range(5)]) == {}
    assert len(waited) == 1


def test_a_container_whose_files_vanish_is_looked_for_anew(engine: FakeEngine, machine: Path) -> None:
    measuring = Measuring(engine, str(machine))
    assert measuring.measure([seen()])
    moved = machine / "groups/system.slice"
    moved.rename(machine / "groups/elsewhere")
    assert measuring.measure([seen()]) == {}
    write(machine / f"{PID}/cgroup", f"0::/elsewhere/docker-{ID}.scope\n")
    assert measuring.measure([seen()])
    assert engine.asked == [f"inspect {ID[:4]}"] * 2


def test_a_plain_process_is_all_below_its_supervisor(engine: FakeEngine, tmp_path: Path) -> None:
    """Its own child holds 64 MiB and takes a tenth of a second of processor time, in a session of its own; so does a
    command beside it."""
    sandbox = Sandbox(tmp_path)
    logs = Logs(sandbox)
    processes = Processes(sandbox, logs, queue.SimpleQueue[Event]().put)
    lasts = CHILD.replace("input()", "time.sleep(600)")
    script = 'setsid "$0" -c "$1" & sleep 600'
    wanted = order("one", Container(command=("sh", "-c", script, sys.executable, lasts)))
    processes.create(wanted)
    pid = processes.start(wanted).pid
    try:
        beside = processes.attach(wanted, ExecRequest(command=(sys.executable, "-c", CHILD), has_input=True))
        assert next(beside.output()) == ("stdout", b"\n")
        assert within(10, lambda: sandbox.log(wanted.task_id, "stdout").read_bytes() == b"\n")
        measuring = Measuring(engine)
        one = replace(seen("one", pid=pid, command=("x",)), order=wanted)
        (usage,) = measuring.measure([one]).values()
        assert 0.2 <= usage.cpu_seconds < 30
        assert 128 * 2**20 <= usage.mem_bytes < 256 * 2**20
        assert usage.mem_limit_bytes is None
        beside.write(b"\n")
        assert [*beside.output(), beside.exit_code()] == [0]
        (later,) = measuring.measure([one]).values()
        assert later.cpu_seconds >= usage.cpu_seconds, "what has ended counts"
        assert 64 * 2**20 <= later.mem_bytes < 128 * 2**20
        assert measuring.measure([seen("gone", pid=2**22 + 1, command=("x",))]) == {}
        assert engine.asked == []
    finally:
        processes.remove(wanted)
