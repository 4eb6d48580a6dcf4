"""The executor's Docker runtime against the real engine."""

from __future__ import annotations

import logging
import queue
import shutil
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import pytest

from executor.container import engine as engine_module
from executor.container.containers import Docker
from executor.container.images import Images
from executor.core.events import (
    Adopted,
    Created,
    Event,
    Exited,
    ImageMissing,
    NothingToAdopt,
    Operation,
    OperationFailed,
    Pulled,
)
from executor.core.order import Order
from executor.logs import Logs
from executor.runtime import Fault
from executor.sandbox import Sandbox
from executor.workers import start_thread
from framework.local.images import BUSYBOX
from specs.ids import AgentId, FrameworkId, TaskId, VersionId
from specs.model.stack import CheckKind, Container, HealthCheck, Network, Port, Stop, Volume
from tests.conformance.executor_kit import wait_until
from tests.kit.executor_talk import look, order

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("images")]


@pytest.fixture(autouse=True, scope="module")
def quiet_watchers() -> None:
    """Watchers go on until the process ends, and need not say that the tests' engine was stopped before."""
    logging.getLogger("executor.container.containers").setLevel(logging.ERROR)


class Engine:
    """A runtime with a sandbox and a framework id of its own, and the engine beside it."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.framework_id = FrameworkId(f"test-{uuid.uuid4()}")
        self.client: Any = docker.APIClient(version="auto")
        self.events: queue.Queue[Event] = queue.Queue()
        self.root = root
        self.sandbox = Sandbox(root)
        self.logs = Logs(self.sandbox)
        self.docker = Docker(self.sandbox, self.logs, self.events.put)

    def order(self, script: str = "sleep 600", name: str = "one", **settings: Any) -> Order:
        container = Container(image=BUSYBOX, command=("sh", "-c", script), **settings)
        wanted = order(f"{self.framework_id}.{name}", container, address="127.0.0.1", framework_id=self.framework_id)
        return replace(wanted, host_ports=tuple(port.host_port or 0 for port in container.ports))

    def start(self, *arguments: str, **settings: Any) -> Order:
        wanted = self.order(*arguments, **settings)
        assert isinstance(self.docker.create(wanted), Created)
        self.started = self.docker.start(wanted)
        return wanted

    def heir(self, old: Order, name: str, framework_id: str = "") -> Order:
        """An order that takes over what an earlier one left."""
        task_id = TaskId(f"{framework_id or self.framework_id}.{name}")
        return replace(old, task_id=task_id, predecessors=(old.task_id,), adopts=True)

    def log(self, wanted: Order, stream: str) -> str:
        return self.sandbox.log(wanted.task_id, stream).read_text()

    def containers(self) -> list[dict[str, Any]]:
        label = f"framework.framework_id={self.framework_id}"
        rows: list[dict[str, Any]] = self.client.containers(all=True, filters={"label": label})
        return rows


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path)
    yield engine
    for container in engine.containers():
        engine.client.remove_container(container["Id"], v=True, force=True)
    engine.client.close()


def test_a_container_lives_and_leaves_its_logs_and_nothing_else(engine: Engine) -> None:
    start_thread("watch", engine.docker.watch)
    script = 'echo "$FRAMEWORK_TASK in $MESOS_SANDBOX"; echo note > $MESOS_SANDBOX/note; echo oops >&2; exit 3'
    wanted = engine.start(script)
    assert engine.events.get(timeout=20) == Exited(task_id=wanted.task_id, exit_code=3)
    removed = engine.docker.remove(wanted)
    assert (removed.exit_code, removed.is_out_of_memory, removed.last_words) == (3, False, "oops")
    assert engine.log(wanted, "stdout") == f"{wanted.task_id} in /mnt/mesos/sandbox\n"
    assert engine.log(wanted, "stderr") == "oops\n"
    assert (engine.sandbox.directory(wanted.task_id) / "note").read_text() == "note\n"
    assert engine.containers() == []
    assert engine.docker.remove(wanted).exit_code is None


def test_a_port_of_the_agents_address_leads_into_the_container(engine: Engine) -> None:
    ports = (Port(name="http", container_port=8080, host_port=23871),)
    wanted = engine.start("mkdir /www; echo hello > /www/index.html; exec httpd -f -p 8080 -h /www", ports=ports)
    check = HealthCheck(kind=CheckKind.HTTP, timeout_seconds=2)
    wait_until(lambda: look(wanted, check, engine.docker).is_healthy, 10, lambda: look(wanted, check, engine.docker))
    with urllib.request.urlopen("http://127.0.0.1:23871/", timeout=5) as answer:
        assert answer.read() == b"hello\n"
    missing = look(wanted, replace(check, path="/no"), engine.docker)
    assert (missing.is_healthy, missing.message) == (False, "GET http://127.0.0.1:23871/no: 404 Not Found")
    (address,) = engine.started.addresses
    assert address.count(".") == 3 and address != "127.0.0.1"


def test_doing_it_twice_is_doing_it_once(engine: Engine) -> None:
    wanted = engine.start()
    again = engine.docker.create(wanted)
    assert isinstance(again, Created)
    assert [container["Id"] for container in engine.containers()] == [again.container_id]
    engine.docker.start(wanted)
    engine.docker.signal(wanted, "SIGKILL")
    wait_until(lambda: engine.containers()[0]["State"] == "exited", 10, engine.containers)
    engine.docker.signal(wanted, "SIGKILL")
    assert engine.docker.remove(wanted).exit_code == 137
    engine.docker.signal(wanted, "SIGKILL")
    assert engine.events.get(timeout=5) == Exited(task_id=wanted.task_id, exit_code=None)


def test_a_name_that_is_somebody_elses_is_not_taken(engine: Engine, tmp_path: Path) -> None:
    wanted = engine.start()
    beside = Engine(tmp_path / "beside")
    other = replace(wanted, framework_id=beside.framework_id)
    with pytest.raises(Fault, match=r"already on this agent, and it is not this framework's: remove or rename it"):
        beside.docker.create(other)
    assert beside.docker.remove(other).exit_code is None, "it never had one"
    assert [each["State"] for each in engine.containers()] == ["running"]


def test_what_cannot_be_created_or_started_says_why(engine: Engine) -> None:
    wanted = engine.order(volumes=(Volume(source="/", target="relative"),))
    with pytest.raises(Fault, match=r"the container could not be created: .*mount"):
        engine.docker.create(wanted)
    wanted = replace(engine.order(), container=Container(image=BUSYBOX, command=("no-such-program",)))
    engine.docker.create(wanted)
    with pytest.raises(Fault, match=r"could not be started: .*no-such-program"):
        engine.docker.start(wanted)
    engine.docker.remove(wanted)
    assert engine.containers() == []


def test_memory_is_a_hard_limit_and_its_end_is_told(engine: Engine) -> None:
    start_thread("watch", engine.docker.watch)
    wanted = replace(engine.order("tail /dev/zero"), mem_mib=16)
    engine.docker.create(wanted)
    engine.docker.start(wanted)
    assert engine.events.get(timeout=30) == Exited(task_id=wanted.task_id, exit_code=137)
    assert engine.docker.remove(wanted).is_out_of_memory


def test_commands_are_checked_inside_the_container(engine: Engine) -> None:
    wanted = engine.start()

    def check(script: str) -> tuple[bool, str]:
        command = HealthCheck(kind=CheckKind.COMMAND, command=("sh", "-c", script), timeout_seconds=1)
        outcome = look(wanted, command, engine.docker)
        return outcome.is_healthy, outcome.message.partition(": ")[2]

    assert check("test -e /mnt/mesos/sandbox") == (True, "exit code 0")
    assert check("echo not yet; exit 4") == (False, "exit code 4: not yet")
    assert check("sleep 60") == (False, "not done within 1 s")
    wait_until(lambda: len(engine.client.top(wanted.task_id)["Processes"]) == 1, 5, lambda: "the check is still there")
    engine.docker.remove(wanted)
    assert "No such container" in check("true")[1]


def test_a_terminal_has_one_stream(engine: Engine) -> None:
    start_thread("watch", engine.docker.watch)
    wanted = engine.start("echo out; echo err >&2", tty=True)
    assert isinstance(engine.events.get(timeout=20), Exited)
    engine.docker.remove(wanted)
    assert engine.log(wanted, "stdout").split() == ["out", "err"]


def test_who_listens_late_hears_of_the_ends_all_the_same(engine: Engine) -> None:
    ended, gone = engine.start("exit 5", "ended"), engine.start("sleep 600", "gone")
    wait_until(
        lambda: engine.client.inspect_container(ended.task_id)["State"]["Status"] == "exited", 10, lambda: "exit"
    )
    engine.client.remove_container(gone.task_id, force=True)
    start_thread("watch", engine.docker.watch)
    heard = {engine.events.get(timeout=20), engine.events.get(timeout=20)}
    assert heard == {Exited(task_id=ended.task_id, exit_code=None), Exited(task_id=gone.task_id, exit_code=None)}
    assert engine.docker.remove(ended).exit_code == 5


def test_output_is_followed_again_when_the_engine_is_back(engine: Engine) -> None:
    wanted = engine.start("while :; do echo tick; sleep 0.1; done")
    engine.logs.abandon(wanted.task_id)  # as when dockerd is restarted under running containers
    before = len(engine.log(wanted, "stdout"))
    start_thread("watch", engine.docker.watch)
    wait_until(lambda: len(engine.log(wanted, "stdout")) > before + 20, 20, lambda: engine.log(wanted, "stdout"))


def test_only_containers_of_executors_that_died_are_found_abandoned(engine: Engine, tmp_path: Path) -> None:
    mine = engine.start("sleep 600", "mine")
    beside, dead = Engine(tmp_path / "beside"), Engine(tmp_path / "dead")
    for other, name in ((beside, "beside"), (dead, "dead")):
        other.framework_id = engine.framework_id
        other.start("sleep 600", name, network=Network.HOST)
    shutil.rmtree(dead.root)
    found = {row.task_id.rpartition(".")[2]: row for row in engine.docker.find(engine.framework_id, "A")}
    assert {name: (row.is_ours, row.is_abandoned) for name, row in found.items()} == {
        "mine": (True, False),
        "beside": (False, False),
        "dead": (False, True),
    }
    elsewhere = {row.task_id.rpartition(".")[2]: row for row in engine.docker.find(engine.framework_id, "B")}
    assert {name: row.is_foreign for name, row in elsewhere.items()} == {"mine": False, "dead": True}
    engine.docker.reap(found["dead"].container_id)
    engine.docker.reap(found["dead"].container_id)
    names = {name for container in engine.containers() for name in container["Names"]}
    assert names == {f"/{mine.task_id}", f"/{engine.framework_id}.beside"}


def test_a_container_whose_executor_died_is_adopted_as_it_runs(engine: Engine, tmp_path: Path) -> None:
    dead = Engine(tmp_path / "dead")
    dead.framework_id = engine.framework_id
    old = dead.start("while :; do echo tick; sleep 0.1; done", "old", network=Network.HOST)
    before = dead.client.inspect_container(old.task_id)
    shutil.rmtree(dead.root)
    heir = engine.heir(old, "new")
    adopted = engine.docker.adopt(heir)
    assert isinstance(adopted, Adopted)
    assert (adopted.container_id, adopted.addresses) == (before["Id"], ("127.0.0.1",))
    assert before["State"]["StartedAt"].startswith(datetime.fromtimestamp(adopted.started_at, UTC).isoformat()[:19])
    wait_until(lambda: "tick" in engine.log(heir, "stdout"), 20, lambda: engine.log(heir, "stdout"))
    (found,) = engine.docker.find(engine.framework_id, "A")
    assert (found.task_id, found.is_ours, found.is_abandoned) == (heir.task_id, True, False)
    beside = Engine(tmp_path / "beside")
    (found,) = beside.docker.find(engine.framework_id, "A")
    assert (found.is_ours, found.is_abandoned) == (False, False)
    assert beside.docker.adopt(beside.heir(old, "third", engine.framework_id)) == NothingToAdopt(
        task_id=TaskId(f"{engine.framework_id}.third")
    )
    start_thread("watch", engine.docker.watch)
    engine.docker.signal(heir, "SIGKILL")
    assert engine.events.get(timeout=20) == Exited(task_id=heir.task_id, exit_code=137)
    assert engine.docker.remove(heir).exit_code == 137
    assert engine.containers() == []


def test_what_ended_before_it_was_adopted_is_told_as_it_ended(engine: Engine, tmp_path: Path) -> None:
    dead = Engine(tmp_path / "dead")
    dead.framework_id = engine.framework_id
    old = dead.start("exit 3", "old", network=Network.HOST)
    dead.client.wait(old.task_id)
    shutil.rmtree(dead.root)
    heir = engine.heir(old, "new")
    assert isinstance(engine.docker.adopt(heir), Adopted)
    assert engine.events.get(timeout=5) == Exited(task_id=heir.task_id, exit_code=3)
    assert engine.docker.remove(heir).exit_code == 3


@pytest.mark.parametrize("change", ["version", "adopts", "gone", "created"])
def test_what_cannot_be_adopted_is_out_of_the_way(engine: Engine, tmp_path: Path, change: str) -> None:
    dead = Engine(tmp_path / "dead")
    dead.framework_id = engine.framework_id
    old = dead.order("exec sleep 600", "old", network=Network.HOST, stop=Stop(signal="SIGKILL"))
    dead.docker.create(old)
    if change != "created":
        dead.docker.start(old)
    if change == "gone":
        dead.client.remove_container(old.task_id, force=True)
    shutil.rmtree(dead.root)
    heir = engine.heir(old, "new")
    if change == "version":
        heir = replace(heir, version=VersionId("another"))
    if change == "adopts":
        heir = replace(heir, adopts=False)
    assert engine.docker.adopt(heir) == NothingToAdopt(task_id=heir.task_id)
    assert engine.containers() == []


def test_what_a_living_executor_has_is_not_touched(engine: Engine, tmp_path: Path) -> None:
    """Nor what is another framework's. What a dead one has left is taken over under another id of its agent too."""
    alive = Engine(tmp_path / "alive")
    alive.framework_id = engine.framework_id
    old = alive.start("exec sleep 600", "old", network=Network.HOST)
    heir = engine.heir(old, "new")
    assert engine.docker.adopt(heir) == NothingToAdopt(task_id=heir.task_id)
    renewed = replace(heir, agent_id=AgentId("another"))
    assert engine.docker.adopt(renewed) == NothingToAdopt(task_id=heir.task_id)
    shutil.rmtree(alive.root)
    assert engine.docker.adopt(replace(heir, framework_id=FrameworkId("another"))) == NothingToAdopt(
        task_id=heir.task_id
    )
    container = alive.client.inspect_container(old.task_id)
    assert container["State"]["Running"]
    adopted = engine.docker.adopt(renewed)
    assert isinstance(adopted, Adopted) and adopted.container_id == container["Id"]


