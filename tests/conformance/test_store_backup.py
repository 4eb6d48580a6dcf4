"""Backups of a store in a real ZooKeeper: taken while it changes, put back whole or not at all."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient, TransactionRequest
from kazoo.exceptions import ConnectionLoss

from framework.adapters import nodes, restoring, snapshot
from framework.adapters.backup_file import Backup, kept, manifest_of, read, write
from framework.adapters.ensemble import Ensemble
from framework.core.commands import PutAgent, PutAnswer, PutFramework, PutHistory, PutStack, PutTask, PutVersion
from framework.core.model import Answered, RequestKey, Stored
from framework.local.daemon import Daemon
from framework.ports import StoreFault
from specs.ids import FrameworkId
from tests.conformance.store_kit import SECONDS, Opened, World, new_root, zookeeper_world
from tests.kit.stored import VERSION, stored_agent, stored_history, stored_stack, stored_task, stored_version

pytestmark = pytest.mark.zookeeper


def quiet(problem: str) -> None:
    raise AssertionError(f"nothing was to be said: {problem}")


class Place:
    """A root, and what is done with it."""

    def __init__(self, zookeeper: Daemon) -> None:
        self.root = new_root()
        self.url = f"zk://{zookeeper.address}{self.root}"
        self.world: World = zookeeper_world(zookeeper.address, self.root)

    def fill(self, tasks: int = 100) -> Opened:
        """Stores something of everything, and leads on."""
        opened = self.world.loaded()
        opened.saved(
            PutFramework(framework_id=FrameworkId("f-1"), next_serial=tasks + 1),
            PutVersion(version=stored_version(id=VERSION)),
            PutStack(stack=stored_stack()),
            *(PutAgent(agent=stored_agent(number)) for number in range(50)),
            *(PutTask(task=stored_task(serial)) for serial in range(1, tasks + 1)),
        )
        return opened

    def taken(self) -> Backup:
        return as_backup(self.take())

    def take(self) -> snapshot.Snapshot:
        return snapshot.take(self.url, on_problem=quiet)

    def restore(self, content: Backup, *, replaces: bool = False, is_as_new: bool = False) -> restoring.Restored:
        return restoring.restore(content, self.url, replaces=replaces, on_problem=quiet, is_as_new=is_as_new)


def as_backup(found: snapshot.Snapshot) -> Backup:
    return Backup(manifest=manifest_of(found.url.root, found.taken_at, found.report), nodes=kept(found.nodes))


@pytest.fixture
def new_place(zookeeper: Daemon) -> Iterator[Callable[[], Place]]:
    with contextlib.ExitStack() as stack:

        def make() -> Place:
            place = Place(zookeeper)
            stack.enter_context(contextlib.closing(place.world))
            return place

        yield make


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    return new_place()


@pytest.fixture
def other(new_place: Callable[[], Place]) -> Place:
    return new_place()


class TestBackup:
    def test_it_is_restored_elsewhere_as_it_was(self, place: Place, other: Place, tmp_path: Path) -> None:
        leader = place.fill(1000)
        found = place.take()
        assert found.is_consistent
        assert found.leader
        assert found.report.findings == ()
        write(tmp_path / "file", as_backup(found))
        done = other.restore(read(tmp_path / "file"))
        before, after = leader.store.load(), other.world.stored()
        assert after.next_serial == done.next_serial == 1001 + restoring.SERIAL_MARGIN
        assert (after.framework_id, after.stacks, after.versions, after.tasks, after.agents) == (
            before.framework_id,
            before.stacks,
            before.versions,
            before.tasks,
            before.agents,
        )
        assert other.take().report.is_good

    def test_what_is_backed_up_while_it_changes_is_of_one_moment(self, place: Place) -> None:
        opened = place.fill(640)
        stop = threading.Event()

        def write_on() -> None:
            # Each save changes two nodes far apart in the same way, with pauses that a busy scheduler has too.
            count = 0
            while not stop.wait(0.1):
                count += 1
                opened.saved(*(PutTask(task=stored_task(serial, message=f"{count}")) for serial in (1, 600)))

        writer = threading.Thread(target=write_on)
        writer.start()
        try:
            for _ in range(3):
                found = place.take()
                assert found.is_consistent
                tasks = {task.id: task.message for task in self._tasks(found)}
                assert tasks[stored_task(1).id] == tasks[stored_task(600).id]
        finally:
            stop.set()
            writer.join()

    @staticmethod
    def _tasks(found: snapshot.Snapshot) -> list[Any]:
        from framework.adapters.records import bucket_of

        buckets = [data for path, data in found.nodes.items() if path.startswith(f"{nodes.TASKS_NODE}/")]
        return [task for data in buckets for task, _ in bucket_of(data)]

    def test_one_that_changes_all_the_time_is_said_to_be_of_no_one_moment(
        self, place: Place, keeper: KazooClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place.fill(10).store.close()
        monkeypatch.setattr(snapshot, "PAUSE_SECONDS", 0.0)
        contents = snapshot.Keeper.changes

        def disturbed(self: Any, paths: Any) -> Any:
            keeper.set(f"{place.root}/epoch", keeper.get(f"{place.root}/epoch")[0])
            return contents(self, paths)

        monkeypatch.setattr(snapshot.Keeper, "changes", disturbed)
        assert not place.take().is_consistent

    def test_nothing_and_foreign_things_are_no_store(self, place: Place, keeper: KazooClient) -> None:
        assert place.take().nodes == {}
        keeper.create(f"{place.root}/json.info_0000000001", b"{}", makepath=True)
        found = place.take()
        assert not found.is_framework
        assert not found.is_restorable

    def test_what_is_strange_is_reported_and_not_backed_up(self, place: Place, keeper: KazooClient) -> None:
        place.fill().store.close()
        keeper.create(f"{place.root}/mine/deep", b"x", makepath=True)
        found = place.take()
        assert [finding.path for finding in found.report.findings] == ["/mine"]
        assert found.report.is_good
        assert "/mine" not in as_backup(found).nodes


class TestRestore:
    def test_a_leader_is_not_disturbed(self, place: Place, other: Place) -> None:
        leader = place.fill()
        other.fill().store.close()
        with pytest.raises(StoreFault, match=r"leads on .* stop it, and all that stand by"):
            place.restore(other.taken(), replaces=True)
        leader.saved(PutTask(task=stored_task(7)))

    def test_what_is_there_is_replaced_only_if_told(self, place: Place, other: Place, keeper: KazooClient) -> None:
        place.fill(300).store.close()
        other.fill(20).store.close()
        keeper.create(f"{place.root}/mine", b"x")
        with pytest.raises(StoreFault, match="is not empty: it holds 1 stack and 300 tasks"):
            place.restore(other.taken())
        assert len(place.world.stored().tasks) == 300
        epoch = json.loads(keeper.get(f"{place.root}/epoch")[0])["epoch"]
        done = place.restore(other.taken(), replaces=True)
        assert done.epoch == epoch + 1
        assert done.next_serial == 301 + restoring.SERIAL_MARGIN, "ids that were given there are not given again"
        assert len(place.world.stored().tasks) == 20
        assert keeper.get(f"{place.root}/mine")[0] == b"x"

    def test_as_a_new_framework_it_has_all_stacks_and_nothing_of_the_old_one_in_mesos(self, place: Place) -> None:
        opened = place.fill()
        history, answer = stored_history(), Answered(key=RequestKey(text="k", digest="d"), number=1, at=1.7e9)
        opened.saved(PutHistory(history=history), PutAnswer(answer=answer))
        opened.store.close()
        before = place.world.stored()
        done = place.restore(place.taken(), replaces=True, is_as_new=True)
        assert done.former_id == "f-1"
        assert place.world.stored() == Stored(
            next_serial=101 + restoring.SERIAL_MARGIN,
            stacks=before.stacks,
            versions=before.versions,
            histories=(history,),
        )
        assert place.take().report.is_good

    def test_an_old_leader_stays_fenced(self, place: Place, other: Place, keeper: KazooClient) -> None:
        frozen = place.fill()
        other.fill(20).store.close()
        keeper.delete(f"{place.root}/leader")  # as if its session were over, and it did not know yet
        place.restore(other.taken(), replaces=True)
        frozen.save(PutTask(task=stored_task(2)))
        assert "was taken over by framework restore on" in frozen.lost.get(timeout=SECONDS)
        assert frozen.store.is_deposed
        assert len(place.world.stored().tasks) == 20

    def test_a_root_that_was_emptied_is_restored_with_a_higher_epoch(self, place: Place, keeper: KazooClient) -> None:
        place.fill().store.close()
        place.world.loaded().store.close()
        content = place.taken()
        keeper.delete(place.root, recursive=True)
        assert place.restore(content).epoch == 3
        opened = place.world.loaded()
        assert len(opened.store.load().tasks) == 100
        assert json.loads(keeper.get(f"{place.root}/epoch")[0])["epoch"] == 4

    def test_a_damaged_backup_writes_nothing(self, place: Place, other: Place, keeper: KazooClient) -> None:
        other.fill().store.close()
        content = other.taken()
        spoilt = Backup(manifest=content.manifest, nodes={**content.nodes, "/tasks/0": b"{}"})
        with pytest.raises(StoreFault, match=r"no scheduler would start with it: /tasks/0 is no TaskBucket"):
            place.restore(spoilt)
        assert not keeper.exists(place.root)

    def test_a_newer_store_and_a_foreign_one_are_left_alone(
        self, place: Place, other: Place, keeper: KazooClient
    ) -> None:
        place.fill().store.close()
        content = place.taken()
        keeper.set(f"{place.root}/schema", b'{"kind": "mesos-framework", "schema": 9}')
        with pytest.raises(StoreFault, match="has schema 9"):
            place.restore(content, replaces=True)
        keeper.create(f"{other.root}/json.info_0000000001", b"{}", makepath=True)
        with pytest.raises(StoreFault, match="holds what is not ours"):
            other.restore(content, replaces=True)

    def test_an_older_backup_is_raised_by_the_scheduler_that_starts_with_it(
        self, place: Place, other: Place, keeper: KazooClient
    ) -> None:
        other.fill().store.close()
        keeper.set(f"{other.root}/schema", b'{"kind": "mesos-framework", "schema": 1}')
        place.restore(other.taken())
        assert json.loads(keeper.get(f"{place.root}/schema")[0])["schema"] == 1
        assert len(place.world.stored().tasks) == 100
        assert json.loads(keeper.get(f"{place.root}/schema")[0])["schema"] == 3

    @pytest.mark.parametrize("broken", range(5))
    def test_one_that_breaks_off_is_taken_by_no_scheduler_and_can_be_repeated(
        self,
        place: Place,
        other: Place,
        monkeypatch: pytest.MonkeyPatch,
        broken: int,
    ) -> None:
        """Before each of its transactions in turn: mark, empty, fill, take the mark away."""
        other.fill(1000).store.close()
        place.fill(5).store.close()
        content = other.taken()
        send, sent = Ensemble.send, iter(range(100))

        def breaking(self: Ensemble, transaction: TransactionRequest) -> list[Any]:
            if isinstance(self, snapshot.Keeper) and next(sent) >= broken:
                raise ConnectionLoss
            return send(self, transaction)

        with monkeypatch.context() as patch:
            patch.setattr(Ensemble, "send", breaking)
            try:
                place.restore(content, replaces=True)
            except StoreFault as fault:
                assert "broke the connection 5 times" in str(fault)
            else:
                assert broken == 4
                assert len(place.world.stored().tasks) == 1000
                return
        if broken == 0:
            assert len(place.world.stored().tasks) == 5
            place.restore(content, replaces=True)
        else:
            with pytest.raises(StoreFault, match="says that a backup is being restored, or that this broke off"):
                place.world.stored()
            assert not place.take().report.is_good
            place.restore(content)
        assert len(place.world.stored().tasks) == 1000

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_ambiguous_transactions_happen_once(
        self, place: Place, other: Place, monkeypatch: pytest.MonkeyPatch, when: str
    ) -> None:
        other.fill(2000).store.close()
        content = other.taken()
        send, last = Ensemble.send, threading.local()

        def breaking(self: Ensemble, transaction: TransactionRequest) -> list[Any]:
            """Each second one breaks."""
            last.breaks = not getattr(last, "breaks", False)
            if last.breaks and when == "before":
                raise ConnectionLoss
            results = send(self, transaction)
            if last.breaks:
                raise ConnectionLoss
            return results

        with monkeypatch.context() as patch:
            patch.setattr(Ensemble, "send", breaking)
            place.restore(content)
        assert place.world.stored().tasks == tuple(stored_task(serial) for serial in range(1, 2001))
        assert place.take().report.damages == ()

    def test_a_scheduler_that_starts_meanwhile_is_refused(
        self, place: Place, other: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other.fill().store.close()
        content = other.taken()
        compare, said = restoring._Restoration._compare, []

        def start(self: Any, wanted: Any) -> None:
            with pytest.raises(StoreFault) as caught:
                place.world.stored()
            said.append(str(caught.value))
            compare(self, wanted)

        monkeypatch.setattr(restoring._Restoration, "_compare", start)
        place.restore(content)
        assert said == [
            f"{place.url}/schema says that a backup is being restored, or that this broke off: wait for it, or run"
            " `framework restore` again"
        ]
        assert len(place.world.stored().tasks) == 100


def test_a_zookeeper_that_is_not_there_is_given_up_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "CONNECT_SECONDS", 1.5)
    with pytest.raises(StoreFault, match=r"gave up after 1.5 s: ZooKeeper cannot be reached: 127.0.0.9:1 cannot be"):
        snapshot.take("zk://127.0.0.9:1/framework", on_problem=quiet)
