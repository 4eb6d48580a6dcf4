"""Promises of every store, and further ones of the store in ZooKeeper, on a real ZooKeeper."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient, TransactionRequest
from kazoo.exceptions import ConnectionLoss

from framework.adapters import marks, nodes, packing, records, spec_records
from framework.adapters.ensemble import Ensemble
from framework.adapters.term import MAX_BREAKS
from framework.adapters.zookeeper import MAX_WRITES_PER_SAVE, ZooKeeperStore
from framework.core.commands import (
    DeleteAgent,
    DeleteAnswer,
    DeleteHistory,
    DeleteStack,
    DeleteTask,
    DeleteVersion,
    PutAgent,
    PutAnswer,
    PutFramework,
    PutHistory,
    PutStack,
    PutTask,
    PutVersion,
)
from framework.core.events import Saved, SaveFailed
from framework.core.model import Answered, RequestKey, Stored
from framework.local.daemon import Daemon
from framework.ports import StoreFault
from specs.ids import AgentId, FrameworkId, TaskId
from specs.model.constraints import Mode
from specs.states import TaskState
from tests.conformance.store_kit import (
    SECONDS,
    World,
    incompressible,
    memory_world,
    new_root,
    transactions,
    zookeeper_world,
)
from tests.kit.cluster import running_zookeeper
from tests.kit.memory_store import MemoryStore
from tests.kit.stored import stored_agent, stored_history, stored_rules, stored_stack, stored_task, stored_version


@pytest.fixture(params=["memory", pytest.param("zookeeper", marks=pytest.mark.zookeeper)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        made = memory_world()
    else:
        made = zookeeper_world(request.getfixturevalue("zookeeper").address, new_root())
    with contextlib.closing(made):
        yield made


class TestEveryStore:
    def test_a_new_store_holds_nothing(self, world: World) -> None:
        assert world.stored() == Stored()

    def test_what_was_saved_is_loaded(self, world: World) -> None:
        opened = world.loaded()
        tasks = tuple(stored_task(serial) for serial in range(1, 200))
        stacks = (stored_stack("a"), stored_stack("shop", groups=300))
        versions = (stored_version("a"), stored_version("shop", 1), stored_version("shop", 2))
        agents = tuple(sorted((stored_agent(number) for number in range(500)), key=lambda agent: agent.id))
        framework = PutFramework(framework_id=FrameworkId("f-1"), next_serial=200)
        opened.saved(framework, *(PutVersion(version=each) for each in versions))
        opened.saved(*(PutStack(stack=each) for each in stacks))
        opened.saved(*(PutTask(task=each) for each in tasks))
        opened.saved(*(PutAgent(agent=each) for each in reversed(agents)))
        wanted = Stored(
            framework_id=FrameworkId("f-1"),
            next_serial=200,
            stacks=stacks,
            versions=versions,
            tasks=tasks,
            agents=agents,
        )
        assert opened.store.load() == wanted
        assert world.stored() == wanted

    def test_what_groups_ask_of_agents_is_loaded(self, world: World) -> None:
        plain = stored_stack(groups=3)
        told = (
            replace(plain.groups[0], rules=stored_rules(1)),
            replace(plain.groups[1], mode=Mode.GLOBAL, rules=stored_rules(1)),
            plain.groups[2],
        )
        stack = replace(plain, groups=told)
        world.loaded().saved(PutStack(stack=stack))
        assert world.stored().stacks == (stack,)
        world.loaded().saved(PutStack(stack=plain))
        assert world.stored().stacks == (plain,)

    def test_histories_are_written_with_their_stack_and_outlive_it(self, world: World) -> None:
        opened = world.loaded()
        first, other = stored_history(), stored_history("other")
        opened.saved(PutHistory(history=first), PutStack(stack=stored_stack()), PutHistory(history=other))
        assert opened.store.load().histories == (other, first)
        assert world.stored() == Stored(stacks=(stored_stack(),), histories=(other, first))
        opened = world.loaded()
        shorter = replace(first, revisions=first.revisions[1:])
        opened.saved(PutHistory(history=shorter), DeleteStack(name="shop"), DeleteHistory(stack="other"))
        opened.saved(DeleteHistory(stack="never heard of"))
        assert world.stored() == Stored(histories=(shorter,))

    def test_answers_come_and_the_oldest_go(self, world: World) -> None:
        opened = world.loaded()
        made = [
            Answered(key=RequestKey(text=f"key {number}", digest="ab"), number=number, at=1.7e9, changed=("shop/web",))
            for number in range(1, 70)
        ]
        opened.saved(PutStack(stack=stored_stack()), PutAnswer(answer=made[0]))
        opened.saved(*(PutAnswer(answer=answer) for answer in made[1:]))
        assert opened.store.load().answers == tuple(made)
        opened = world.loaded()
        opened.saved(*(DeleteAnswer(number=answer.number) for answer in made[:40]), DeleteAnswer(number=7_000))
        assert world.stored() == Stored(stacks=(stored_stack(),), answers=tuple(made[40:]))
        opened = world.loaded()
        opened.saved(PutAnswer(answer=made[0]), DeleteStack(name="shop"))
        assert world.stored() == Stored(answers=(made[0], *made[40:]))

    def test_agents_change_and_go(self, world: World) -> None:
        opened = world.loaded()
        agents = [stored_agent(number) for number in range(1000)]
        opened.saved(*(PutAgent(agent=agent) for agent in agents))
        changed = replace(agents[3], hostname="other.example.org", attributes=(), failures=agents[0].failures)
        gone = [agent for agent in agents if agent not in (agents[3], agents[5])]
        opened.saved(PutAgent(agent=changed), *(DeleteAgent(id=agent.id) for agent in gone))
        assert opened.store.load().agents == (changed, agents[5])
        opened.saved(PutAgent(agent=agents[7]), DeleteAgent(id=agents[5].id))
        opened.saved(DeleteAgent(id=changed.id), PutTask(task=stored_task(1)))
        assert world.stored() == Stored(tasks=(stored_task(1),), agents=(agents[7],))
        opened = world.loaded()
        opened.saved(DeleteAgent(id=agents[7].id), DeleteAgent(id=AgentId("never heard of")))
        assert world.stored() == Stored(tasks=(stored_task(1),))

    def test_what_was_deleted_is_gone_and_what_was_put_again_is_new(self, world: World) -> None:
        opened = world.loaded()
        tasks = [stored_task(serial) for serial in (1, 2, 64, 128)]
        opened.saved(
            PutStack(stack=stored_stack()),
            PutVersion(version=stored_version(number=1)),
            PutVersion(version=stored_version(number=2)),
            *(PutTask(task=task) for task in tasks),
        )
        changed = stored_task(2, state=TaskState.FAILED, message="exited with 3", exit_code=3)
        opened.saved(
            PutTask(task=changed),
            DeleteTask(id=tasks[0].id),
            DeleteTask(id=tasks[2].id),
            DeleteVersion(stack="shop", id=stored_version(number=1).id),
        )
        assert world.stored() == Stored(
            stacks=(stored_stack(),), versions=(stored_version(number=2),), tasks=(changed, tasks[3])
        )
        opened = world.loaded()
        opened.saved(
            DeleteTask(id=changed.id),
            DeleteTask(id=tasks[3].id),
            DeleteVersion(stack="shop", id=stored_version(number=2).id),
            DeleteStack(name="shop"),
        )
        assert world.stored() == Stored()
        opened = world.loaded()
        opened.saved(PutVersion(version=stored_version()), PutTask(task=tasks[0]))
        assert world.stored() == Stored(versions=(stored_version(),), tasks=(tasks[0],))

    def test_deleting_what_is_not_there_is_nothing(self, world: World) -> None:
        opened = world.loaded()
        opened.saved(
            DeleteStack(name="no"),
            DeleteTask(id=stored_task(7).id),
            DeleteAgent(id=stored_agent(7).id),
            DeleteVersion(stack="no", id=stored_version().id),
        )
        assert opened.store.load() == Stored()

    def test_of_two_writes_to_one_place_the_later_counts(self, world: World) -> None:
        opened = world.loaded()
        opened.saved(
            PutTask(task=stored_task(1)),
            PutTask(task=stored_task(1, message="later")),
            PutTask(task=stored_task(2)),
            DeleteTask(id=stored_task(2).id),
            PutAgent(agent=stored_agent(1)),
            PutAgent(agent=stored_agent(1, zone="later")),
            PutAgent(agent=stored_agent(2)),
            DeleteAgent(id=stored_agent(2).id),
            DeleteStack(name="shop"),
            PutStack(stack=stored_stack()),
        )
        assert world.stored() == Stored(
            stacks=(stored_stack(),),
            tasks=(stored_task(1, message="later"),),
            agents=(stored_agent(1, zone="later"),),
        )

    def test_a_save_of_nothing_is_answered(self, world: World) -> None:
        world.loaded().saved()

    def test_answers_come_in_the_order_of_the_saves(self, world: World) -> None:
        opened = world.loaded()
        unstorable = PutStack(stack=stored_stack("large", message=incompressible(1_100_000)))
        tickets = [
            opened.save(unstorable if number % 10 == 9 else PutTask(task=stored_task(number))) for number in range(300)
        ]
        answers = [opened.answer() for _ in tickets]
        assert [answer.ticket for answer in answers if isinstance(answer, Saved | SaveFailed)] == tickets
        assert [isinstance(answer, SaveFailed) for answer in answers] == [number % 10 == 9 for number in range(300)]
        assert len(opened.store.load().tasks) == 270

    def test_too_large_is_refused_with_the_number_and_nothing_of_the_save_happens(self, world: World) -> None:
        opened = world.loaded()
        large = stored_stack("large", message=incompressible(1_100_000))
        answer = opened.answer_to(PutTask(task=stored_task(1)), PutStack(stack=large))
        assert isinstance(answer, SaveFailed)
        assert answer.problem.startswith("stack large: 1,1")
        assert "holds at most 1,000,000" in answer.problem
        opened.saved(PutTask(task=stored_task(2)))
        assert world.stored() == Stored(tasks=(stored_task(2),))

    def test_what_no_record_holds_is_refused(self, world: World) -> None:
        opened = world.loaded()
        answer = opened.answer_to(PutTask(task=stored_task(1, message="\ud800")))
        assert isinstance(answer, SaveFailed)
        assert answer.problem.startswith(f"task {stored_task(1).id} cannot be stored: ")
        assert opened.store.load() == Stored()

    def test_who_takes_the_store_deposes_who_had_it(self, world: World) -> None:
        first = world.loaded()
        first.saved(PutTask(task=stored_task(1)))
        second = world.loaded()
        first.save(PutTask(task=stored_task(2)))
        assert "deposed" in first.lost.get(timeout=SECONDS)
        assert first.store.is_deposed
        second.saved(PutTask(task=stored_task(3)))
        first.save(PutTask(task=stored_task(4)))
        assert second.store.load().tasks == (stored_task(1), stored_task(3))
        assert first.answers.empty()
        assert first.lost.empty()

    def test_a_save_before_load_is_an_error_of_ours(self, world: World) -> None:
        with pytest.raises(RuntimeError, match=r"wanted load\(\) to be called first"):
            world.open().save()


class TestMemory:
    def test_held_saves_do_not_happen_until_they_are_released(self) -> None:
        world = memory_world()
        opened = world.loaded()
        assert isinstance(opened.store, MemoryStore)
        opened.store.hold()
        for serial in (1, 2, 3):
            opened.save(PutTask(task=stored_task(serial)))
        opened.store.release(1)
        assert opened.answers.get_nowait() == Saved(ticket=1)
        assert opened.answers.empty()
        assert [save.ticket for save in opened.store.held] == [2, 3]
        assert len(opened.store.load().tasks) == 1
        opened.store.release()
        assert [opened.answer(), opened.answer()] == [Saved(ticket=2), Saved(ticket=3)]
        assert len(opened.store.load().tasks) == 3
        opened.saved()

    def test_saves_that_are_held_when_it_closes_are_lost(self) -> None:
        world = memory_world()
        opened = world.loaded()
        assert isinstance(opened.store, MemoryStore)
        opened.store.hold()
        opened.save(PutTask(task=stored_task(1)))
        opened.store.close()
        opened.store.release()
        assert opened.answers.empty()
        assert world.stored() == Stored()

    def test_it_fails_on_demand(self) -> None:
        opened = memory_world().loaded()
        assert isinstance(opened.store, MemoryStore)
        opened.store.fail_next("the disk is full")
        assert opened.answer_to(PutTask(task=stored_task(1))) == SaveFailed(ticket=1, problem="the disk is full")
        opened.saved(PutTask(task=stored_task(2)))
        assert opened.store.load().tasks == (stored_task(2),)


@pytest.fixture
def root() -> str:
    return new_root()


@pytest.fixture
def real(zookeeper: Daemon, root: str) -> Iterator[World]:
    with contextlib.closing(zookeeper_world(zookeeper.address, root)) as made:
        yield made


AGENT_BUCKET = nodes.bucket_of_agent(stored_agent(1).id)


def agents_node(*numbers: int) -> bytes:
    return records.bucket_node([records.agent_bytes(stored_agent(number)) for number in numbers])


@pytest.mark.zookeeper
class TestZooKeeper:
    def test_the_nodes_are_as_documented(self, real: World, root: str, keeper: KazooClient) -> None:
        opened = real.loaded()
        opened.saved(
            PutFramework(framework_id=None, next_serial=200),
            PutStack(stack=stored_stack()),
            PutVersion(version=stored_version()),
            *(PutTask(task=stored_task(serial)) for serial in (1, 63, 64, 130)),
            PutAgent(agent=stored_agent(1)),
        )
        assert sorted(keeper.get_children(root)) == [
            "agents",
            "epoch",
            "framework",
            "history",
            "leader",
            "rollouts",
            "schema",
            "stacks",
            "tasks",
            "versions",
        ]
        assert json.loads(keeper.get(f"{root}/schema")[0]) == {"kind": "mesos-framework", "schema": 3}
        assert keeper.get_children(f"{root}/agents") == [str(zlib.crc32(stored_agent(1).id.encode()) % 256)]
        assert keeper.get_children(f"{root}/stacks") == ["shop"]
        assert keeper.get_children(f"{root}/versions/shop") == ["000000000000"]
        assert sorted(keeper.get_children(f"{root}/tasks")) == ["0", "1", "2"]
        opened.saved(
            DeleteTask(id=stored_task(64).id),
            DeleteVersion(stack="shop", id=stored_version().id),
            DeleteAgent(id=stored_agent(1).id),
        )
        assert keeper.get_children(f"{root}/agents") == []
        assert sorted(keeper.get_children(f"{root}/tasks")) == ["0", "2"]
        assert keeper.get_children(f"{root}/versions") == []

    def test_a_thousand_saves_are_few_transactions(self, real: World, root: str, keeper: KazooClient) -> None:
        opened = real.loaded()
        for serial in range(1000):
            opened.save(PutTask(task=stored_task(serial)))
        assert [opened.answer() for _ in range(1000)] == [Saved(ticket=number) for number in range(1, 1001)]
        assert transactions(keeper, root) < 50

    def test_a_save_that_fits_no_transaction_is_written_in_several(
        self, real: World, root: str, keeper: KazooClient
    ) -> None:
        opened = real.loaded()
        tasks = tuple(stored_task(serial, message=incompressible(500, serial)) for serial in range(5000))
        opened.saved(PutFramework(framework_id=None, next_serial=5000), *(PutTask(task=task) for task in tasks))
        assert transactions(keeper, root) > 1
        assert real.stored().tasks == tasks

    def test_a_save_of_the_size_that_is_advised_is_one_transaction(
        self, real: World, root: str, keeper: KazooClient
    ) -> None:
        opened = real.loaded()
        everywhere = range(0, 64 * MAX_WRITES_PER_SAVE, 64)
        opened.saved(*(PutTask(task=stored_task(serial)) for serial in everywhere))
        assert transactions(keeper, root) == 1
        opened.saved(*(PutAgent(agent=stored_agent(number)) for number in range(MAX_WRITES_PER_SAVE)))
        assert transactions(keeper, root) == 2

    def test_a_node_just_below_the_limit_is_taken(self, real: World) -> None:
        opened = real.loaded()
        room = nodes.MAX_NODE_BYTES - 500
        stack = stored_stack("large", groups=0)
        length = 1_200_000
        while (
            len(spec_records.stack_node(stack)) < room - 2000
            or len(spec_records.stack_node(stack)) > nodes.MAX_NODE_BYTES
        ):
            stack = stored_stack("large", groups=0, message=incompressible(length))
            length = length * room // len(spec_records.stack_node(stack))
        opened.saved(PutStack(stack=stack), PutTask(task=stored_task(1)))
        assert real.stored().stacks == (stack,)

    def test_a_newer_schema_is_refused(self, real: World, root: str, keeper: KazooClient) -> None:
        real.loaded().saved(PutFramework(framework_id=None, next_serial=7))
        keeper.set(f"{root}/schema", json.dumps({"kind": "mesos-framework", "schema": 4}).encode())
        with pytest.raises(StoreFault, match=rf"{root}/schema has schema 4, and this program knows schemas up to 3"):
            real.stored()
        assert json.loads(keeper.get(f"{root}/epoch")[0])["epoch"] == 1

    @pytest.fixture
    def old(self, root: str, keeper: KazooClient) -> Stored:
        """A root as the first release left it."""
        stored = Stored(next_serial=7, stacks=(stored_stack(),), versions=(stored_version(),), tasks=(stored_task(1),))
        put = PutFramework(framework_id=None, next_serial=7)
        for path, node in (
            ("stacks/shop", spec_records.stack_node(stored_stack())),
            ("versions/shop/000000000000", records.version_node(stored_version())),
            ("tasks/0", records.bucket_node([records.task_bytes(stored_task(1))])),
            ("framework", records.framework_node(put)),
        ):
            assert node[:2] == bytes([8, packing.SCHEMA])
            keeper.create(f"{root}/{path}", b"\x08\x01" + node[2:], makepath=True)
        keeper.create(f"{root}/epoch", marks.epoch_node(marks.Epoch(number=4, transaction=9, holder="old")))
        keeper.create(f"{root}/schema", b'{"kind": "mesos-framework", "schema": 1}')
        return stored

    def test_an_older_root_is_loaded_and_from_then_on_ours(
        self, real: World, root: str, keeper: KazooClient, old: Stored
    ) -> None:
        opened = real.open()
        assert opened.store.load() == old
        assert json.loads(keeper.get(f"{root}/schema")[0]) == {"kind": "mesos-framework", "schema": 3}
        assert json.loads(keeper.get(f"{root}/epoch")[0])["epoch"] == 5
        opened.saved(PutAgent(agent=stored_agent(1)), PutHistory(history=stored_history()))
        assert real.stored() == replace(old, agents=(stored_agent(1),), histories=(stored_history(),))

    def test_an_older_root_stays_so_while_another_leads(
        self, zookeeper: Daemon, root: str, keeper: KazooClient, old: Stored
    ) -> None:
        keeper.create(f"{root}/leader", b"old:8080", ephemeral=True)
        with contextlib.closing(zookeeper_world(zookeeper.address, root, holder="new:8080")) as world:
            standby = world.open()
            loaded: queue.SimpleQueue[Stored] = queue.SimpleQueue()
            threading.Thread(target=lambda: loaded.put(standby.store.load()), daemon=True).start()
            assert "stands by" in standby.problems.get(timeout=SECONDS)
            assert json.loads(keeper.get(f"{root}/schema")[0])["schema"] == 1
            assert not keeper.exists(f"{root}/agents")
            keeper.delete(f"{root}/leader")
            assert loaded.get(timeout=SECONDS) == old

    def test_a_root_that_a_newer_program_took_while_this_one_stood_by_is_refused(
        self, zookeeper: Daemon, root: str, keeper: KazooClient, old: Stored
    ) -> None:
        keeper.create(f"{root}/leader", b"newer:8080", ephemeral=True)
        with contextlib.closing(zookeeper_world(zookeeper.address, root, holder="older:8080")) as world:
            standby = world.open()
            refused: queue.SimpleQueue[str] = queue.SimpleQueue()

            def load() -> None:
                try:
                    standby.store.load()
                except StoreFault as fault:
                    refused.put(str(fault))

            threading.Thread(target=load, daemon=True).start()
            assert "stands by" in standby.problems.get(timeout=SECONDS)
            keeper.set(f"{root}/schema", json.dumps({"kind": "mesos-framework", "schema": 4}).encode())
            keeper.delete(f"{root}/leader")
            assert "schema has schema 4, and this program knows schemas up to 3" in refused.get(timeout=SECONDS)
            assert json.loads(keeper.get(f"{root}/epoch")[0])["holder"] == "old"

    def test_a_foreign_root_is_refused(self, real: World, root: str, keeper: KazooClient) -> None:
        keeper.create(f"{root}/json.info_0000000001", b"{}", makepath=True)
        with pytest.raises(
            StoreFault, match=r"holds what is not ours \(json.info_0000000001\): name another root"
        ) as e:
            real.stored()
        assert not e.value.temporary
        assert keeper.get_children(root) == ["json.info_0000000001"]

    @pytest.mark.parametrize(
        ("path", "data", "says"),
        [
            ("tasks/0", b"{}", "is no TaskBucket"),
            ("tasks/0", b"", "is no TaskBucket: it has no schema"),
            ("tasks/0", b"\x78\x01\xff rubbish", "is damaged"),
            ("tasks/0", zlib.compress(b"a" * 5000)[:-2], "is cut off"),
            ("tasks/0", records.bucket_node([records.task_bytes(stored_task(64))]), "has tasks of another bucket"),
            (
                "tasks/0",
                records.bucket_node([records.task_bytes(stored_task(1, id=TaskId("me")))]),
                "has a task id 'me': wanted one that ends in",
            ),
            ("tasks/0", records.bucket_node([records.task_bytes(stored_task(1))] * 2), "has two tasks with one serial"),
            (f"agents/{AGENT_BUCKET}", b"{}", "is no AgentBucket"),
            (f"agents/{AGENT_BUCKET}", b"\x08\x02", "has agents of another bucket"),
            (f"agents/{AGENT_BUCKET}", agents_node(2), "has agents of another bucket"),
            (f"agents/{AGENT_BUCKET}", agents_node(1, 1), "has an agent twice"),
            ("stacks/shop", spec_records.stack_node(stored_stack("other")), "names stack 'other'"),
            ("versions/shop/000000000000", b"\x08\x01", "has settings that are none"),
            ("epoch", b"7", "is no epoch"),
            ("schema", b"mine", "is not ours"),
        ],
    )
    def test_edited_nodes_are_named(
        self, real: World, root: str, keeper: KazooClient, path: str, data: bytes, says: str
    ) -> None:
        real.loaded().saved(
            PutTask(task=stored_task(1)),
            PutAgent(agent=stored_agent(1)),
            PutStack(stack=stored_stack()),
            PutVersion(version=stored_version()),
        )
        keeper.set(f"{root}/{path}", data)
        with pytest.raises(StoreFault, match=says) as caught:
            real.stored()
        assert f"{root}/{path} " in str(caught.value)

    def test_a_node_that_vanished_ends_the_leader(self, real: World, root: str, keeper: KazooClient) -> None:
        opened = real.loaded()
        opened.saved(PutTask(task=stored_task(1)))
        keeper.delete(f"{root}/tasks/0")
        opened.save(PutTask(task=stored_task(2)))
        assert f"{root}/tasks/0 in ZooKeeper is not as this scheduler left it" in opened.lost.get(timeout=SECONDS)
        assert opened.answers.empty()

    def test_a_root_that_vanished_ends_the_leader(self, real: World, root: str, keeper: KazooClient) -> None:
        opened = real.loaded()
        keeper.delete(root, recursive=True)
        opened.save(PutTask(task=stored_task(2)))
        assert f"{root}/epoch in ZooKeeper is not as" in opened.lost.get(timeout=SECONDS)

    def test_an_expired_session_ends_the_leader_even_if_it_saves_nothing(self, real: World, zookeeper: Daemon) -> None:
        opened = real.loaded()
        assert isinstance(opened.store, ZooKeeperStore)
        thief = KazooClient(hosts=zookeeper.address, client_id=opened.store.session, timeout=4.0)
        thief.start()
        thief.stop()
        thief.close()
        assert "has expired" in opened.lost.get(timeout=SECONDS)
        assert not opened.store.is_deposed
        opened.save(PutTask(task=stored_task(1)))
        assert real.stored() == Stored()
        assert opened.answers.empty()

    def test_close_ends_who_waits_and_says_nothing(self, real: World) -> None:
        opened = real.loaded()
        opened.store.close()
        opened.save(PutTask(task=stored_task(1)))
        with pytest.raises(StoreFault, match="the connection to ZooKeeper was closed"):
            opened.store.load()
        assert opened.lost.empty()


@pytest.mark.zookeeper
class TestUncertainty:
    """The connection breaks during a transaction: before it happened, or after."""

    @pytest.fixture
    def breaks(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The fate of the next transactions: "before" and "after" say when the connection breaks."""
        plan: list[str] = []
        send = Ensemble.send

        def breaking(self: Ensemble, transaction: TransactionRequest) -> list[Any]:
            when = plan.pop(0) if plan else ""
            if when == "before":
                raise ConnectionLoss
            results = send(self, transaction)
            if when == "after":
                raise ConnectionLoss
            return results

        monkeypatch.setattr(Ensemble, "send", breaking)
        return plan

    @pytest.mark.parametrize("plan", [["before"], ["after"], ["before", "before", "after"]])
    def test_it_happens_once_and_is_answered_once(
        self, real: World, root: str, keeper: KazooClient, breaks: list[str], plan: list[str]
    ) -> None:
        opened = real.loaded()
        opened.saved(PutTask(task=stored_task(1)))
        breaks += plan
        opened.saved(PutTask(task=stored_task(2)))
        assert not breaks
        assert transactions(keeper, root) == 2
        opened.saved(PutTask(task=stored_task(3)))
        assert len(real.stored().tasks) == 3
        assert opened.answers.empty()

    def test_one_that_breaks_the_connection_every_time_fails(self, real: World, breaks: list[str]) -> None:
        opened = real.loaded()
        breaks += ["before"] * MAX_BREAKS
        answer = opened.answer_to(PutTask(task=stored_task(1)))
        assert isinstance(answer, SaveFailed)
        assert "broke the connection 5 times during one transaction of" in answer.problem
        opened.saved(PutTask(task=stored_task(2)))
        assert real.stored().tasks == (stored_task(2),)

    def test_a_save_of_several_transactions_that_breaks_off_ends_the_leader(
        self, real: World, breaks: list[str]
    ) -> None:
        opened = real.loaded()
        tasks = [stored_task(serial, message=incompressible(500, serial)) for serial in range(5000)]
        breaks += ["", *["before"] * MAX_BREAKS]
        opened.save(PutFramework(framework_id=None, next_serial=5000), *(PutTask(task=task) for task in tasks))
        assert "broke off before the one numbered 2" in opened.lost.get(timeout=SECONDS)
        assert opened.answers.empty()
        stored = real.stored()
        assert stored.next_serial == 5000
        assert 0 < len(stored.tasks) < 5000

    def test_agents_are_there_before_tasks_on_them_wherever_it_breaks_off(self, real: World, breaks: list[str]) -> None:
        opened = real.loaded()
        left = stored_agent(0)
        opened.saved(PutTask(task=stored_task(0)), PutAgent(agent=left))
        tasks = [stored_task(serial, message=incompressible(500, serial)) for serial in range(1, 5000)]
        agents = [stored_agent(number) for number in range(1, 50)]
        breaks += ["", *["before"] * MAX_BREAKS]
        opened.save(
            DeleteTask(id=stored_task(0).id),
            DeleteAgent(id=left.id),
            *(PutTask(task=task) for task in tasks),
            *(PutAgent(agent=agent) for agent in agents),
        )
        assert "broke off before the one numbered 2" in opened.lost.get(timeout=SECONDS)
        stored = real.stored()
        assert 0 < len(stored.tasks) < 4999
        assert {agent.id for agent in stored.agents} == {agent.id for agent in (left, *agents)}
        assert {task.agent_id for task in stored.tasks} <= {agent.id for agent in stored.agents}

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_an_older_root_is_raised_once(
        self, real: World, root: str, keeper: KazooClient, breaks: list[str], when: str
    ) -> None:
        real.loaded().store.close()
        keeper.delete(f"{root}/agents")
        keeper.delete(f"{root}/history")
        keeper.set(f"{root}/schema", b'{"kind": "mesos-framework", "schema": 1}')
        breaks += [when]
        opened = real.loaded()
        opened.saved(PutAgent(agent=stored_agent(1)))
        assert json.loads(keeper.get(f"{root}/schema")[0])["schema"] == 3
        assert real.stored() == Stored(agents=(stored_agent(1),))

    def test_taking_the_store_is_repeated(self, real: World, breaks: list[str]) -> None:
        breaks += ["before", "after", "before"]
        real.loaded().saved(PutTask(task=stored_task(1)))


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Daemon]:
    """A ZooKeeper that the test may kill."""
    with running_zookeeper(tmp_path / "zookeeper") as server:
        yield server


