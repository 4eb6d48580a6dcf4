"""Many tasks of which the store and the master disagree are not ended without an approval."""

from __future__ import annotations

import pytest

from framework.core.commands import Accept, Command, Done, Reconcile, Refused, Reply
from framework.core.events import ApprovalGiven, Disconnected, StatusReceived, StopRequested
from framework.core.model import Mismatch, Status, Task
from framework.core.views import ApprovalRequest
from specs.ids import AgentId, TaskId
from specs.model.resources import Resources
from specs.states import TaskState
from tests.kit.conversation import Conversation, acknowledged, announced, group, killed, launched, outcome, stack


def unknown_ids(*numbers: int) -> list[TaskId]:
    return [TaskId(f"other.web.0.{number}") for number in numbers]


def meet(talk: Conversation, *numbers: int, state: TaskState = TaskState.RUNNING) -> list[Command]:
    """Mesos tells of tasks that are not in the store; what came of it within two seconds."""
    heard = [command for id in unknown_ids(*numbers) for command in talk.status(id, state)]
    return heard + talk.wait(2)


def unknown(task: Task) -> StatusReceived:
    """The status of a master that does not know the task."""
    status = Status(task_id=task.id, state=TaskState.UNKNOWN, agent_id=task.agent_id, reason="REASON_RECONCILIATION")
    return StatusReceived(status=status)


def requests(talk: Conversation) -> tuple[ApprovalRequest, ...]:
    return talk.scheduler.view(talk.now).approval_requests


def approve(talk: Conversation, mismatch: Mismatch, number: int) -> tuple[object, list[Command]]:
    heard = talk.say(ApprovalGiven(request_id=900, mismatch=mismatch, number=number))
    return outcome(heard, 900), heard


def another_leader(instances: int) -> Conversation:
    """A leader that takes over a group that runs, as the store tells it; not subscribed yet."""
    before = Conversation()
    before.up(group(instances=instances))
    return Conversation(shelf=before.shelf)


