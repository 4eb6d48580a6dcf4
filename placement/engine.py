"""place(): requests and offers in, placements and named refusals out.

The slots of a group go one after the other to the agent that has the fewest tasks of the group, then to the one with
the largest free share, so that a group spreads over the cluster. A refused offer is not looked at again for the same
group: what did not fit once fits less the next time. Thus R slots of a group on N offers cost N log N + R log N.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from placement.offer import Offer
from placement.refusals import Refusal
from placement.request import Placement, Request
from specs.ids import AgentId, ExecutorId, GroupId
from specs.resources import PortRanges, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`refusals` has an entry for each group of which a slot found no place: one refusal for each offer."""

    placements: tuple[Placement, ...]
    refusals: Mapping[GroupId, tuple[Refusal, ...]]


def place(
    requests: Sequence[Request],
    offers: Sequence[Offer],
    *,
    executor: Resources,
    executor_id: ExecutorId,
    agents_with_executor: frozenset[AgentId],
    counts: Mapping[tuple[GroupId, AgentId], int],
    seed: int,
) -> Result:
    """Puts each slot on an offer, or says for each offer why not.

    `executor` is what our executor takes on an agent, once, unless it runs there already (`agents_with_executor`, or
    by the offer's word). `counts` says how many tasks of a group an agent has. `seed` picks among free ports, so that
    a port just given back is not the first to be taken again.
    """
    rooms: list[_Room] = []
    by_agent: dict[AgentId, bool] = {}
    for offer in offers:
        present = offer.agent_id in agents_with_executor or executor_id in offer.executor_ids
        present = by_agent.setdefault(offer.agent_id, present)
        rooms.append(_Room.of(offer, None if present else executor))
        if not present:
            # Of two offers of one agent only the first pays for the executor.
            by_agent[offer.agent_id] = True
    placements: list[Placement] = []
    refusals: dict[GroupId, tuple[Refusal, ...]] = {}
    for request in requests:
        placed, refused = _place_group(request, rooms, counts, seed)
        placements += placed
        if len(placed) < len(request.slots):
            refusals[request.group] = tuple(refused)
    return Result(placements=tuple(placements), refusals=refusals)


def _place_group(
    request: Request, rooms: list[_Room], counts: Mapping[tuple[GroupId, AgentId], int], seed: int
) -> tuple[list[Placement], list[Refusal]]:
    queue = []
    for index, room in enumerate(rooms):
        tasks = counts.get((request.group, room.offer.agent_id), 0)
        queue.append((tasks + room.placed.get(request.group, 0), -room.free_share, index))
    heapq.heapify(queue)
    placed: list[Placement] = []
    refused: list[Refusal] = []
    for slot in request.slots:
        while queue:
            tasks, _, index = queue[0]
            room = rooms[index]
            refusal = room.refusal(request)
            if refusal is not None:
                refused.append(refusal)
                heapq.heappop(queue)
                continue
            ports = room.take(request, seed + len(placed))
            placed.append(Placement(group=request.group, slot=slot, offer_index=index, host_ports=ports))
            heapq.heapreplace(queue, (tasks + 1, -room.free_share, index))
            break
        else:
            break
    return placed, refused


@dataclass(slots=True, kw_only=True)
class _Room:
    """What is left of an offer while slots are put on it. `overhead` is what the executor still has to get."""

    offer: Offer
    cpus_milli: int
    mem_mib: int
    disk_mib: int
    gpus: int
    ports: PortRanges
    overhead: Resources | None
    placed: dict[GroupId, int] = field(default_factory=dict)

    @classmethod
    def of(cls, offer: Offer, overhead: Resources | None) -> _Room:
        has = offer.resources
        return cls(
            offer=offer,
            cpus_milli=has.cpus_milli,
            mem_mib=has.mem_mib,
            disk_mib=has.disk_mib,
            gpus=has.gpus,
            ports=has.ports,
            overhead=overhead,
        )

    @property
    def free_share(self) -> float:
        """The scarcer of cpus and memory that is left, as a share of what was offered."""
        has = self.offer.resources
        return min(self.cpus_milli / max(has.cpus_milli, 1), self.mem_mib / max(has.mem_mib, 1))

    def refusal(self, request: Request) -> Refusal | None:
        """The first rule by which the request does not fit, or None."""
        want, extra = request.resources, self.overhead or Resources()
        for rule, wanted, got in (
            ("cpus", want.cpus_milli, self.cpus_milli - extra.cpus_milli),
            ("mem", want.mem_mib, self.mem_mib - extra.mem_mib),
            ("disk", want.disk_mib, self.disk_mib - extra.disk_mib),
            ("gpus", want.gpus, self.gpus - extra.gpus),
            ("ports", len(request.host_ports), len(self.ports)),
        ):
            if wanted > got:
                return Refusal(agent=self.offer.hostname, rule=rule, wanted=wanted, got=max(got, 0))
        for port in request.host_ports:
            if port is not None and port not in self.ports:
                return Refusal(agent=self.offer.hostname, rule="host port", wanted=port, got=0)
        return None

    def take(self, request: Request, seed: int) -> tuple[int, ...]:
        """Takes what the request wants, which must fit; returns its host ports."""
        extra = self.overhead or Resources()
        self.overhead = None
        self.cpus_milli -= request.resources.cpus_milli + extra.cpus_milli
        self.mem_mib -= request.resources.mem_mib + extra.mem_mib
        self.disk_mib -= request.resources.disk_mib + extra.disk_mib
        self.gpus -= request.resources.gpus + extra.gpus
        self.placed[request.group] = self.placed.get(request.group, 0) + 1
        if not request.host_ports:
            return ()
        self.ports -= PortRanges.single(port for port in request.host_ports if port is not None)
        taken = []
        for wanted in request.host_ports:
            if wanted is None:
                port = _nth(self.ports, seed * 7919 % len(self.ports))
                self.ports -= PortRanges.single((port,))
                taken.append(port)
            else:
                taken.append(wanted)
        return tuple(taken)


def _nth(ports: PortRanges, index: int) -> int:
    for first, last in ports.ranges:
        if index <= last - first:
            return first + index
        index -= last - first + 1
    raise ValueError(f"wanted port number {index} of {ports}: there are fewer")