@pytest.mark.zookeeper
class TestBrokenZooKeeper:
    def test_kill_9_in_the_middle_of_saves_loses_nothing_that_was_answered(self, mortal: Daemon) -> None:
        with contextlib.closing(zookeeper_world(mortal.address, "/framework", session_seconds=30.0)) as world:
            opened = world.loaded()
            answered = 0
            for round_ in range(3):
                for serial in range(round_ * 1000, round_ * 1000 + 1000):
                    opened.save(PutTask(task=stored_task(serial)))
                for _ in range(300):
                    answered += 1
                    assert opened.answer() == Saved(ticket=answered)
                mortal.kill(signal.SIGKILL)
                mortal.start().wait()
            while answered < 3000:
                answered += 1
                assert opened.answer() == Saved(ticket=answered)
            assert opened.lost.empty()
            assert world.stored().tasks == tuple(stored_task(serial) for serial in range(3000))

    def test_a_zookeeper_that_is_not_there_is_waited_for_and_named(self, mortal: Daemon) -> None:
        mortal.kill()
        with contextlib.closing(zookeeper_world(mortal.address, "/framework", session_seconds=30.0)) as world:
            opened = world.open()
            problem = opened.problems.get(timeout=SECONDS)
            assert (
                f"ZooKeeper cannot be reached: {mortal.address} cannot be connected to (Connection refused)" in problem
            )
            mortal.start()
            assert opened.store.load() == Stored()
            while opened.problems.get(timeout=SECONDS):
                pass  # It may say in between that the server runs and has not taken our session yet.
            mortal.kill()
            opened.save(PutTask(task=stored_task(1)))
            assert opened.problems.get(timeout=SECONDS) == problem
            mortal.start()
            assert opened.answer() == Saved(ticket=1)
            assert opened.lost.empty()

    def test_close_ends_who_waits_for_a_zookeeper_that_is_not_there(self, mortal: Daemon) -> None:
        mortal.kill()
        with contextlib.closing(zookeeper_world(mortal.address, "/framework", session_seconds=30.0)) as world:
            opened = world.open()
            assert "Connection refused" in opened.problems.get(timeout=SECONDS)


@pytest.mark.zookeeper
def test_another_holder_waits_until_the_first_is_gone_and_says_for_whom(zookeeper: Daemon) -> None:
    root = new_root()
    with (
        contextlib.closing(zookeeper_world(zookeeper.address, root, holder="10.0.0.1:8080")) as one,
        contextlib.closing(zookeeper_world(zookeeper.address, root, holder="10.0.0.2:8080")) as other,
    ):
        leader = one.loaded()
        leader.saved(PutTask(task=stored_task(1)))
        standby = other.open()
        loaded: queue.SimpleQueue[Stored] = queue.SimpleQueue()
        threading.Thread(target=lambda: loaded.put(standby.store.load()), daemon=True).start()
        assert standby.problems.get(timeout=SECONDS) == (
            "the scheduler at 10.0.0.1:8080 leads; this one stands by, and takes over when that one is gone"
        )
        leader.saved(PutTask(task=stored_task(2)))
        assert loaded.empty()
        leader.store.close()
        assert loaded.get(timeout=SECONDS).tasks == (stored_task(1), stored_task(2))
        assert standby.problems.get(timeout=SECONDS) == ""
