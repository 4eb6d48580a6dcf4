"""place(): what goes where, and the named refusals of what does not."""

from __future__ import annotations

from collections.abc import Mapping

from placement.engine import Result, place
from placement.offer import Offer
from placement.refusals import Refusal, sentence
from placement.request import Request
from specs.ids import AgentId, ExecutorId, GroupId, OfferId, group_id
from specs.resources import PortRanges, Resources

EXECUTOR = ExecutorId("executor-1")
OVERHEAD = Resources(cpus_milli=100, mem_mib=32)
WEB = group_id("shop", "web")


def offer(
    agent: int,
    *,
    cpus: int = 4000,
    mem: int = 1024,
    ports: tuple[int, int] = (31000, 31009),
    runs_executor: bool = False,
) -> Offer:
    return Offer(
        id=OfferId(f"o{agent}"),
        agent_id=AgentId(f"a{agent}"),
        hostname=f"agent{agent}",
        address=f"127.0.1.{agent}",
        agent_port=5051,
        role="*",
        resources=Resources(cpus_milli=cpus, mem_mib=mem, ports=PortRanges.of([ports])),
        executor_ids=(EXECUTOR,) if runs_executor else (),
    )


def request(
    slots: int = 1, *, cpus: int = 500, mem: int = 64, ports: tuple[int | None, ...] = (), group: GroupId = WEB
) -> Request:
    return Request(
        group=group, slots=tuple(range(slots)), resources=Resources(cpus_milli=cpus, mem_mib=mem), host_ports=ports
    )


def put(
    *requests: Request, offers: list[Offer], counts: Mapping[tuple[GroupId, AgentId], int] | None = None, seed: int = 1
) -> Result:
    return place(
        requests,
        offers,
        executor=OVERHEAD,
        executor_id=EXECUTOR,
        agents_with_executor=frozenset(),
        counts=counts or {},
        seed=seed,
    )


def test_slots_of_a_group_spread_over_the_agents() -> None:
    result = put(request(6), offers=[offer(1), offer(2), offer(3)])
    assert sorted(placement.offer_index for placement in result.placements) == [0, 0, 1, 1, 2, 2]
    assert result.refusals == {}


def test_agents_that_have_tasks_of_the_group_already_come_last() -> None:
    result = put(request(2), offers=[offer(1), offer(2), offer(3)], counts={(WEB, AgentId("a2")): 1})
    assert sorted(placement.offer_index for placement in result.placements) == [0, 2]


def test_among_equals_the_emptier_agent_comes_first() -> None:
    first = request(1, cpus=2000, group=group_id("shop", "big"))
    result = put(first, request(1), offers=[offer(1), offer(2)])
    assert [placement.offer_index for placement in result.placements] == [0, 1]


def test_the_executor_is_paid_once_unless_it_runs_there() -> None:
    assert len(put(request(8), offers=[offer(1)]).placements) == 7
    assert len(put(request(8), offers=[offer(1, runs_executor=True)]).placements) == 8


def test_of_two_offers_of_one_agent_only_the_first_pays_for_the_executor() -> None:
    halves = [offer(1, cpus=600), offer(1, cpus=500)]
    assert len(put(request(2), offers=halves).placements) == 2


def test_the_first_rule_that_refuses_is_named_with_what_was_wanted_and_had() -> None:
    result = put(request(1, cpus=5000), offers=[offer(1), offer(2, cpus=1500)])
    assert result.placements == ()
    assert result.refusals[WEB] == (
        Refusal(agent="agent1", rule="cpus", wanted=5000, got=3900),
        Refusal(agent="agent2", rule="cpus", wanted=5000, got=1400),
    )
    assert sentence(result.refusals[WEB], 2) == "0/2 agents fit: 2 cpus (wanted 5, best 3.9)"


def test_the_sentence_counts_the_most_frequent_rule_first() -> None:
    refusals = [
        Refusal(agent="a", rule="mem", wanted=512, got=100),
        Refusal(agent="b", rule="ports", wanted=2, got=1),
        Refusal(agent="c", rule="mem", wanted=512, got=300),
        Refusal(agent="d", rule="host port", wanted=80, got=0),
    ]
    assert sentence(refusals, 4) == (
        "0/4 agents fit: 2 mem (wanted 512 MiB, best 300 MiB),"
        " 1 host port (wanted 80, which is taken or not offered), 1 ports (wanted 2, best 1)"
    )


def test_ports_are_those_of_the_offer_and_never_given_twice() -> None:
    result = put(request(5, ports=(None, None)), offers=[offer(1)])
    ports = [port for placement in result.placements for port in placement.host_ports]
    assert sorted(ports) == list(range(31000, 31010))


def test_a_fixed_port_is_kept_from_the_dynamic_ones_of_the_same_task() -> None:
    for seed in range(20):
        (placement,) = put(
            request(1, ports=(None, 31001)), offers=[offer(1, ports=(31000, 31001))], seed=seed
        ).placements
        assert placement.host_ports == (31000, 31001)


def test_a_fixed_port_is_had_once_on_each_agent() -> None:
    result = put(request(3, ports=(31004,)), offers=[offer(1), offer(2)])
    assert sorted(placement.offer_index for placement in result.placements) == [0, 1]
    assert {refusal.rule for refusal in result.refusals[WEB]} == {"host port"}


def test_the_seed_moves_the_choice_of_ports() -> None:
    chosen = {
        put(request(1, ports=(None,)), offers=[offer(1)], seed=seed).placements[0].host_ports for seed in range(9)
    }
    assert len(chosen) == 9
