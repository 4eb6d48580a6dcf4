"""A group stays spread over its agents, whatever fails and whichever offers are at hand."""

from __future__ import annotations

import pytest

from framework.core.commands import Command, Done, Revive
from framework.core.model import Task
from framework.core.state.delay_scheduling import ANSWER_SECONDS, OFFER_WAIT_SECONDS
from specs.model.constraints import Constraint, Mode, Preference, Rules
from specs.model.operators import Operator
from specs.model.resources import PortRanges, Resources
from specs.states import TaskState
from tests.kit.conversation import SETTINGS, Conversation, agents_of, group, launched, stack

HUGE = Resources(cpus_milli=64_000, mem_mib=64)
"""More than any agent has: a group of it waits for room, so that offers are held."""
FREE = Resources(cpus_milli=4_000, mem_mib=4_096, ports=PortRanges.of([(31_000, 31_999)]))


def busy(*, told: bool = True) -> Conversation:
    """Three agents with as much room each, and a group that waits for more than they have; only agent 1's offer is at
    hand, as after a task there has ended, and the others were declined for an hour."""
    talk = Conversation()
    talk.subscribe(*(talk.agent(number, total=FREE, free=FREE if told else None) for number in (1, 2, 3)))
    talk.submit(stack(group("big/one", resources=HUGE), name="big"))
    if told:
        talk.wait(10)
    else:
        talk.offers()
        talk.wait(10)
    assert launched(talk.offers(talk.offer(1))) == []
    talk.wait(1)
    talk.heard.clear()
    return talk


def three(talk: Conversation) -> list[Command]:
    outcome = talk.submit(stack(group(instances=3)))
    assert isinstance(outcome, Done)
    return talk.wait(0.15)


def web(talk: Conversation) -> list[Task]:
    return [task for task in talk.tasks if task.group.stack == "shop"]


