"""A group stays spread over its agents, whatever fails and whichever offers are at hand."""

from __future__ import annotations

from framework.core.events import RestartAsked
from framework.core.explaining import explain
from framework.core.model import Task
from specs.ids import AgentId
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, group, launched


def agents_of(tasks: list[Task]) -> list[AgentId]:
    return [task.agent_id for task in tasks]


def fail(talk: Conversation, task: Task) -> None:
    """The task fails, and the next one of its slot runs."""
    talk.status(task, TaskState.FAILED, message="it was killed")
    talk.wait(2)
    talk.run(*launched(talk.offers()))


class TestFailures:
    def test_one_on_each_of_two_agents_leaves_the_group_on_two(self) -> None:
        talk = Conversation()
        talk.up(group(instances=2))
        for slot in (0, 1, 0, 1):
            fail(talk, talk.tasks[slot])
            assert len(set(agents_of(talk.tasks))) == 2

    def test_a_task_comes_first_to_where_the_group_is_fewest_and_then_to_where_it_did_not_fail(self) -> None:
        talk = Conversation()
        talk.up(group(instances=2))
        before = talk.tasks
        (free,) = {AgentId(f"agent-{number}") for number in (1, 2, 3)} - set(agents_of(before))
        fail(talk, before[0])
        assert talk.tasks[0].agent_id == free
        fail(talk, talk.tasks[0])
        assert talk.tasks[0].agent_id == before[0].agent_id

    def test_an_agent_where_it_fails_again_and_again_is_left_and_taken_again_at_a_restart(self) -> None:
        talk = Conversation()
        talk.up(group(instances=3))
        bad = talk.tasks[0].agent_id
        for _ in range(3):
            assert talk.tasks[0].agent_id == bad
            fail(talk, talk.tasks[0])
        assert len(set(agents_of(talk.tasks))) == 2
        talk.wait(1200)
        view = talk.scheduler.view(talk.now)
        told = explain(view, view.stacks["shop"].groups[0], 0)
        assert any("the group is not even" in sentence for sentence in told.sentences), told.sentences
        talk.say(RestartAsked(request_id=99, pattern="shop/web"))
        for _ in range(12):
            talk.wait(2)
            talk.run(*launched(talk.offers()))
            for task in talk.tasks:
                if task.goal is Goal.STOP:
                    talk.status(task, TaskState.KILLED)
        assert len(talk.tasks) == 3
        assert len(set(agents_of(talk.tasks))) == 3
