"""Containers that no task takes over are removed by a task that does nothing else."""

from __future__ import annotations

import pytest

from framework.core.commands import Accept, Command, Done, RemoveOrphans
from framework.core.events import OrphanContainersReported, ScaleRequested
from framework.core.launch.container_sweep import AGAIN_SECONDS, MOST_SECONDS, MOST_TRIES, NOWHERE_SECONDS, RESOURCES
from framework.core.model import Task
from framework.core.read.gone_agents import why_not_over
from specs.ids import AgentId, ExecutorId, TaskId
from specs.model.stack import Container, Port
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, announced, group, killed, launched

LOST = {"reason": "REASON_EXECUTOR_TERMINATED", "source": "SOURCE_AGENT", "message": "Abnormal executor termination"}
WEB = Container(image="busybox:1", ports=(Port(name="http", container_port=8080),))
ASKED = {"agent_id": AgentId("agent-1"), "executor_id": ExecutorId("executor-1")}


def up(instances: int = 1, container: Container = WEB) -> Conversation:
    talk = Conversation()
    talk.up(group(container=container, instances=instances))
    for task in talk.tasks:
        talk.status(task, TaskState.RUNNING, sandbox="/sandbox")
    return talk


def lose(talk: Conversation, *tasks: Task) -> None:
    for task in tasks:
        talk.status(task, TaskState.FAILED, **LOST)
    talk.wait(0.1)


def offers_of(talk: Conversation, task: Task) -> list[Command]:
    return talk.offers(talk.offer(int(task.agent_id.removeprefix("agent-"))))


def removed() -> tuple[Conversation, Task]:
    """A stack that was removed, and whose task has lost its executor."""
    talk = up()
    (task,) = talk.tasks
    lose(talk, task)
    assert isinstance(talk.remove(), Done)
    return talk, task


def test_what_a_removed_stack_left_is_swept_before_the_stack_is_gone() -> None:
    talk, old = removed()
    assert "shop" in talk.shelf.stacks
    heard = offers_of(talk, old)
    (sweep,) = launched(heard)
    (accept,) = [command for command in heard if isinstance(command, Accept)]
    assert (sweep.agent_id, sweep.predecessors, sweep.sweeps, sweep.goal) == (old.agent_id, (old.id,), True, Goal.STOP)
    assert (sweep.host_ports, accept.launches[0].resources) == ((), RESOURCES)
    assert "shop" in talk.shelf.stacks
    talk.status(sweep, TaskState.FINISHED, sandbox="/sandbox")
    assert talk.shelf.stacks == {}
    assert talk.shelf.tasks == {}


def test_a_removed_stack_says_what_it_still_waits_for() -> None:
    talk, old = removed()
    (group,) = talk.scheduler.view(talk.now).stacks["shop"].groups
    assert why_not_over(group).startswith(
        f"waits to remove what executors that have died left on {old.hostname}: a task"
    )
    offers_of(talk, old)
    (group,) = talk.scheduler.view(talk.now).stacks["shop"].groups
    assert why_not_over(group).startswith("waits to remove what executors that have died left on")


def test_an_executor_that_dies_while_its_tasks_are_stopped_leaves_what_is_swept() -> None:
    talk = up()
    (old,) = talk.tasks
    talk.remove()
    lose(talk, old)
    (sweep,) = launched(offers_of(talk, old))
    assert (sweep.sweeps, sweep.predecessors) == (True, (old.id,))


def test_one_task_sweeps_all_that_a_group_left_on_an_agent() -> None:
    talk = up(instances=9)
    left = [task for task in talk.tasks if task.agent_id == AgentId("agent-1")]
    others = [task for task in talk.tasks if task.agent_id != AgentId("agent-1")]
    talk.remove()
    for task in others:
        talk.status(task, TaskState.KILLED)
    lose(talk, *left)
    (sweep,) = launched(talk.offers(talk.offer(1)))
    assert set(sweep.predecessors) == {task.id for task in left}


def test_what_is_scaled_away_is_swept_and_holds_no_slot() -> None:
    talk = up(instances=2)
    kept, given_up = talk.tasks
    lose(talk, given_up)
    talk.say(ScaleRequested(request_id=99, pattern="shop/web", instances=1))
    (sweep,) = launched(offers_of(talk, given_up))
    assert sweep.sweeps
    state = talk.scheduler.context.state
    assert list(state.group(kept.group).holders.values()) == [kept.id]
    talk.status(sweep, TaskState.FINISHED)
    assert sweep.id not in state.tasks


def test_a_slot_that_went_elsewhere_is_swept_where_it_was() -> None:
    talk = up()
    (old,) = talk.tasks
    lose(talk, old)
    talk.wait(25.0)
    others = [talk.offer(number) for number in (1, 2, 3) if AgentId(f"agent-{number}") != old.agent_id]
    (new,) = launched(talk.offers(*others))
    assert not new.sweeps
    talk.run(new)
    (sweep,) = launched(offers_of(talk, old))
    assert (sweep.sweeps, sweep.agent_id, sweep.predecessors) == (True, old.agent_id, (old.id,))
    assert [task.id for task in talk.tasks if task.goal is Goal.RUN] == [new.id]


