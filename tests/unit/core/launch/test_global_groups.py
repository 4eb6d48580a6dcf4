"""Groups that have one on every agent on which they can run."""

from __future__ import annotations

from framework.core.commands import Refused, Revive
from framework.core.events import AgentRemoved, OffersReceived, ScaleRequested, StartRequested, StopRequested
from framework.core.views import GroupState, GroupView
from placement.agent import AgentState
from specs.ids import AgentId
from specs.model.constraints import Constraint, Mode, Rules
from specs.model.operators import Operator
from specs.model.resources import Resources
from specs.model.stack import Restart
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, group, killed, launched, outcome, stack

SSD = Rules(constraints=(Constraint(operator=Operator.EQUAL, field="disk", values=("ssd",)),))
GLOBAL = group("shop/logs", mode=Mode.GLOBAL)


def view(talk: Conversation) -> GroupView:
    return talk.scheduler.view(talk.now).stacks["shop"].groups[0]


def everywhere(talk: Conversation | None = None) -> Conversation:
    """One on each of three agents, running."""
    talk = talk or Conversation()
    talk.up(GLOBAL)
    assert [task.hostname for task in talk.tasks] == ["agent1", "agent2", "agent3"]
    return talk


def test_it_has_one_on_every_agent_and_on_those_that_join() -> None:
    talk = everywhere()
    assert (view(talk).state, view(talk).wanted, view(talk).ready) == (GroupState.RUNNING, 3, 3)
    assert launched(talk.offers()) == [], "no agent has two"
    talk.report(*(talk.agent(number) for number in (1, 2, 3, 4)))
    assert view(talk).wanted == 4
    (new,) = launched(talk.offers(talk.offer(1), talk.offer(4)))
    assert (new.hostname, new.slot) == ("agent4", 3)


def test_an_agent_that_is_first_heard_of_by_an_offer_gets_one_at_once() -> None:
    talk = everywhere()
    talk.wait(1)
    (new,) = launched(talk.offers(talk.offer(9)))
    assert new.hostname == "agent9"


def test_an_agent_that_is_removed_has_none_any_more_and_its_slot_goes_to_the_next() -> None:
    talk = everywhere()
    gone = talk.tasks[1]
    talk.status(gone, TaskState.GONE_BY_OPERATOR)
    assert view(talk).waiting, "the agent may still be there"
    talk.say(AgentRemoved(agent_id=AgentId("agent-2")))
    talk.wait(1)
    assert (view(talk).wanted, view(talk).waiting, view(talk).state) == (2, (), GroupState.RUNNING)
    talk.report(talk.agent(1), talk.agent(3), talk.agent(4))
    (new,) = launched(talk.offers(talk.offer(4)))
    assert new.slot == gone.slot


def test_absence_from_the_masters_list_ends_no_task() -> None:
    talk = everywhere()
    assert killed(talk.report(talk.agent(1))) == [], "after a master's failover agents come back one by one"
    assert view(talk).wanted == 3
    assert killed(talk.report(*(talk.agent(number) for number in (1, 2, 3)))) == []


def test_draining_stops_it_and_the_end_of_it_brings_it_back() -> None:
    talk = everywhere()
    agents = [talk.agent(1), talk.agent(2, state=AgentState.DRAINING), talk.agent(3)]
    heard = talk.report(*agents)
    (stopping,) = [task for task in talk.tasks if task.goal is Goal.STOP]
    assert killed(heard) == [stopping.id]
    assert (stopping.hostname, stopping.stop_cause) == ("agent2", "agent agent2 is draining")
    talk.status(stopping, TaskState.KILLED)
    talk.report(*agents)
    assert launched(talk.offers(talk.offer(1), talk.offer(3))) == []
    talk.report(talk.agent(1), talk.agent(2), talk.agent(3))
    talk.wait(2)
    assert [task.hostname for task in launched(talk.offers(talk.offer(2)))] == ["agent2"]


def test_a_deactivated_or_disconnected_agent_keeps_what_it_has_and_gets_nothing_new() -> None:
    for state in (AgentState.DEACTIVATED, AgentState.DISCONNECTED):
        talk = everywhere()
        agents = (talk.agent(1), talk.agent(2, state=state), talk.agent(3), talk.agent(4, state=state))
        assert killed(talk.report(*agents)) == []
        assert view(talk).wanted == 3
        talk.status(talk.tasks[1], TaskState.FAILED)
        assert view(talk).wanted == 3
        talk.report(*agents, talk.agent(5))
        assert [task.hostname for task in talk.tasks] == ["agent1", "agent3"]
        assert view(talk).wanted == 3, "agents 1, 3 and 5"


def test_it_follows_its_rules() -> None:
    talk = Conversation()
    talk.attributes = {1: {"disk": "ssd"}, 2: {"disk": "hdd"}, 3: {"disk": "ssd"}}
    talk.up(group("shop/logs", mode=Mode.GLOBAL, rules=SSD))
    assert [task.hostname for task in talk.tasks] == ["agent1", "agent3"]
    talk.attributes = {1: {"disk": "hdd"}, 2: {"disk": "hdd"}, 3: {"disk": "ssd"}}
    talk.report(talk.agent(1), talk.agent(2), talk.agent(3))
    (stopping,) = [task for task in talk.tasks if task.goal is Goal.STOP]
    assert stopping.stop_cause == "agent agent1 no longer fits"


