"""Tasks whose executor died are followed, where they ran, by tasks that take over their containers."""

from __future__ import annotations

import pytest

from framework.core.commands import Accept, Command, Done, Revive
from framework.core.events import CallFailed
from framework.core.launch.adoption import MOST_PREDECESSORS
from framework.core.model import Task
from placement.agent import AgentState
from placement.offer import Offer
from specs.ids import AgentId
from specs.model.constraints import Mode
from specs.model.stack import Container, Group, Port, Restart
from specs.states import TaskState
from tests.kit.conversation import Conversation, group, killed, launched, stack

LOST = {"reason": "REASON_EXECUTOR_TERMINATED", "source": "SOURCE_AGENT", "message": "Abnormal executor termination"}
WEB = Container(image="busybox:1", ports=(Port(name="http", container_port=8080),))


def web(**more: object) -> Group:
    return group(container=WEB, **more)  # type: ignore[arg-type]


def up(desired: Group, container: Container | None = None) -> Conversation:
    talk = Conversation()
    talk.up(desired)
    talk.offers()
    return talk


def lose(talk: Conversation, *tasks: Task) -> list[Command]:
    """The executor of these tasks dies."""
    heard: list[Command] = []
    for task in tasks:
        heard += talk.status(task, TaskState.FAILED, **LOST)
    return heard + talk.wait(0.1)


def number_of(task: Task) -> int:
    return int(task.agent_id.removeprefix("agent-"))


def of(talk: Conversation, task: Task) -> Offer:
    return talk.offer(number_of(task))


def other_than(talk: Conversation, task: Task) -> list[Offer]:
    return [talk.offer(number) for number in (1, 2, 3) if number != number_of(task)]


def test_it_goes_back_to_its_agent_and_ports_at_once_and_no_failure_is_counted() -> None:
    talk = up(web())
    (old,) = talk.tasks
    heard = lose(talk, old)
    assert Revive() in heard
    assert launched(talk.offers(*other_than(talk, old))) == []
    (new,) = launched(talk.offers(of(talk, old)))
    assert (new.agent_id, new.host_ports, new.slot) == (old.agent_id, old.host_ports, old.slot)
    assert (new.predecessors, new.adopts, new.attempt) == ((old.id,), True, 2)
    state = talk.scheduler.context.state
    assert not state.agent_failures and not state.backoffs


def test_all_tasks_of_an_agent_go_back_with_one_accept() -> None:
    talk = up(web(instances=10))
    lost = [task for task in talk.tasks if task.agent_id == AgentId("agent-1")]
    assert len(lost) > 1
    lose(talk, *lost)
    heard = talk.offers()
    (accept,) = [command for command in heard if isinstance(command, Accept)]
    back = [launch.task for launch in accept.launches]
    assert {(task.slot, task.host_ports, task.predecessors) for task in back} == {
        (task.slot, task.host_ports, (task.id,)) for task in lost
    }
    talk.run(*back)
    assert len(talk.tasks) == 10


def test_it_has_run_since_the_container_began() -> None:
    talk = up(web())
    (old,) = talk.tasks
    lose(talk, old)
    (new,) = launched(talk.offers(of(talk, old)))
    talk.wait(5)
    talk.status(new, TaskState.RUNNING, running_since=old.running_since)
    (task,) = talk.tasks
    assert task.running_since == old.running_since


def test_it_does_not_wait_for_ever_for_its_agent() -> None:
    talk = up(web())
    (old,) = talk.tasks
    lose(talk, old)
    talk.wait(talk.scheduler.context.settings.adoption_seconds)
    talk.wait(2)
    (new,) = launched(talk.offers(*other_than(talk, old)))
    assert new.agent_id != old.agent_id
    assert (new.predecessors, new.adopts) == ((), False)


def test_it_does_not_wait_for_an_agent_that_is_gone_or_drains() -> None:
    for told in ((), (AgentState.DRAINING,)):
        talk = up(web())
        (old,) = talk.tasks
        others = [talk.agent(number) for number in (1, 2, 3) if number != number_of(old)]
        lose(talk, old)
        talk.report(*others, *(talk.agent(number_of(old), state=state) for state in told))
        assert launched(talk.offers(*other_than(talk, old)))


def test_it_waits_for_its_very_ports() -> None:
    talk = up(web())
    (old,) = talk.tasks
    lose(talk, old)
    first = old.host_ports[0] + 1
    assert launched(talk.offers(talk.offer(number_of(old), ports=(first, first + 10)))) == []
    assert launched(talk.offers(of(talk, old)))


def test_another_version_has_the_old_container_removed() -> None:
    talk = up(web())
    (old,) = talk.tasks
    lose(talk, old)
    newer = group(container=Container(image="busybox:2", ports=WEB.ports))
    assert isinstance(talk.submit(stack(newer)), Done)
    (new,) = launched(talk.offers(of(talk, old)))
    assert new.version != old.version
    assert (new.predecessors, new.adopts) == ((old.id,), False)


def test_an_executor_that_has_not_come_back_to_its_agent_is_followed_as_one_that_died() -> None:
    """Mesos tells of its tasks in another state: their agent is there, and does not have them any more."""
    talk = up(web())
    (old,) = talk.tasks
    talk.status(old, TaskState.GONE, reason="REASON_EXECUTOR_REREGISTRATION_TIMEOUT", source="SOURCE_AGENT")
    assert launched(talk.offers(*other_than(talk, old))) == []
    (new,) = launched(talk.offers(of(talk, old)))
    assert (new.predecessors, new.adopts, new.host_ports) == ((old.id,), True, old.host_ports)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (TaskState.FAILED, ""),
        (TaskState.FAILED, "REASON_CONTAINER_LAUNCH_FAILED"),
        (TaskState.KILLED, "REASON_EXECUTOR_TERMINATED"),
        (TaskState.FINISHED, ""),
    ],
)
def test_whose_end_was_its_own_is_followed_as_ever(state: TaskState, reason: str) -> None:
    talk = up(web())
    (old,) = talk.tasks
    talk.status(old, state, reason=reason)
    talk.wait(2)
    (new,) = launched(talk.offers(of(talk, old)))
    assert (new.predecessors, new.adopts) == ((), False)