class TestBetterOffers:
    @pytest.mark.parametrize("told", [True, False], ids=["told by the master", "known from offers"])
    def test_a_group_waits_for_the_offers_of_agents_on_which_it_is_spread(self, told: bool) -> None:
        talk = busy(told=told)
        heard = three(talk)
        assert launched(heard) == []
        assert heard.count(Revive()) == 1
        view = talk.scheduler.view(talk.now)
        (waits,) = {each.cause for each in view.stacks["shop"].groups[0].waiting}
        assert waits == "waits a moment for offers of agent2, agent3, which suit it better than those at hand"
        placed = launched(talk.offers(talk.offer(2), talk.offer(3)))
        assert sorted(agents_of(placed)) == ["agent-1", "agent-2", "agent-3"]
        (story,) = (
            entry.text for entry in talk.scheduler.context.stories.of(placed[0].id) if entry.kind == "TaskPlaced"
        )
        assert "it waited 0.1" in story and story.endswith("s for better offers than those that were at hand")

    def test_it_does_not_wait_for_more_than_a_second_nor_twice(self) -> None:
        talk = busy()
        three(talk)
        heard = talk.wait(OFFER_WAIT_SECONDS)
        assert agents_of(launched(heard)) == ["agent-1"] * 3
        assert heard.count(Revive()) == 2, "in case the first was answered before what we gave back there was free"
        (story,) = {
            entry.text.partition("; ")[2].partition("; ")[2]
            for task in web(talk)
            for entry in talk.scheduler.context.stories.of(task.id)
            if entry.kind == "TaskPlaced"
        }
        assert story == "offers of agent2, agent3 would have suited it better, and did not come within 0.8 s"

    def test_it_asks_again_for_what_was_not_free_when_mesos_answered(self) -> None:
        """As where our own Accept on that agent waited to be stored, and came after the question."""
        talk = busy()
        three(talk)
        assert talk.wait(ANSWER_SECONDS).count(Revive()) == 1
        placed = launched(talk.offers(talk.offer(2), talk.offer(3)))
        assert sorted(agents_of(placed)) == ["agent-1", "agent-2", "agent-3"]

    def test_agents_that_did_not_answer_are_not_waited_for_until_they_are_offered(self) -> None:
        talk = busy()
        three(talk)
        talk.wait(OFFER_WAIT_SECONDS)
        talk.remove("shop")
        for task in web(talk):
            talk.status(task, TaskState.KILLED)
        talk.wait(1)
        talk.offers(talk.offer(1))
        talk.heard.clear()
        assert agents_of(launched(three(talk))) == ["agent-1"] * 3
        talk.offers(talk.offer(2))
        talk.wait(6)
        talk.remove("shop")
        for task in web(talk):
            talk.status(task, TaskState.KILLED)
        talk.wait(1)
        talk.offers(talk.offer(1))
        assert launched(three(talk)) == [], "agent 2 was offered since, and may be again"

    def test_nobody_waits_for_a_little_more_room(self) -> None:
        talk = busy()
        talk.offers(talk.offer(1, cpus=3.5))
        assert isinstance(talk.submit(stack(group(instances=1))), Done)
        assert len(launched(talk.wait(0.1))) == 1

    def test_but_for_much_more(self) -> None:
        talk = Conversation()
        talk.subscribe(*(talk.agent(number, total=FREE, free=FREE) for number in (1, 2, 3)))
        talk.submit(stack(group("big/one", resources=HUGE), name="big"))
        talk.wait(10)
        talk.offers(talk.offer(1, cpus=1))
        talk.submit(stack(group(instances=1)))
        assert launched(talk.wait(0.15)) == []
        (task,) = launched(talk.offers(talk.offer(2), talk.offer(3)))
        assert task.agent_id != "agent-1"

    def test_for_what_it_prefers(self) -> None:
        talk = busy()
        here = Preference(rule=Constraint(operator=Operator.IS, field="hostname", values=("agent3",)))
        talk.submit(stack(group(rules=Rules(prefer=(here,)))))
        assert launched(talk.wait(0.15)) == []
        assert agents_of(launched(talk.offers(talk.offer(3)))) == ["agent-3"]

    def test_offers_at_hand_are_kept_for_those_who_wait_for_better_ones(self) -> None:
        talk = busy()
        talk.wait(SETTINGS.offer_hold_seconds - 1.3)
        three(talk)
        assert agents_of(launched(talk.wait(OFFER_WAIT_SECONDS))) == ["agent-1"] * 3

    def test_where_none_is_at_hand_the_answer_to_the_first_question_is_waited_for(self) -> None:
        """And no longer than for that: an agent that others use up makes no offer."""
        talk = Conversation()
        talk.subscribe(*(talk.agent(number, total=FREE, free=FREE) for number in (1, 2, 3)))
        talk.submit(stack(group(instances=3)))
        talk.wait(0.3)
        assert launched(talk.offers(talk.offer(1))) == []
        assert agents_of(launched(talk.wait(0.5))) == ["agent-1"] * 3

    def test_in_an_idle_cluster_nobody_waits(self) -> None:
        talk = Conversation()
        talk.subscribe(*(talk.agent(number, total=FREE, free=FREE) for number in (1, 2, 3)))
        talk.submit(stack(group(instances=3)))
        assert sorted(agents_of(launched(talk.offers()))) == ["agent-1", "agent-2", "agent-3"]

    def test_one_agent_with_room_alone_is_not_looked_past(self) -> None:
        """The others are full, as the master says."""
        talk = Conversation()
        full = Resources(cpus_milli=100, mem_mib=16)
        talk.subscribe(talk.agent(1, total=FREE, free=FREE), *(talk.agent(n, total=FREE, free=full) for n in (2, 3)))
        talk.submit(stack(group(instances=3)))
        assert agents_of(launched(talk.offers(talk.offer(1)))) == ["agent-1"] * 3

    def test_slots_that_belong_to_their_agents_do_not_wait_for_others(self) -> None:
        talk = busy()
        talk.submit(stack(group(mode=Mode.GLOBAL)))
        assert agents_of(launched(talk.wait(0.15))) == ["agent-1"]
