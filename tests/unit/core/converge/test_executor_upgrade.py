"""Tasks move from older executors to the current one, agent by agent."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Command, Done, Outcome, Refused, Retire
from framework.core.converge.executor_upgrade import AGENT_SECONDS, RESEND_SECONDS
from framework.core.events import ExecutorUpgradeRequested
from framework.core.model import Task
from specs.ids import ExecutorId
from specs.model.constraints import Constraint, Rules
from specs.model.operators import Operator
from specs.model.stack import Container
from specs.states import TaskState
from tests.kit.conversation import SETTINGS, Conversation, group, launched, outcome, stack

OLD, NEW = ExecutorId("framework-executor-old@10.0.0.1~80"), ExecutorId("framework-executor-new@10.0.0.2~80")
UNIQUE = Rules(constraints=(Constraint(operator=Operator.UNIQUE, field="hostname"),))
PROCESS = Container(command=("sleep", "9"))


def renewed(*, instances: int = 2, container: Container | None = None) -> Conversation:
    """A scheduler of a newer version than the one whose executors run the tasks, one on each agent."""
    before = Conversation(settings=replace(SETTINGS, executor_id=OLD))
    before.subscribe()
    before.submit(stack(group(instances=instances, rules=UNIQUE, container=container)))
    for task in launched(before.offers()):
        before.status(task, TaskState.STARTING, sandbox="/s")
        before.status(task, TaskState.RUNNING, sandbox="/s")
    talk = Conversation(settings=replace(SETTINGS, executor_id=NEW), shelf=before.shelf)
    talk.subscribe()
    return talk


def ask(talk: Conversation, pattern: str = "*", *, has_processes: bool = False) -> tuple[Outcome, list[Command]]:
    heard = talk.say(ExecutorUpgradeRequested(request_id=77, pattern=pattern, has_processes=has_processes))
    return outcome(heard, 77), heard


def retirements(heard: list[Command]) -> list[Retire]:
    return [command for command in heard if isinstance(command, Retire)]


def leave(talk: Conversation, task: Task) -> Task:
    """The executor of the task leaves; its slot is launched again where it was."""
    talk.status(task, TaskState.FAILED, reason="REASON_EXECUTOR_TERMINATED")
    number = int(task.agent_id.removeprefix("agent-"))
    (new,) = launched(talk.offers(talk.offer(number)))
    return new


def in_order(talk: Conversation) -> list[Task]:
    return sorted((task for task in talk.tasks if task.executor_id == OLD), key=lambda task: task.hostname)


def test_one_agent_after_the_other_and_every_task_is_adopted() -> None:
    talk = renewed()
    first, second = in_order(talk)
    answer, heard = ask(talk)
    assert answer == Done(changed=(first.hostname, second.hostname), message="rolling, one agent after the other")
    assert retirements(heard) == [Retire(agent_id=first.agent_id, executor_id=OLD)]
    new = leave(talk, first)
    assert (new.executor_id, new.agent_id, new.adopts) == (NEW, first.agent_id, True)
    assert retirements(talk.heard) == retirements(heard), "the next waits until this one runs again"
    heard = talk.run(new)
    assert retirements(heard) == [Retire(agent_id=second.agent_id, executor_id=OLD)]
    assert talk.scheduler.view(talk.now).upgrading_agent == second.hostname
    talk.run(leave(talk, second))
    view = talk.scheduler.view(talk.now)
    assert (view.is_upgrading_executors, view.upgrading_agent, view.executor_upgrade_problem) == (False, "", "")
    assert {task.executor_id for task in talk.tasks} == {NEW}
    assert not talk.scheduler.context.state.backoffs and not talk.scheduler.context.state.agent_failures


def test_without_a_roll_older_executors_are_left_alone() -> None:
    talk = renewed()
    talk.wait(AGENT_SECONDS)
    assert retirements(talk.heard) == []


def test_only_agents_that_match() -> None:
    talk = renewed(instances=3)
    _, second, _ = in_order(talk)
    answer, heard = ask(talk, second.hostname)
    assert isinstance(answer, Done) and answer.changed == (second.hostname,)
    talk.run(leave(talk, second))
    assert retirements(talk.heard) == retirements(heard) == [Retire(agent_id=second.agent_id, executor_id=OLD)]


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    answer, _ = ask(renewed(), "rack7-*")
    assert isinstance(answer, Refused) and answer.kind == "not_found"


def test_where_all_are_current_nothing_is_rolled() -> None:
    talk = Conversation()
    talk.up(group())
    answer, heard = ask(talk)
    assert answer == Done(message="no executor is to be rolled")
    assert retirements(heard) == []


def test_agents_with_processes_are_left_out_unless_asked_for() -> None:
    talk = renewed(container=PROCESS, instances=1)
    (task,) = in_order(talk)
    answer, heard = ask(talk)
    assert isinstance(answer, Done)
    assert answer.message.endswith(f"as processes there would be restarted (--processes): {task.hostname}")
    assert retirements(heard) == []
    _, heard = ask(talk, has_processes=True)
    assert retirements(heard) == [Retire(agent_id=task.agent_id, executor_id=OLD)]
    talk.status(task, TaskState.KILLED, sandbox="/s")
    (new,) = launched(talk.offers())
    talk.run(new)
    assert not talk.scheduler.view(talk.now).is_upgrading_executors
    assert not talk.scheduler.context.state.backoffs


def test_a_message_that_was_lost_is_sent_again() -> None:
    talk = renewed()
    ask(talk)
    assert len(retirements(talk.wait(RESEND_SECONDS))) == 1


def test_an_executor_that_does_not_leave_stops_the_roll() -> None:
    talk = renewed()
    first, _ = in_order(talk)
    ask(talk)
    talk.wait(AGENT_SECONDS)
    view = talk.scheduler.view(talk.now)
    assert not view.is_upgrading_executors
    assert view.executor_upgrade_problem == (
        f"the roll stopped at {first.hostname}: after 120 s its older executor has not left: it may be of a version"
        " that cannot; agents that are left as they are: 1"
    )
    answer, _ = ask(talk)
    assert isinstance(answer, Done) and talk.scheduler.view(talk.now).executor_upgrade_problem == ""


def test_tasks_that_do_not_run_again_stop_the_roll() -> None:
    talk = renewed()
    first, second = in_order(talk)
    ask(talk)
    talk.status(first, TaskState.FAILED, reason="REASON_EXECUTOR_TERMINATED")
    talk.wait(AGENT_SECONDS)
    assert "tasks do not run again: 1 of 1, as slot" in talk.scheduler.view(talk.now).executor_upgrade_problem
    assert Retire(agent_id=second.agent_id, executor_id=OLD) not in retirements(talk.heard)


def test_a_group_that_is_taken_away_meanwhile_is_not_waited_for() -> None:
    talk = renewed(instances=1)
    (task,) = in_order(talk)
    ask(talk)
    talk.remove()
    talk.status(task, TaskState.KILLED)
    assert not talk.scheduler.view(talk.now).is_upgrading_executors
    assert talk.scheduler.view(talk.now).executor_upgrade_problem == ""


def test_one_roll_at_a_time() -> None:
    talk = renewed()
    ask(talk)
    answer, _ = ask(talk)
    assert isinstance(answer, Refused) and answer.kind == "conflict"
    assert answer.message.startswith("a roll is under way already, at agent")


def test_before_the_scheduler_is_subscribed_it_is_refused() -> None:
    before = renewed()
    talk = Conversation(settings=replace(SETTINGS, executor_id=NEW), shelf=before.shelf)
    answer, _ = ask(talk)
    assert isinstance(answer, Refused) and answer.kind == "unavailable"