class TestUnknownTasks:
    def test_a_few_are_stopped_once_it_is_clear_that_they_are_few(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.wait(5)
        heard = [command for id in unknown_ids(*range(10)) for command in talk.status(id, TaskState.RUNNING)]
        assert sorted(acknowledged(heard)) == sorted(unknown_ids(*range(10)))
        assert killed(heard) == []
        heard = talk.wait(2)
        assert sorted(killed(heard)) == sorted(unknown_ids(*range(10)))
        assert announced(heard).count("UnknownTaskStopped") == 10
        assert requests(talk) == ()

    def test_of_many_none_is_stopped_and_it_is_said(self) -> None:
        talk = Conversation()
        talk.subscribe()
        heard = meet(talk, *range(11))
        assert killed(heard) == []
        assert announced(heard).count("ApprovalAsked") == 1
        (request,) = requests(talk)
        assert (request.mismatch, request.number) == (Mismatch.UNKNOWN_TASKS, 11)
        assert set(request.tasks) == set(unknown_ids(*range(11)))
        assert "not in the store" in talk.scheduler.view(talk.now).problem
        assert killed(talk.wait(3600)) == []

    def test_nothing_is_started_while_many_run_that_the_store_does_not_know(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group()))
        meet(talk, *range(11))
        assert launched(talk.offers()) == []
        (waiting,) = talk.scheduler.view(talk.now).stacks["shop"].groups[0].waiting
        assert "framework approve" in waiting.cause
        approve(talk, Mismatch.UNKNOWN_TASKS, 11)
        talk.wait(2)
        assert len(launched(talk.offers())) == 1

    def test_those_that_come_one_by_one_are_many_too(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.wait(5)
        stopped = []
        for number in range(12):
            stopped += killed(meet(talk, number))
            meet(talk, number, state=TaskState.KILLED)
        assert stopped == unknown_ids(*range(10))
        assert requests(talk) == (), "the last two have ended by themselves"
        talk.wait(600)
        assert killed(meet(talk, 20)) == unknown_ids(20), "each reconciliation counts from zero again"

    def test_none_is_stopped_before_the_reconciliation_is_answered(self) -> None:
        talk = another_leader(3)
        tasks = talk.tasks
        talk.subscribe()
        assert killed(meet(talk, 1)) == []
        talk.run(*tasks)
        assert killed(talk.wait(2)) == unknown_ids(1)

    def test_an_answer_that_does_not_come_is_waited_for_a_bounded_time(self) -> None:
        talk = another_leader(3)
        talk.subscribe()
        assert killed(meet(talk, 1)) == []
        assert killed(talk.wait(talk.scheduler.context.settings.answers_wait_seconds)) == unknown_ids(1)

    def test_what_was_decided_is_killed_without_waiting(self) -> None:
        before = Conversation()
        before.up(group(instances=2))
        before.say(StopRequested(request_id=1, pattern="shop"))
        talk = Conversation(shelf=before.shelf)
        assert sorted(killed(talk.subscribe())) == sorted(task.id for task in before.tasks)

    def test_approved_they_are_stopped_and_so_are_they_when_told_again(self) -> None:
        talk = Conversation()
        talk.subscribe()
        meet(talk, *range(30))
        said, heard = approve(talk, Mismatch.UNKNOWN_TASKS, 30)
        assert isinstance(said, Done) and len(said.changed) == 30
        assert sorted(killed(heard)) == sorted(unknown_ids(*range(30)))
        assert requests(talk) == ()
        talk.say(Disconnected(problem="away"))
        talk.subscribe()
        heard = meet(talk, *range(30))
        assert sorted(killed(heard)) == sorted(unknown_ids(*range(30))), "the kill was lost, the approval holds"
        assert requests(talk) == ()

    @pytest.mark.parametrize("number", [1, 11, 29])
    def test_an_approval_of_fewer_is_refused(self, number: int) -> None:
        talk = Conversation()
        talk.subscribe()
        meet(talk, *range(30))
        said, heard = approve(talk, Mismatch.UNKNOWN_TASKS, number)
        assert isinstance(said, Refused) and said.kind == "conflict" and "30 tasks by now" in said.message
        assert killed(heard) == []

    def test_nothing_asked_is_nothing_approved(self) -> None:
        talk = Conversation()
        talk.subscribe()
        for mismatch in Mismatch:
            said, _ = approve(talk, mismatch, 100)
            assert isinstance(said, Refused) and said.kind == "not_found"

    def test_those_that_have_ended_are_not_asked_about(self) -> None:
        talk = Conversation()
        talk.subscribe()
        meet(talk, *range(12))
        heard = meet(talk, 0, 1, 2, state=TaskState.FINISHED)
        assert sorted(killed(heard)) == sorted(unknown_ids(*range(3, 12)))
        assert requests(talk) == ()

    def test_another_master_is_asked_about_them_anew(self) -> None:
        talk = Conversation()
        talk.subscribe()
        meet(talk, *range(12))
        talk.say(Disconnected(problem="away"))
        talk.subscribe()
        talk.wait(5)
        assert requests(talk) == ()

    def test_reconciliation_asks_for_them_too(self) -> None:
        talk = Conversation()
        talk.subscribe()
        meet(talk, *range(12))
        asked = [id for command in talk.wait(600) if isinstance(command, Reconcile) for id, _ in command.tasks]
        assert set(asked) == set(unknown_ids(*range(12)))


def returning(groups: int) -> tuple[Conversation, list[Task]]:
    """A leader for which five tasks of each group are gone, and their replacements run; these tasks as they were."""
    talk = Conversation()
    small = Resources(cpus_milli=10, mem_mib=4)
    talk.up(*(group(f"shop/web{number}", instances=5, resources=small) for number in range(groups)))
    before = talk.tasks
    assert len(before) == groups * 5
    for task in before:
        talk.say(StatusReceived(status=Status(task_id=task.id, state=TaskState.GONE, agent_id=task.agent_id)))
    talk.wait(2)
    talk.run(*launched(talk.offers()))
    talk.say(Disconnected(problem="the master is put back to what it was an hour ago"))
    talk.subscribe()
    talk.run(*talk.tasks)
    return talk, before


class TestReturned:
    """Tasks that had ended for us are running after all."""

    def test_a_few_are_stopped_once_it_is_clear_that_they_are_few(self) -> None:
        talk, before = returning(groups=2)
        heard = talk.run(*before)
        assert set(acknowledged(heard)) == {task.id for task in before}
        assert killed(heard) == []
        heard = talk.wait(2)
        assert sorted(killed(heard)) == sorted(task.id for task in before)
        assert announced(heard).count("TaskReturned") == 10
        assert requests(talk) == ()
        assert killed(talk.status(before[0].id, TaskState.RUNNING)) == [before[0].id], "the kill was lost"
        talk.status(before[0].id, TaskState.KILLED)
        assert before[0].id not in talk.scheduler.context.unknown_tasks.unknown

    def test_of_many_none_is_stopped_and_it_is_said(self) -> None:
        talk, before = returning(groups=6)
        heard = talk.run(*before) + talk.wait(3600)
        assert killed(heard) == []
        (request,) = requests(talk)
        assert (request.mismatch, request.number) == (Mismatch.UNKNOWN_TASKS, 30)
        assert "not in the store, or had ended for it" in request.sentence and "--master" in request.sentence
        said, heard = approve(talk, Mismatch.UNKNOWN_TASKS, 30)
        assert isinstance(said, Done)
        assert sorted(killed(heard)) == sorted(task.id for task in before)
        assert requests(talk) == ()

    def test_they_are_counted_with_those_that_are_not_in_the_store(self) -> None:
        talk, before = returning(groups=2)
        talk.run(*before)
        assert killed(meet(talk, 1)) == []
        (request,) = requests(talk)
        assert request.number == 11


class TestMissing:
    def test_a_few_of_which_the_master_knows_nothing_are_replaced(self) -> None:
        talk = another_leader(10)
        talk.subscribe()
        lost, others = talk.tasks[:5], talk.tasks[5:]
        talk.say(*(unknown(task) for task in lost))
        talk.run(*others)
        talk.wait(4)
        heard = talk.offers()
        assert sorted(task.slot for task in launched(heard)) == [task.slot for task in lost]

    def test_of_many_none_is_given_up_and_nothing_is_started(self) -> None:
        talk = another_leader(20)
        before = talk.tasks
        talk.subscribe()
        heard = talk.say(*(unknown(task) for task in before)) + talk.wait(30) + talk.offers() + talk.wait(3600)
        assert not [command for command in heard if isinstance(command, Accept)]
        assert talk.tasks == before, "the store says what it said: the right master finds all in order"
        (request,) = requests(talk)
        assert (request.mismatch, request.number) == (Mismatch.MISSING, 20)
        talk.submit(stack(group("other/db"), name="other"))
        assert launched(talk.offers()) == []
        (waiting,) = talk.scheduler.view(talk.now).stacks["other"].groups[0].waiting
        assert "framework approve" in waiting.cause

    def test_the_right_master_finds_all_in_order(self) -> None:
        talk = another_leader(20)
        before = talk.tasks
        talk.subscribe()
        talk.say(*(unknown(task) for task in before))
        talk.wait(30)
        talk.say(Disconnected(problem="the operator names another"))
        talk.subscribe()
        heard = talk.run(*before) + talk.wait(30)
        assert requests(talk) == () and killed(heard) == []
        assert [task.id for task in talk.tasks] == [task.id for task in before]

    def test_approved_they_are_replaced(self) -> None:
        talk = another_leader(20)
        before = talk.tasks
        talk.subscribe()
        talk.say(*(unknown(task) for task in before))
        talk.wait(30)
        said, _ = approve(talk, Mismatch.MISSING, 19)
        assert isinstance(said, Refused)
        said, _ = approve(talk, Mismatch.MISSING, 20)
        assert isinstance(said, Done)
        assert requests(talk) == ()
        talk.wait(2)
        assert len(launched(talk.offers())) == 20

    def test_they_are_judged_when_the_answers_are_there_and_not_one_by_one(self) -> None:
        talk = another_leader(20)
        before = talk.tasks
        talk.subscribe()
        for task in before:
            talk.say(unknown(task))
            talk.wait(0.3)
        talk.wait(15)
        assert talk.tasks == before and requests(talk)[0].number == 20

    def test_what_shall_stop_may_be_unknown(self) -> None:
        before = Conversation()
        before.up(group(instances=20))
        before.say(StopRequested(request_id=1, pattern="shop"))
        talk = Conversation(shelf=before.shelf)
        talk.subscribe()
        talk.say(*(unknown(task) for task in talk.tasks))
        talk.wait(30)
        assert talk.tasks == [] and requests(talk) == ()

    def test_an_agent_that_says_it_has_them_not_is_accepted(self) -> None:
        """After a power cut all tasks are gone, and nobody is to be woken for that."""
        talk = another_leader(20)
        talk.subscribe()
        for task in talk.tasks:
            talk.say(
                StatusReceived(status=Status(task_id=task.id, state=TaskState.GONE, agent_id=AgentId(task.agent_id)))
            )
        assert talk.tasks == [] and requests(talk) == ()


def test_a_user_who_asks_is_not_asked() -> None:
    talk = Conversation()
    talk.up(group(instances=20))
    assert isinstance(talk.remove(), Done)
    assert len(talk.tasks) == 20
    assert all(isinstance(reply.outcome, Done) for reply in talk.heard if isinstance(reply, Reply))
    assert requests(talk) == ()