def test_what_is_taken_over_is_not_swept() -> None:
    talk = up()
    (old,) = talk.tasks
    lose(talk, old)
    (new,) = launched(offers_of(talk, old))
    assert new.adopts
    talk.run(new)
    talk.wait(60.0)
    assert [task for task in launched(talk.offers()) if task.sweeps] == []


def test_a_plain_process_leaves_nothing() -> None:
    talk = up(container=Container(command=("sleep", "9")))
    (old,) = talk.tasks
    lose(talk, old)
    talk.remove()
    assert talk.shelf.stacks == {}


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.DROPPED, TaskState.LOST, TaskState.KILLED])
def test_a_sweep_that_comes_to_nothing_is_tried_again_but_not_for_ever(state: TaskState) -> None:
    talk, old = removed()
    for _ in range(MOST_TRIES):
        (sweep,) = launched(offers_of(talk, old))
        assert old.id in sweep.predecessors
        talk.status(sweep, state)
        assert launched(offers_of(talk, old)) == [], "not at once"
        talk.wait(AGAIN_SECONDS)
    assert talk.shelf.stacks == {}
    assert "ContainerLeft" in announced(talk.heard)


def test_a_sweep_that_never_arrives_is_killed() -> None:
    talk, old = removed()
    (sweep,) = launched(offers_of(talk, old))
    assert killed(talk.wait(talk.scheduler.context.settings.launch_timeout_seconds - 1.0)) == []
    assert set(killed(talk.wait(2.0))) == {sweep.id}


def test_an_agent_without_room_keeps_a_stack_for_ten_minutes_and_no_longer() -> None:
    talk, _ = removed()
    talk.wait(MOST_SECONDS - 10.0)
    assert "shop" in talk.shelf.stacks
    talk.wait(20.0)
    assert talk.shelf.stacks == {}


def test_an_agent_that_is_gone_keeps_a_stack_for_a_moment_as_it_may_just_have_come_back() -> None:
    for is_back in (False, True):
        talk, old = removed()
        others = [talk.agent(number) for number in (1, 2, 3) if AgentId(f"agent-{number}") != old.agent_id]
        talk.report(*others)
        talk.wait(NOWHERE_SECONDS - 10.0)
        assert "shop" in talk.shelf.stacks
        if is_back:
            assert [task.sweeps for task in launched(offers_of(talk, old))] == [True]
        talk.wait(20.0)
        assert ("shop" in talk.shelf.stacks) is is_back


def test_a_sweep_on_a_machine_that_is_gone_for_good_is_not_repeated() -> None:
    talk, old = removed()
    (sweep,) = launched(offers_of(talk, old))
    talk.report(*(talk.agent(number) for number in (1, 2, 3) if talk.agent(number).id != old.agent_id))
    talk.status(sweep, TaskState.GONE_BY_OPERATOR, uuid="")
    talk.wait(NOWHERE_SECONDS - 1.0)
    assert launched(talk.offers(*(talk.offer(n) for n in (1, 2, 3) if f"agent-{n}" != old.agent_id))) == []
    talk.wait(2.0)
    assert talk.shelf.stacks == {}


def test_the_next_leader_goes_on_with_it() -> None:
    talk, old = removed()
    after = Conversation(shelf=talk.shelf)
    after.now = talk.now
    after.subscribe()
    (sweep,) = launched(offers_of(after, old))
    assert (sweep.sweeps, sweep.predecessors) == (True, (old.id,))


# ---- what an executor asks about ----------------------------------------------------


def asked(talk: Conversation, *tasks: TaskId) -> list[TaskId]:
    heard = talk.say(OrphanContainersReported(tasks=tasks, **ASKED))  # type: ignore[arg-type]
    return [id for command in heard if isinstance(command, RemoveOrphans) for id in command.tasks]


def test_nobody_wants_what_is_unknown_or_has_ended() -> None:
    talk = up(instances=2)
    living, ended = talk.tasks
    talk.status(ended, TaskState.FINISHED)
    assert asked(talk, living.id, ended.id, TaskId("shop.web.0.999")) == [ended.id, TaskId("shop.web.0.999")]


def test_what_cannot_be_reached_may_come_back() -> None:
    talk = up()
    (task,) = talk.tasks
    talk.status(task, TaskState.UNREACHABLE)
    assert asked(talk, task.id) == []


def test_what_may_still_be_taken_over_is_wanted() -> None:
    talk = up()
    (old,) = talk.tasks
    lose(talk, old)
    assert asked(talk, old.id) == []
    (new,) = launched(offers_of(talk, old))
    assert asked(talk, old.id) == [], "another is about to take it over"
    talk.run(new)
    talk.wait(30.0)
    assert asked(talk, old.id) == [old.id], "what has come to light since is another container"


def test_of_what_the_store_does_not_know_nothing_is_said_before_it_shows_who_leads() -> None:
    talk = up()
    talk.holds_saves = True
    assert asked(talk, TaskId("shop.web.0.999")) == []
    assert [each.tasks for each in talk.release() if isinstance(each, RemoveOrphans)] == [(TaskId("shop.web.0.999"),)]
