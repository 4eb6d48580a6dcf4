"""Agents that have lately failed a group: they are avoided, and that is forgotten with time."""

from __future__ import annotations

from framework.core.events import RestartRequested
from framework.core.model import Task
from framework.core.read.explain import explain
from specs.ids import AgentId
from specs.model.constraints import Rules
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, agent_view, agents_of, group, launched, stack
from tests.kit.racks import RACKS, in_racks


class TestFailures:
    def test_an_agent_that_fails_a_group_is_avoided_also_after_a_restart(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group()))
        (first,) = launched(talk.offers())
        talk.run(first)
        talk.status(first, TaskState.FAILED, message="exit code 1")
        number = int(first.hostname.removeprefix("agent"))
        assert agent_view(talk, number).penalties == {first.group: 20}
        again = Conversation(shelf=talk.shelf)
        again.subscribe()
        again.wait(3)
        (second,) = launched(again.offers())
        assert second.hostname != first.hostname

    def test_what_others_have_killed_is_no_failure(self) -> None:
        talk = in_racks(Rules(), 1)
        (task,) = talk.tasks
        talk.status(task, TaskState.KILLED, message="killed as asked")
        assert agent_view(talk, int(task.hostname.removeprefix("agent"))).penalties == {}
        talk.offers(*(talk.offer(number) for number in RACKS))
        assert [each.attempt for each in talk.tasks] == [2]

    def test_failures_are_forgotten_with_time_and_cost_at_least_a_point_before(self) -> None:
        talk = Conversation()
        talk.up(group())
        (task,) = talk.tasks
        number = int(task.hostname.removeprefix("agent"))
        talk.status(task, TaskState.FAILED)
        points = []
        for _ in range(4):
            talk.wait(600)
            talk.report(talk.agent(1), talk.agent(2), talk.agent(3))
            points.append(agent_view(talk, number).penalties.get(task.group, 0))
        assert points == [10, 5, 2, 0]

    def test_a_launch_that_nobody_answers_is_the_agents_failure(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group()))
        (task,) = launched(talk.offers())
        talk.wait(301)
        assert agent_view(talk, int(task.hostname.removeprefix("agent"))).penalties == {task.group: 20}


def fail(talk: Conversation, task: Task) -> None:
    """The task fails, and the next one of its slot runs."""
    talk.status(task, TaskState.FAILED, message="it was killed")
    talk.wait(2)
    talk.run(*launched(talk.offers()))


class TestEvenness:
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
        talk.say(RestartRequested(request_id=99, pattern="shop/web"))
        for _ in range(12):
            talk.wait(2)
            talk.run(*launched(talk.offers()))
            for task in talk.tasks:
                if task.goal is Goal.STOP:
                    talk.status(task, TaskState.KILLED)
        assert len(talk.tasks) == 3
        assert len(set(agents_of(talk.tasks))) == 3