def test_an_engine_that_is_away_is_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    monkeypatch.setattr(engine_module, "PATIENCE_SECONDS", 0.3)
    with pytest.raises(Fault, match=r"Docker at unix:///no/such.sock has not answered .* check that dockerd") as caught:
        engine.docker.create(engine.order())
    assert caught.value.is_temporary
    check = HealthCheck(kind=CheckKind.COMMAND, command=("true",))
    assert "no answer from Docker at unix:///no/such.sock" in look(engine.order(), check, engine.docker).message


# ---- images ------------------------------------------------------------------------


@pytest.fixture
def pulling(engine: Engine) -> Callable[[str, str], Order]:
    def wanted(image: str, name: str) -> Order:
        return order(f"{engine.framework_id}.{name}", Container(image=image))

    return wanted


def test_an_image_that_does_not_exist_fails_with_the_engines_words(
    engine: Engine, pulling: Callable[[str, str], Order]
) -> None:
    wanted = pulling("127.0.0.1:9/acme/web:9", "a")
    assert engine.docker.create(wanted) == ImageMissing(task_id=wanted.task_id)
    Images(engine.events.put).pull(wanted)
    failed = engine.events.get(timeout=30)
    assert isinstance(failed, OperationFailed)
    assert (failed.operation, failed.task_id) == (Operation.PULL, wanted.task_id)
    assert failed.message.startswith("image 127.0.0.1:9/acme/web:9 could not be pulled: ")
    assert "connection refused" in failed.message


