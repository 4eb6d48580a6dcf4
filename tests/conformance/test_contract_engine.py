"""The exam of a container engine: asked of Docker and of the simulation's model alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from executor.core import events as on
from executor.core.order import Order
from specs.ids import FrameworkId, TaskId, VersionId
from tests.conformance.contract_engine import OWN_CODE, Engine, Executor, ModelEngine, RealEngine, order_of

KILLED, TERMINATED = 137, 143


@pytest.fixture(params=["model", pytest.param("real", marks=pytest.mark.docker)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "model":
        yield ModelEngine()
        return
    request.getfixturevalue("images")
    found = RealEngine(tmp_path)
    yield found
    found.tidy()


def begun(engine: Engine, executor: Executor, name: str = "one") -> tuple[Order, str]:
    """A container that runs: its order and id."""
    order = order_of(engine, name)
    created = executor.create(order)
    assert isinstance(created, on.Created)
    assert isinstance(executor.start(order), on.Started)
    return order, created.container_id


def rows(engine: Engine, executor: Executor, order: Order) -> dict[str, tuple[str, bool, bool]]:
    """Task, whose it is and whether it is abandoned, by container."""
    found = executor.find(engine.framework_id, order.agent_id)
    return {each.container_id: (each.task_id, each.is_ours, each.is_abandoned) for each in found}


def heir_of(order: Order, name: str = "heir", version: str = "") -> Order:
    """An order that takes over what another has left."""
    wanted = replace(order, task_id=TaskId(f"{order.task_id}.{name}"), predecessors=(order.task_id,), adopts=True)
    return replace(wanted, version=VersionId(version or order.version))


def test_creating_twice_is_creating_once(engine: Engine) -> None:
    executor = engine.executor()
    order = order_of(engine, "one")
    first, second = executor.create(order), executor.create(order)
    assert isinstance(first, on.Created) and first == second
    assert rows(engine, executor, order) == {first.container_id: (order.task_id, True, False)}


def test_an_image_that_is_not_there_is_missing(engine: Engine) -> None:
    order = order_of(engine, "one", image="framework-demo/nobody-has-this:1")
    assert engine.executor().create(order) == on.ImageMissing(task_id=order.task_id)


def test_starting_twice_is_starting_once(engine: Engine) -> None:
    executor = engine.executor()
    order, id = begun(engine, executor)
    assert isinstance(executor.start(order), on.Started)
    executor.signal(order, "SIGKILL")
    engine.wait(lambda: engine.codes(executor, order), "its end")
    assert engine.codes(executor, order) == [KILLED]
    assert list(rows(engine, executor, order)) == [id]


def test_one_that_is_asked_to_end_ends(engine: Engine) -> None:
    executor = engine.executor()
    order, _ = begun(engine, executor)
    # Before its shell has set its traps, process 1 does not heed TERM: so it is asked until it ends.
    engine.wait(lambda: executor.signal(order, "SIGTERM") or engine.codes(executor, order), "its end")
    assert engine.codes(executor, order) == [TERMINATED]


def test_one_that_ends_by_itself_stays_until_it_is_removed(engine: Engine) -> None:
    executor = engine.executor()
    order, id = begun(engine, executor)
    engine.wait(lambda: _ended_by_itself(engine, executor, order), "its end")
    assert list(rows(engine, executor, order)) == [id]
    assert executor.signal(order, "SIGKILL") is None, "what has ended is there"
    removed = executor.remove(order)
    assert removed.exit_code == OWN_CODE
    assert rows(engine, executor, order) == {}


def _ended_by_itself(engine: Engine, executor: Executor, order: Order) -> bool:
    if not engine.codes(executor, order):
        engine.end(order)
    return OWN_CODE in engine.codes(executor, order)


def test_one_that_has_ended_starts_anew(engine: Engine) -> None:
    executor = engine.executor()
    order, _ = begun(engine, executor)
    executor.signal(order, "SIGKILL")
    engine.wait(lambda: engine.codes(executor, order), "its end")
    assert isinstance(executor.start(order), on.Started)
    executor.signal(order, "SIGKILL")
    engine.wait(lambda: engine.codes(executor, order) == [KILLED, KILLED], "its second end")


def test_removing_ends_what_runs_and_does_not_mind_what_is_gone(engine: Engine) -> None:
    executor = engine.executor()
    order, _ = begun(engine, executor)
    assert executor.remove(order).exit_code == KILLED
    assert executor.remove(order).exit_code is None


def test_what_is_not_there_has_ended(engine: Engine) -> None:
    executor = engine.executor()
    order = order_of(engine, "one")
    answer = executor.signal(order, "SIGTERM")
    heard = engine.wait(lambda: [answer.exit_code] if answer else engine.codes(executor, order), "its end")
    assert heard == [None]


def test_one_that_never_started_has_no_exit_code(engine: Engine) -> None:
    executor = engine.executor()
    order = order_of(engine, "one")
    executor.create(order)
    assert executor.remove(order).exit_code is None


def test_a_container_outlives_who_made_it(engine: Engine) -> None:
    first, second = engine.executor(), engine.executor()
    order, id = begun(engine, first)
    assert rows(engine, second, order) == {id: (order.task_id, False, False)}
    engine.die(first)
    assert rows(engine, second, order) == {id: (order.task_id, False, True)}
    second.reap(id)
    assert rows(engine, second, order) == {}


def test_only_the_frameworks_own_are_listed(engine: Engine) -> None:
    executor, beside = engine.executor(), engine.executor()
    order, id = begun(engine, executor)
    assert executor.find(FrameworkId("another"), order.agent_id) == ()
    assert beside.find(engine.framework_id, "another-agent") == ()
    engine.die(executor)
    (left,) = beside.find(engine.framework_id, "another-agent")
    assert (left.container_id, left.task_id, left.is_abandoned, left.is_foreign) == (id, order.task_id, True, True)


def test_what_a_dead_executor_left_is_taken_over_as_it_runs(engine: Engine) -> None:
    first, second = engine.executor(), engine.executor()
    order, id = begun(engine, first)
    engine.die(first)
    heir = heir_of(order)
    adopted = second.adopt(heir)
    assert isinstance(adopted, on.Adopted) and adopted.container_id == id
    assert rows(engine, second, heir) == {id: (heir.task_id, True, False)}
    second.signal(heir, "SIGKILL")
    engine.wait(lambda: engine.codes(second, heir), "its end")
    assert engine.codes(second, heir) == [KILLED]


def test_what_ended_before_it_is_taken_over_is_told_as_it_ended(engine: Engine) -> None:
    first, second = engine.executor(), engine.executor()
    order, id = begun(engine, first)
    engine.wait(lambda: _ended_by_itself(engine, first, order), "its end")
    engine.die(first)
    heir = heir_of(order)
    adopted = second.adopt(heir)
    assert isinstance(adopted, on.Adopted) and adopted.container_id == id
    engine.wait(lambda: engine.codes(second, heir), "its end")
    assert engine.codes(second, heir)[0] == OWN_CODE


def test_what_is_of_another_version_or_never_started_is_out_of_the_way(engine: Engine) -> None:
    first, second = engine.executor(), engine.executor()
    order, _ = begun(engine, first)
    created = order_of(engine, "created")
    first.create(created)
    engine.die(first)
    for heir in (heir_of(order, version="fedcba987654"), heir_of(created)):
        assert second.adopt(heir) == on.NothingToAdopt(task_id=heir.task_id)
    assert rows(engine, second, order) == {}


def test_what_a_living_executor_has_is_left_alone(engine: Engine) -> None:
    first, second = engine.executor(), engine.executor()
    order, id = begun(engine, first)
    heir = heir_of(order)
    assert second.adopt(heir) == on.NothingToAdopt(task_id=heir.task_id)
    assert rows(engine, first, order) == {id: (order.task_id, True, False)}
