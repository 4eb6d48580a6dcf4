"""The scheduler does what the plan of a view says, and an explanation agrees with the cause of the wait."""

from __future__ import annotations

from collections import Counter

import pytest

from framework.core.commands import Done
from framework.core.read.explain import explain
from framework.core.read.plan import plan
from framework.core.views import View
from placement.agent import Agent
from specs.model.constraints import Constraint, Mode, Neighbour, Rules, Selector, Spread
from specs.model.operators import Operator
from specs.model.resources import PortRanges, Resources
from specs.model.stack import Group, Stack
from tests.kit.conversation import Conversation, group, stack

HAS = Resources(cpus_milli=2000, mem_mib=1024, ports=PortRanges.of([(31000, 31099)]))
RACK = Rules(constraints=(Constraint(operator=Operator.GROUP_BY, field="rack"),))
UNIQUE = Rules(constraints=(Constraint(operator=Operator.UNIQUE, field="hostname"),))
SPREAD = Rules(spread=(Spread(over="rack"),))
APART = Rules(apart=(Neighbour(to=Selector(service="web")),))
NEAR = Rules(near=(Neighbour(to=Selector(service="web")),))


def _with(name: str, rules: Rules, instances: int = 2, mode: Mode = Mode.REPLICATED, cpus_milli: int = 500) -> Group:
    plain = group(name, instances=instances, resources=Resources(cpus_milli=cpus_milli, mem_mib=64))
    return Group(
        id=plain.id, instances=instances, container=plain.container, resources=plain.resources, mode=mode, rules=rules
    )


def _talk() -> tuple[Conversation, list[Agent]]:
    """A scheduler with six agents in three racks; none is offered yet."""
    talk = Conversation()
    talk.attributes = {number: {"rack": f"r{number % 3}"} for number in range(1, 7)}
    agents = [talk.agent(number, total=HAS, free=HAS) for number in range(1, 7)]
    talk.subscribe(*agents)
    return talk, agents


def _offer_all(talk: Conversation) -> None:
    """Offers of each agent what it has free."""
    used: Counter[str] = Counter()
    state = talk.scheduler.context.state
    for task in talk.tasks:
        used[task.agent_id] += state.versions[task.group.stack, task.version].resources.cpus_milli
    executors = {task.agent_id for task in talk.tasks}
    offers = []
    for number in range(1, 7):
        id = f"agent-{number}"
        free = 2000 - used[id] - (100 if id in executors else 0)
        offers.append(talk.offer(number, cpus=free / 1000, mem=900, ports=(31000, 31099)))
    talk.offers(*offers)


def _view(talk: Conversation) -> View:
    return talk.scheduler.view(talk.now)


def _placed(talk: Conversation) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for task in talk.tasks:
        found.setdefault(str(task.group), Counter())[task.agent_id] += 1
    return found


@pytest.mark.parametrize(
    "desired",
    [
        stack(_with("shop/web", Rules(), 7)),
        stack(_with("shop/web", RACK, 5), _with("shop/db", UNIQUE, 4)),
        stack(_with("shop/web", UNIQUE, 9)),
        stack(_with("shop/web", SPREAD, 6), _with("shop/agent", Rules(), 1, Mode.GLOBAL, 100)),
        stack(_with("shop/web", Rules(), 3), _with("shop/db", APART, 2)),
        stack(_with("shop/web", RACK, 2), _with("shop/api", NEAR, 3)),
        stack(_with("shop/web", Rules(), 8, cpus_milli=1900)),
    ],
    ids=["plain", "racks", "crowded", "global", "apart", "near", "large"],
)
def test_a_plan_comes_true(desired: Stack) -> None:
    talk, _ = _talk()
    found = plan(_view(talk), desired)
    assert isinstance(talk.submit(desired), Done)
    for _round in range(3):
        _offer_all(talk)
    expected = {
        str(line.group): Counter(placement.agent_id for placement in line.outcome.placements)
        for line in found.groups
        if line.outcome.placements
    }
    assert _placed(talk) == expected
    view = _view(talk)
    for line in found.groups:
        shown = next(one for one in view.stacks["shop"].groups if one.spec.id == line.group)
        refused = line.outcome.refused
        assert len(shown.waiting) == (len(refused.slots) if refused else 0)
        if refused:
            told = explain(view, shown)
            assert not told.fits
            assert told.sentences == (shown.waiting[0].cause,)


def test_after_it_has_come_true_nothing_is_left_to_do() -> None:
    talk, agents = _talk()
    desired = stack(_with("shop/web", RACK, 5), _with("shop/agent", Rules(), 1, Mode.GLOBAL, 100))
    talk.submit(desired)
    _offer_all(talk)
    talk.run(*talk.tasks)
    talk.report(*agents)
    again = plan(_view(talk), desired)
    assert again.changes == ()
    assert [(line.outcome.kept, line.outcome.placements, line.outcome.refused) for line in again.groups] == [
        (6, (), None),
        (5, (), None),
    ]
    for shown in _view(talk).stacks["shop"].groups:
        told = explain(_view(talk), shown, 0)
        assert (told.fits, told.task) == (True, shown.tasks[0].id)