def test_an_image_is_pulled_once_for_all_and_not_for_those_who_left(
    engine: Engine, pulling: Callable[[str, str], Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate: queue.Queue[str] = queue.Queue()
    pulled: list[str] = []

    def transfer(job: Any) -> str:
        pulled.append(job.image)
        return gate.get(timeout=10)

    images = Images(engine.events.put)
    monkeypatch.setattr(images, "_transfer", transfer)
    orders = [pulling("acme/web:1", name) for name in "abc"]
    for wanted in orders:
        images.pull(wanted)
    images.cancel(orders[1])
    gate.put("")
    answers = [engine.events.get(timeout=10) for _ in range(2)]
    assert answers == [Pulled(task_id=TaskId(wanted.task_id)) for wanted in (orders[0], orders[2])]
    assert pulled == ["acme/web:1"]


def test_what_an_earlier_id_of_the_agent_left_is_its_own_and_another_agents_is_not(
    engine: Engine, tmp_path: Path
) -> None:
    """By the work directory: agents in containers may have the same path each, and one engine."""
    run = Path("frameworks/F/executors/E/runs/1")
    now = Engine(tmp_path / "kept" / "slaves" / "S2" / run)
    before = Engine(tmp_path / "kept" / "slaves" / "S1" / run)
    other = Engine(tmp_path / "other" / "slaves" / "S1" / run)
    for each, name in ((before, "before"), (other, "other")):
        each.framework_id = engine.framework_id
        each.start("sleep 600", name, network=Network.HOST)
        shutil.rmtree(each.root)
    found = {row.task_id.rpartition(".")[2]: row for row in now.docker.find(engine.framework_id, "B")}
    assert {name: (row.is_abandoned, row.is_foreign) for name, row in found.items()} == {
        "before": (True, False),
        "other": (True, True),
    }
