"""A stack that no agent can ever hold is refused, with the amounts."""

from __future__ import annotations

import pytest

from framework.api.routes.capacity import too_large
from framework.core.views import AgentView
from placement.agent import AgentState
from specs.ids import group_id
from specs.model.constraints import Constraint, Rules
from specs.model.operators import Operator
from specs.model.resources import PortRanges, Resources
from specs.model.stack import Container, Group, Port, Stack
from tests.kit.front import a_spec, a_view, an_agent

WEB = group_id("shop", "web")
PORTS = PortRanges.of([(31000, 32000)])
SMALL = an_agent(
    1, total=Resources(cpus_milli=4000, mem_mib=4096, disk_mib=10_000, ports=PORTS), attributes=(("rack", "r1"),)
)
LARGE = an_agent(
    2,
    total=Resources(
        cpus_milli=8000,
        mem_mib=2048,
        disk_mib=10_000,
        ports=PORTS,
        scalars=(("bandwidth", 100_000),),
        sets=(("fpga", ("a", "b")),),
    ),
    attributes=(("rack", "r2"),),
)


def _faults(group: Group, *agents: AgentView) -> list[tuple[str, str]]:
    return too_large(Stack(name="shop", groups=(group,)), a_view(agents=agents or (SMALL, LARGE)))


def test_what_fits_on_some_agent_is_taken() -> None:
    assert _faults(a_spec(WEB, resources=Resources(cpus_milli=7900, mem_mib=1900))) == []
    assert _faults(a_spec(WEB, resources=Resources(cpus_milli=3900, mem_mib=4000))) == []


def test_each_resource_of_which_no_agent_has_enough_is_named() -> None:
    assert _faults(a_spec(WEB, resources=Resources(cpus_milli=64_000, mem_mib=9000, gpus=1))) == [
        ("shop/web.resources.cpus", "wanted 64, the most that an agent has is 8 (agent2)"),
        ("shop/web.resources.memory", "wanted 9000 MiB, the most that an agent has is 4096 MiB (agent1)"),
        ("shop/web.resources.gpus", "wanted 1, the most that an agent has is 0 (agent1)"),
    ]


def test_the_executor_wants_its_share() -> None:
    assert _faults(a_spec(WEB, resources=Resources(cpus_milli=8000, mem_mib=64))) == [
        (
            "shop/web.resources.cpus",
            "wanted 8 (and 0.1 for the executor), the most that an agent has is 8 (agent2)",
        )
    ]


def test_what_agents_have_only_one_by_one_is_not_enough() -> None:
    assert _faults(a_spec(WEB, resources=Resources(cpus_milli=7000, mem_mib=4000))) == [
        ("shop/web.resources", "wanted cpus 7, mem 4000 MiB together, no agent has all of it")
    ]


def test_only_agents_that_the_constraints_allow_count() -> None:
    rules = Rules(constraints=(Constraint(operator=Operator.IS, field="rack", values=("r1",)),))
    assert _faults(a_spec(WEB, resources=Resources(cpus_milli=6000, mem_mib=64), rules=rules)) == [
        (
            "shop/web.resources.cpus",
            "wanted 6, the most that an agent of the only one that its constraints allow has is 4 (agent1)",
        )
    ]


def test_constraints_that_allow_no_agent_are_not_a_matter_of_size() -> None:
    rules = Rules(constraints=(Constraint(operator=Operator.IS, field="rack", values=("r9",)),))
    assert _faults(a_spec(WEB, resources=Resources(cpus_milli=64_000, mem_mib=64), rules=rules)) == []


def test_custom_resources() -> None:
    fits = Resources(cpus_milli=100, mem_mib=64, scalars=(("bandwidth", 50_000), ("fpga", 2000)))
    assert _faults(a_spec(WEB, resources=fits)) == []
    items = Resources(cpus_milli=100, mem_mib=64, sets=(("fpga", ("a",)),))
    assert _faults(a_spec(WEB, resources=items)) == []
    more = Resources(cpus_milli=100, mem_mib=64, scalars=(("bandwidth", 200_000), ("fpga", 3000)))
    assert _faults(a_spec(WEB, resources=more)) == [
        ("shop/web.resources.custom.bandwidth", "wanted 200, the most that an agent has is 100 (agent2)"),
        ("shop/web.resources.custom.fpga", "wanted 3, the most that an agent has is 2 (agent2)"),
    ]
    strange = Resources(cpus_milli=100, mem_mib=64, sets=(("fpga", ("z",)),))
    assert [path for path, _ in _faults(a_spec(WEB, resources=strange))] == ["shop/web.resources"]


def test_a_host_port_that_no_agent_offers() -> None:
    container = Container(image="x", ports=(Port(name="http", container_port=80, host_port=80),))
    assert _faults(a_spec(WEB, container=container)) == [
        ("shop/web.ports.http", "wanted host port 80, the agents offer 31000-32000")
    ]


@pytest.mark.parametrize("agents", [(), (an_agent(1, total=None),), (SMALL, an_agent(3, total=None))])
def test_nothing_is_refused_where_not_all_is_known(agents: tuple[AgentView, ...]) -> None:
    stack = Stack(name="shop", groups=(a_spec(WEB, resources=Resources(cpus_milli=64_000, mem_mib=1)),))
    assert too_large(stack, a_view(agents=agents)) == []


def test_an_agent_that_is_drained_is_an_agent_still() -> None:
    drained = an_agent(
        2, total=Resources(cpus_milli=64_000, mem_mib=4096), unavailable="is drained", state=AgentState.DRAINED
    )
    assert _faults(a_spec(WEB, resources=Resources(cpus_milli=32_000, mem_mib=64)), SMALL, drained) == []


def test_an_agent_that_is_gone_keeps_nothing_from_being_judged() -> None:
    gone = an_agent(9, total=None, unavailable="is not registered with the master")
    faults = _faults(a_spec(WEB, resources=Resources(cpus_milli=64_000, mem_mib=64)), SMALL, gone)
    assert faults == [("shop/web.resources.cpus", "wanted 64, the most that an agent has is 4 (agent1)")]
