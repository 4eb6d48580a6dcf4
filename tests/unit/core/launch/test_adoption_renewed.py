"""An agent that comes back under another id: its containers run on, and the tasks of its new id take them over."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Command
from framework.core.events import AgentRemoved
from framework.core.model import Task
from placement.agent import Agent
from placement.offer import Offer
from specs.ids import AgentId
from specs.model.constraints import Constraint, Rules
from specs.model.operators import Operator
from specs.model.stack import Container, Group, Port
from specs.states import TaskState
from tests.kit.conversation import Conversation, group, launched

RENEWED = AgentId("agent-new")
REMOVED = {
    "reason": "REASON_AGENT_REMOVED",
    "source": "SOURCE_MASTER",
    "uuid": "",
    "message": "Agent agent1 removed: a new agent registered at the same address",
}
WEB = Container(image="busybox:1", ports=(Port(name="http", container_port=8080),))
ON_SSD = Rules(constraints=(Constraint(operator=Operator.LIKE, field="disk", values=("ssd",)),))


def up(rules: Rules | None = None, container: Container = WEB) -> tuple[Conversation, Task]:
    talk = Conversation()
    talk.attributes = {number: {"disk": "ssd"} for number in (1, 2, 3)}
    desired: Group = group(container=container, rules=rules)
    talk.up(desired)
    (task,) = talk.tasks
    return talk, task


def number_of(task: Task) -> int:
    return int(task.agent_id.removeprefix("agent-"))


def renew(talk: Conversation, task: Task) -> list[Command]:
    """The master removes the task's agent because another one has registered at its address."""
    heard = talk.say(AgentRemoved(agent_id=task.agent_id))
    return heard + talk.status(task, TaskState.LOST, **REMOVED) + talk.wait(0.1)


def renewed_offer(talk: Conversation, task: Task, **more: str) -> Offer:
    offer = replace(talk.offer(number_of(task)), agent_id=RENEWED)
    return replace(offer, attributes=tuple(sorted(more.items()))) if more else offer


def others(talk: Conversation, task: Task) -> list[Offer]:
    return [talk.offer(number) for number in (1, 2, 3) if number != number_of(task)]


def test_the_slot_waits_for_the_new_id_and_takes_its_container_over() -> None:
    talk, old = up()
    renew(talk, old)
    assert launched(talk.offers(*others(talk, old))) == []
    (new,) = launched(talk.offers(renewed_offer(talk, old)))
    assert (new.agent_id, new.host_ports) == (RENEWED, old.host_ports)
    assert (new.predecessors, new.adopts) == ((old.id,), True)


def test_nothing_is_held_against_the_task_or_its_group() -> None:
    for container in (WEB, Container(command=("sleep", "9"))):
        talk, old = up(container=container)
        renew(talk, old)
        assert not talk.scheduler.context.state.backoffs
        assert not talk.scheduler.context.state.agent_failures


def test_a_rule_decides_where_attributes_have_changed() -> None:
    talk, old = up(ON_SSD)
    renew(talk, old)
    assert launched(talk.offers(renewed_offer(talk, old, disk="hdd"))) == []
    (new,) = launched(talk.offers(*others(talk, old)))
    assert (new.predecessors, new.adopts) == ((), False)


def test_a_rule_that_the_new_attributes_keep_lets_it_stay() -> None:
    talk, old = up(ON_SSD)
    renew(talk, old)
    (new,) = launched(talk.offers(renewed_offer(talk, old, disk="ssd", rack="a")))
    assert (new.agent_id, new.predecessors) == (RENEWED, (old.id,))


def test_a_group_without_rules_stays_whatever_has_changed() -> None:
    talk, old = up()
    renew(talk, old)
    assert launched(talk.offers(*others(talk, old))) == []
    (new,) = launched(talk.offers(renewed_offer(talk, old, disk="hdd")))
    assert new.adopts


def test_nobody_is_waited_for_where_the_machine_was_shut_down() -> None:
    talk, old = up()
    talk.say(AgentRemoved(agent_id=old.agent_id))
    talk.status(old, TaskState.LOST, **{**REMOVED, "message": "Agent agent1 removed: the agent unregistered"})
    (new,) = launched(talk.offers(*others(talk, old)))
    assert (new.predecessors, new.adopts) == ((), False)


def test_a_successor_that_does_not_come_is_not_waited_for_long() -> None:
    talk, old = up()
    renew(talk, old)
    talk.wait(5.0)
    (new,) = launched(talk.offers(*others(talk, old)))
    assert new.predecessors == ()


def test_an_agent_elsewhere_is_no_successor() -> None:
    talk, old = up()
    renew(talk, old)
    stranger = replace(renewed_offer(talk, old), address="127.0.9.9")
    assert launched(talk.offers(stranger)) == [], "it waits for the one at its address"


def test_the_report_of_the_master_names_the_successor_too() -> None:
    talk, old = up()
    renew(talk, old)
    new: Agent = replace(talk.agent(number_of(old)), id=RENEWED)
    present = [talk.agent(number) for number in (1, 2, 3) if number != number_of(old)]
    talk.report(*present, new)
    talk.wait(10.0)
    assert launched(talk.offers(*others(talk, old))) == [], "it is known to be there, and waited for"
    (task,) = launched(talk.offers(renewed_offer(talk, old)))
    assert task.adopts