def test_agents_too_small_for_it_are_not_wanted() -> None:
    talk = Conversation()
    small = talk.agent(1, total=Resources(cpus_milli=550, mem_mib=1000))
    talk.subscribe(small, talk.agent(2, total=Resources(cpus_milli=600, mem_mib=1000)))
    talk.submit(stack(GLOBAL))
    assert view(talk).wanted == 1, "0.5 cpus and the executor's 0.1"


def test_where_it_fits_nowhere_it_says_why() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group("shop/logs", mode=Mode.GLOBAL, rules=SSD)))
    (waiting,) = view(talk).waiting
    assert view(talk).state is GroupState.WAITING
    assert waiting.cause.startswith("runs on every agent that fits: 0/3 agents fit: 3 disk (wanted ssd")
    talk.attributes = {4: {"disk": "ssd"}}
    talk.wait(1)
    assert len(launched(talk.offers(talk.offer(4)))) == 1
    assert view(talk).wanted == 1


def test_agents_that_come_one_by_one_are_looked_at_together() -> None:
    talk = everywhere()
    talk.wait(2)
    for number in range(4, 9):
        talk.say(OffersReceived(offers=(talk.offer(number),)))
    assert view(talk).wanted == 4, "the first at once"
    assert Revive() in talk.wait(1.1), "the offers of the others were let go"
    assert view(talk).wanted == 8
    assert len(launched(talk.offers(*(talk.offer(number) for number in range(5, 9))))) == 4


def test_a_restart_stops_and_wants_nothing_until_the_agents_are_known() -> None:
    talk = everywhere()
    talk.status(talk.tasks[0], TaskState.FAILED)
    again = Conversation(shelf=talk.shelf)
    assert view(again).wanted == 2
    assert killed(again.heard) == []
    again.subscribe()
    assert view(again).wanted == 3
    again.wait(3)
    (new,) = launched(again.offers())
    assert (new.hostname, new.slot) == ("agent1", 0)


def test_a_new_version_replaces_each_where_it_is() -> None:
    talk = everywhere()
    talk.submit(stack(group("shop/logs", mode=Mode.GLOBAL, image="busybox:2")))
    for _ in range(3):
        (new,) = launched(talk.offers())
        talk.run(new)
        talk.wait(1)
        (stopping,) = [task for task in talk.tasks if task.goal is Goal.STOP]
        assert (new.hostname, new.slot) == (stopping.hostname, stopping.slot)
        talk.status(stopping, TaskState.KILLED)
    assert [task.goal for task in talk.tasks] == [Goal.RUN] * 3


def test_it_cannot_be_scaled_but_stopped_and_started() -> None:
    talk = everywhere()
    refused = outcome(talk.say(ScaleRequested(request_id=9, pattern="shop", instances=2)), 9)
    assert isinstance(refused, Refused) and refused.kind == "invalid" and "one on every agent" in refused.message
    talk.say(StopRequested(request_id=10, pattern="shop"))
    assert {task.stop_cause for task in talk.tasks} == {"the group is stopped"}
    for task in talk.tasks:
        talk.status(task, TaskState.KILLED)
    assert view(talk).state is GroupState.STOPPED
    talk.say(StartRequested(request_id=11, pattern="shop"))
    talk.wait(2)
    assert len(launched(talk.offers())) == 3


def test_once_on_every_agent_stays_done_and_new_agents_do_it_too() -> None:
    talk = Conversation()
    talk.up(group("shop/job", mode=Mode.GLOBAL, restart=Restart.ON_FAILURE))
    for task in talk.tasks:
        talk.status(task, TaskState.FINISHED)
    assert view(talk).state is GroupState.FINISHED
    again = Conversation(shelf=talk.shelf)
    again.subscribe()
    assert view(again).state is GroupState.FINISHED
    again.wait(1)
    assert [task.hostname for task in launched(again.offers(again.offer(1), again.offer(4)))] == ["agent4"]


def test_a_group_of_many_that_becomes_global_keeps_one_on_each_agent() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group("shop/logs", instances=4)))
    talk.run(*launched(talk.offers(talk.offer(1), talk.offer(2))))
    talk.submit(stack(GLOBAL))
    stopping = [task for task in talk.tasks if task.goal is Goal.STOP]
    assert {task.stop_cause for task in stopping} == {"agent agent1 has one already", "agent agent2 has one already"}
    assert view(talk).wanted == 3
    talk.submit(stack(group("shop/logs", instances=1)))
    assert len([task for task in talk.tasks if task.goal is Goal.RUN]) == 1


def test_nothing_is_looked_at_again_where_nothing_has_changed() -> None:
    talk = everywhere()
    before = talk.scheduler.context.agents.revision
    cluster = talk.scheduler.context.agents.cluster
    talk.report(talk.agent(1), talk.agent(2), talk.agent(3))
    assert talk.scheduler.context.agents.revision == before
    assert talk.scheduler.context.agents.cluster is cluster
