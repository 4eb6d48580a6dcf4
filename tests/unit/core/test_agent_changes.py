"""Agents that come, go, change or drain."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import AnswerInverse, Decline, DeleteAgent, Retire, Revive, Save
from framework.core.events import AgentsReported, InverseOffersReceived, OffersReceived, StackRemoved, Subscribed
from placement.agent import AgentState
from specs.ids import AgentId, OfferId
from specs.model.constraints import Constraint, Rules
from specs.model.operators import Operator
from specs.model.resources import Resources
from specs.states import TaskState
from tests.kit.conversation import FRAMEWORK, SETTINGS, Conversation, agent_view, cause, group, launched, stack
from tests.kit.rollouts import ALL, PROMPT, playing


class TestDraining:
    def test_agents_whose_maintenance_begins_soon_are_left_with_the_replacement_first(self) -> None:
        play = playing(3, replace(PROMPT, parallelism=ALL))
        talk = play.talk
        kept = [task.id for task in talk.tasks if task.agent_id != "agent-2"]
        window = (talk.now + 300, talk.now + 4000)
        talk.report(talk.agent(1), talk.agent(2, window=window), talk.agent(3))
        play.offered = 3
        play.on(30, *talk.heard)
        assert all(task.agent_id != "agent-2" for task in talk.tasks), play.facts()
        assert set(kept) <= {task.id for task in talk.tasks} and len(talk.tasks) == 3
        assert (play.least, play.most) == (3, 4)
        assert play.rollout is None, "nobody has changed anything"

    def test_an_executor_that_is_left_on_a_draining_agent_is_told_to_end(self) -> None:
        play = playing(3)
        talk = play.talk
        task = next(task for task in talk.tasks if task.agent_id == "agent-2")
        heard = talk.report(talk.agent(1), talk.agent(2, state=AgentState.DRAINING), talk.agent(3))
        assert not [each for each in heard if isinstance(each, Retire)], "it has a task"
        heard = talk.status(task, TaskState.KILLED)
        assert [each for each in heard if isinstance(each, Retire)] == [
            Retire(agent_id=task.agent_id, executor_id=task.executor_id)
        ]

    def test_mesos_is_told_when_a_maintained_agent_is_left(self) -> None:
        play = playing(3)
        talk = play.talk
        asked = InverseOffersReceived(offers=((OfferId("i1"), AgentId("agent-1")), (OfferId("i2"), AgentId("agent-9"))))
        answers = [each for each in talk.say(asked) if isinstance(each, AnswerInverse)]
        assert [(each.offer_ids, each.has_left) for each in answers] == [(("i1",), False), (("i2",), True)]

    def test_what_mesos_ends_where_it_drains_is_followed_at_once(self) -> None:
        play = playing(3)
        talk = play.talk
        task = next(task for task in talk.tasks if task.agent_id == "agent-2")
        play.stubborn = True
        play.offered = 1  # the master offers nothing of an agent that drains, and has not told us of it yet
        play.on(10, *talk.status(task, TaskState.KILLING, reason="REASON_AGENT_DRAINING"))
        assert sum(each.is_ready for each in talk.tasks) == 3, "before the old one has ended"
        play.on(5, *talk.status(task, TaskState.KILLED))
        assert len(talk.tasks) == 3 and all(each.agent_id != "agent-2" for each in talk.tasks)


class TestAgents:
    def test_offers_are_held_until_the_agents_are_known(self) -> None:
        talk = Conversation()
        talk.attributes = {1: {"rack": "a"}, 2: {"rack": "b"}}
        talk.say(Subscribed(framework_id=FRAMEWORK, master="m:5050"))
        talk.submit(stack(group()))
        assert launched(talk.offers(talk.offer(1))) == []
        assert cause(talk) == "waits for the master's agent list"
        assert not [command for command in talk.heard if isinstance(command, Decline)]
        talk.say(AgentsReported(problem="the master refused: 403"))
        assert len(launched(talk.wait(0.1))) == 1
        assert talk.scheduler.view(talk.now).agents_problem == "the master refused: 403"

    def test_but_not_for_longer_than_is_set(self) -> None:
        talk = Conversation()
        talk.say(Subscribed(framework_id=FRAMEWORK, master="m:5050"))
        talk.submit(stack(group()))
        assert launched(talk.offers(talk.offer(1))) == []
        assert len(launched(talk.wait(SETTINGS.agents_wait_seconds + 0.1))) == 1

    def test_maintenance_is_avoided_from_a_while_before_it_begins_until_it_ends(self) -> None:
        talk = Conversation()
        begin = talk.now + 1000
        window = (begin, begin + 500)
        talk.subscribe(talk.agent(1, window=window))
        assert agent_view(talk, 1).unavailable == ""
        talk.wait(401)
        assert agent_view(talk, 1).unavailable == "has maintenance from 1970-01-12 14:03:20Z on"
        talk.submit(stack(group()))
        assert launched(talk.offers(talk.offer(1, window=window))) == []
        assert "has maintenance" in cause(talk)
        talk.wait(600)
        assert agent_view(talk, 1).unavailable == "is in maintenance until 1970-01-12 14:11:40Z"
        assert Revive() in talk.wait(500)
        assert len(launched(talk.offers(talk.offer(1)))) == 1

    def test_remote_regions_are_only_for_those_that_ask(self) -> None:
        talk = Conversation()
        talk.subscribe(talk.agent(1, region="far"), region="here")
        talk.submit(stack(group()))
        assert launched(talk.offers(talk.offer(1, region="far"))) == []
        assert talk.scheduler.view(talk.now).region == "here"
        rules = Rules(constraints=(Constraint(operator=Operator.EQUAL, field="@region", values=("far",)),))
        talk.submit(stack(group(rules=rules)))
        assert len(launched(talk.wait(0.1))) == 1, "on the offer that is still held"

    def test_an_agent_is_forgotten_when_nothing_is_left_of_it(self) -> None:
        talk = Conversation(settings=replace(SETTINGS, history_per_group=0))
        talk.subscribe(talk.agent(1))
        talk.submit(stack(group()))
        talk.run(*launched(talk.offers(talk.offer(1))))
        talk.report(talk.agent(2))
        assert list(talk.shelf.agents) == ["agent-1"], "its task is not known to be lost"
        assert agent_view(talk, 1).unavailable == "is not registered with the master"
        talk.status(talk.tasks[0], TaskState.LOST)
        talk.report(talk.agent(2))
        assert list(talk.shelf.agents) == ["agent-1"], "it has failed the group lately"
        talk.remove()
        assert list(talk.shelf.agents) == ["agent-1"]
        talk.wait(10_000)
        heard = talk.report(talk.agent(2))
        assert [w for c in heard if isinstance(c, Save) for w in c.writes] == [DeleteAgent(id=AgentId("agent-1"))]
        assert talk.shelf.agents == {}
        assert list(talk.scheduler.view(talk.now).agents) == ["agent-2"]

    def test_an_agent_that_an_offer_spoke_of_first_outlives_a_report_that_is_older(self) -> None:
        talk = Conversation()
        talk.subscribe(talk.agent(1))
        talk.say(OffersReceived(offers=(talk.offer(2),)))
        talk.report(talk.agent(1))
        assert list(talk.scheduler.view(talk.now).agents) == ["agent-1", "agent-2"]
        talk.report(talk.agent(1))
        assert list(talk.scheduler.view(talk.now).agents) == ["agent-1"]

    def test_a_report_that_failed_changes_nothing(self) -> None:
        talk = Conversation()
        talk.subscribe()
        before = talk.scheduler.view(talk.now).agents
        talk.say(AgentsReported(problem="no answer within 5 s"))
        assert talk.scheduler.view(talk.now).agents is before, "nothing is copied where nothing changed"

    def test_changed_attributes_are_stored_for_agents_with_tasks(self) -> None:
        talk = Conversation()
        talk.up(group())
        number = int(talk.tasks[0].hostname.removeprefix("agent"))
        talk.attributes = {number: {"rack": "new"}}
        talk.report(talk.agent(1), talk.agent(2), talk.agent(3))
        assert talk.shelf.agents[talk.tasks[0].agent_id].attributes == (("rack", "new"),)

    def test_an_older_store_that_knows_no_agents_is_completed_at_the_start(self) -> None:
        talk = Conversation()
        talk.up(group())
        talk.shelf.agents.clear()
        Conversation(shelf=talk.shelf)
        (agent,) = talk.shelf.agents.values()
        assert agent.hostname == talk.tasks[0].hostname

    def test_what_launches_take_is_not_shown_as_free_until_the_master_tells_again(self) -> None:
        talk = Conversation()
        four = Resources(cpus_milli=4000, mem_mib=4096)
        one = replace(talk.agent(1), total=four, free=four)
        talk.subscribe(one)
        talk.submit(stack(group(instances=2, resources=Resources(cpus_milli=500, mem_mib=64))))
        talk.offers(talk.offer(1))
        free = agent_view(talk, 1).agent.free
        assert free is not None and (free.cpus_milli, free.mem_mib) == (4000 - 2 * 500 - 100, 4096 - 2 * 64 - 32)
        talk.say(AgentsReported(agents=(one,)))
        assert agent_view(talk, 1).agent.free == four

    def test_offers_are_seen_with_their_agent(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group(resources=Resources(cpus_milli=16000, mem_mib=64))))
        talk.offers(talk.offer(1, cpus=2), talk.offer(1, cpus=1))
        offered = agent_view(talk, 1).offered
        assert offered is not None and offered.cpus_milli == 3000
        talk.wait(10)
        assert agent_view(talk, 1).offered is None

    def test_a_stack_that_is_removed_takes_its_failures_with_it_in_time(self) -> None:
        talk = Conversation()
        talk.up(group())
        talk.status(talk.tasks[0], TaskState.FAILED)
        talk.say(StackRemoved(request_id=5, name="shop"))
        talk.wait(10_000)
        talk.report(talk.agent(7))
        assert talk.shelf.agents == {}
