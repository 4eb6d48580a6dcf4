"""A group on six agents in three racks, and rules about racks."""

from __future__ import annotations

from framework.core.model import Task
from specs.model.constraints import Constraint, Rules, Spread
from specs.model.operators import Operator
from tests.kit.conversation import Conversation, group, launched, stack

BY_RACK = Rules(constraints=(Constraint(operator=Operator.GROUP_BY, field="rack"),))


SPREAD_RACK = Rules(spread=(Spread(over="rack"),))


RACKS = {1: "a", 2: "a", 3: "b", 4: "b", 5: "c", 6: "c"}


def in_racks(rules: Rules, instances: int, talk: Conversation | None = None) -> Conversation:
    """A group that runs on six agents in three racks."""
    talk = talk or Conversation()
    talk.attributes = {number: {"rack": rack} for number, rack in RACKS.items()}
    talk.subscribe(*(talk.agent(number) for number in RACKS))
    talk.submit(stack(group(instances=instances, rules=rules)))
    talk.run(*launched(talk.offers(*(talk.offer(number) for number in RACKS))))
    return talk


def rack_of(task: Task) -> str:
    return RACKS[int(task.hostname.removeprefix("agent"))]
