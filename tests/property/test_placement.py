"""place() never overspends, explains all that it left, and does not depend on chance."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as some

from placement.engine import place
from placement.offer import Offer
from placement.request import Request
from specs.ids import AgentId, ExecutorId, OfferId, group_id
from specs.resources import PortRanges, Resources

OVERHEAD = Resources(cpus_milli=100, mem_mib=32)
EXECUTOR = ExecutorId("executor-1")

amounts = some.builds(
    Resources,
    cpus_milli=some.integers(0, 4000),
    mem_mib=some.integers(0, 4096),
    disk_mib=some.integers(0, 100),
    gpus=some.integers(0, 2),
)


@some.composite
def offers(draw: some.DrawFn) -> list[Offer]:
    result = []
    for number in range(draw(some.integers(0, 6))):
        start = draw(some.integers(1000, 1010))
        has = draw(amounts)
        ports = PortRanges.of([(start, start + draw(some.integers(-1, 8)))])
        result.append(
            Offer(
                id=OfferId(f"o{number}"),
                agent_id=AgentId(f"a{draw(some.integers(0, 4))}"),
                hostname=f"agent{number}",
                address="127.0.1.1",
                agent_port=5051,
                role="*",
                resources=Resources(
                    cpus_milli=has.cpus_milli, mem_mib=has.mem_mib, disk_mib=has.disk_mib, gpus=has.gpus, ports=ports
                ),
                executor_ids=(EXECUTOR,) if draw(some.booleans()) else (),
            )
        )
    return result


@some.composite
def requests(draw: some.DrawFn) -> list[Request]:
    return [
        Request(
            group=group_id("s", f"g{number}"),
            slots=tuple(range(draw(some.integers(1, 8)))),
            resources=draw(amounts),
            host_ports=tuple(
                draw(some.lists(some.none() | some.integers(1000, 1012), max_size=3, unique_by=lambda p: p or object()))
            ),
        )
        for number in range(draw(some.integers(1, 4)))
    ]


@given(requests=requests(), offers=offers(), seed=some.integers(0, 10**6))
def test_nothing_is_overspent_and_all_that_was_left_is_explained(
    requests: list[Request], offers: list[Offer], seed: int
) -> None:
    result = place(
        requests,
        offers,
        executor=OVERHEAD,
        executor_id=EXECUTOR,
        agents_with_executor=frozenset(),
        counts={},
        seed=seed,
    )
    by_group = {request.group: request for request in requests}
    spent: dict[int, Resources] = defaultdict(Resources)
    for placement in result.placements:
        request = by_group[placement.group]
        assert len(placement.host_ports) == len(request.host_ports)
        for wanted, got in zip(request.host_ports, placement.host_ports, strict=True):
            assert wanted in (None, got)
        ports = PortRanges.single(placement.host_ports)
        assert len(ports) == len(placement.host_ports)
        assert len(spent[placement.offer_index].ports - ports) == len(spent[placement.offer_index].ports), (
            "a port twice"
        )
        spent[placement.offer_index] += Resources(
            cpus_milli=request.resources.cpus_milli,
            mem_mib=request.resources.mem_mib,
            disk_mib=request.resources.disk_mib,
            gpus=request.resources.gpus,
            ports=ports,
        )
    for index, amount in spent.items():
        assert offers[index].resources.covers(amount)
    for request in requests:
        placed = [placement.slot for placement in result.placements if placement.group == request.group]
        assert placed == list(request.slots[: len(placed)])
        if len(placed) < len(request.slots):
            assert len(result.refusals[request.group]) == len(offers), "a refusal for each offer"
        else:
            assert request.group not in result.refusals


@given(requests=requests(), offers=offers())
def test_the_same_input_gives_the_same_placements(requests: list[Request], offers: list[Offer]) -> None:
    def once() -> object:
        return place(
            requests,
            offers,
            executor=OVERHEAD,
            executor_id=EXECUTOR,
            agents_with_executor=frozenset(),
            counts={},
            seed=7,
        )

    assert once() == once()