def test_an_adoption_that_was_lost_with_the_fetch_of_the_executor_is_tried_again() -> None:
    talk = up(web())
    (old,) = talk.tasks
    lose(talk, old)
    (second,) = launched(talk.offers(of(talk, old)))
    talk.status(second, TaskState.FAILED, reason="REASON_CONTAINER_LAUNCH_FAILED")
    (third,) = launched(talk.offers(of(talk, old)))
    assert (third.predecessors, third.adopts) == ((second.id, old.id), True)


def test_a_plain_process_has_ended_with_its_executor() -> None:
    talk = up(group(container=Container(command=("sleep", "9"))))
    (old,) = talk.tasks
    lose(talk, old)
    assert talk.scheduler.context.state.backoffs


def test_a_job_whose_container_runs_on_has_not_finished() -> None:
    talk = up(web(restart=Restart.NEVER))
    (old,) = talk.tasks
    lose(talk, old)
    (new,) = launched(talk.offers(of(talk, old)))
    assert new.adopts
    talk.run(new)
    talk.status(new, TaskState.FINISHED)
    talk.wait(2)
    assert launched(talk.offers()) == []


def test_a_launch_that_did_not_arrive_leaves_it_to_be_adopted() -> None:
    talk = up(web())
    (old,) = talk.tasks
    lose(talk, old)
    heard = talk.offers(of(talk, old))
    (accept,) = [command for command in heard if isinstance(command, Accept)]
    (second,) = launched(heard)
    talk.say(CallFailed(call=accept, problem="no master"))
    (third,) = launched(talk.offers(of(talk, old)))
    assert (third.predecessors, third.adopts) == ((second.id, old.id), True)
    talk.status(third, TaskState.DROPPED)
    (fourth,) = launched(talk.offers(of(talk, old)))
    assert (fourth.predecessors, fourth.adopts) == ((third.id, second.id, old.id), True)


def test_an_executor_that_dies_again_and_again_is_a_failure() -> None:
    talk = up(web())
    (task,) = talk.tasks
    for _ in range(MOST_PREDECESSORS):
        lose(talk, task)
        assert not talk.scheduler.context.state.backoffs
        (task,) = launched(talk.offers(of(talk, task)))
        talk.run(task)
    lose(talk, task)
    assert talk.scheduler.context.state.backoffs
    talk.wait(2)
    (task,) = launched(talk.offers(of(talk, task)))
    assert not task.adopts
    assert len(task.predecessors) <= MOST_PREDECESSORS + 1


def test_one_that_has_lasted_begins_anew() -> None:
    talk = up(web())
    (old,) = talk.tasks
    lose(talk, old)
    (second,) = launched(talk.offers(of(talk, old)))
    talk.run(second)
    talk.wait(120)
    lose(talk, second)
    (third,) = launched(talk.offers(of(talk, old)))
    assert third.predecessors == (second.id,)


def test_a_crash_of_the_scheduler_too_forgets_none() -> None:
    talk = up(web(instances=10))
    before = talk.tasks
    lost = [task for task in before if task.agent_id == AgentId("agent-2")]
    lose(talk, *lost)
    next_one = Conversation(shelf=talk.shelf)
    next_one.now = talk.now + 1
    next_one.subscribe()
    back = launched(next_one.offers())
    assert {(task.slot, task.predecessors, task.adopts, task.host_ports) for task in back} == {
        (task.slot, (task.id,), True, task.host_ports) for task in lost
    }


def test_a_crash_between_intent_and_accept_forgets_none() -> None:
    talk = up(web())
    (old,) = talk.tasks
    lose(talk, old)
    talk.offers(of(talk, old))
    next_one = Conversation(shelf=talk.shelf)
    next_one.now = talk.now + 1
    next_one.subscribe()
    (intent,) = next_one.tasks
    next_one.status(intent, TaskState.DROPPED)
    (third,) = launched(next_one.offers(of(next_one, old)))
    assert (third.predecessors, third.adopts) == ((intent.id, old.id), True)


def test_many_orphans_are_all_kept_in_mind() -> None:
    """More of them than ended tasks are kept otherwise."""
    talk = Conversation()
    talk.subscribe(talk.agent(1))
    talk.submit(stack(web(instances=8)))
    talk.offers(talk.offer(1, cpus=16))
    talk.run(*talk.tasks)
    lose(talk, *talk.tasks)
    back = launched(talk.offers(talk.offer(1, cpus=16)))
    assert len(back) == 8
    assert all(task.adopts for task in back)


def test_one_on_every_agent_goes_back_too() -> None:
    talk = up(group(container=WEB, mode=Mode.GLOBAL))
    old = next(task for task in talk.tasks if task.agent_id == AgentId("agent-2"))
    lose(talk, old)
    (new,) = launched(talk.offers())
    assert (new.agent_id, new.adopts) == (old.agent_id, True)


def test_what_is_not_desired_any_more_does_not_come_back() -> None:
    talk = up(web())
    (old,) = talk.tasks
    lose(talk, old)
    talk.remove()
    assert [task for task in launched(talk.offers()) if not task.sweeps] == []
    assert killed(talk.heard) == []
