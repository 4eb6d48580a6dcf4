"""Builds the tasks for placed slots, and one Accept for each agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from framework.core.commands import Accept, Launch
from framework.core.groups.completion import count_for, signals_due
from framework.core.launch.link_variables import LinkVariables, endpoint_of
from framework.core.model import GroupSpec, Instant, Task
from framework.core.state.cluster_state import ClusterState
from framework.core.state.executor_choice import ExecutorChoice
from placement.offer import Offer, ReservationPool
from placement.request import Placement, Request
from placement.reservation_pools import draw
from specs.ids import AgentId, TaskId, container_hash, is_same_container, task_id
from specs.model.stack import Container
from specs.states import Goal, Health, Readiness, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The launches on the offers of one agent, to be saved and then sent together."""

    accept: Accept
    tasks: tuple[Task, ...]
    next_serial: int


def bare_request(state: ClusterState, spec: GroupSpec) -> Request:
    """The request for placing a group, without slots."""
    version = state.versions[spec.id.stack, spec.version]
    return Request(
        group=spec.id,
        version=container_hash(spec.version),
        slots=(),
        instances=len(state.group(spec.id).wanted),
        resources=version.resources,
        host_ports=tuple(port.host_port for port in version.container.ports),
        rules=spec.rules,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How a slot is filled."""

    #: The desired spec, or the previous one (core.groups.rollout_gate).
    spec: GroupSpec
    #: The running task that the new one will replace; None for an empty slot.
    beside: TaskId | None = None
    #: The last ended task of the slot, if a container of the slot can still be on the agent; else None.
    last: Task | None = None
    #: The tasks whose container can still be on the agent, newest first: `last`, and those before it.
    predecessors: tuple[TaskId, ...] = ()


def batches(
    state: ClusterState,
    placements: Sequence[tuple[Placement, Filling]],
    offers: Mapping[AgentId, Sequence[Offer]],
    choices: Mapping[AgentId, ExecutorChoice],
    *,
    refuse_seconds: float,
    now: Instant,
) -> list[Batch]:
    """The launches of the placements, one batch for each agent: all of its offers are accepted together. The tasks are
    numbered from `state.next_serial` on."""
    serial = state.next_serial
    by_agent: dict[AgentId, list[Launch]] = {}
    pools = {id: choice.pools for id, choice in choices.items()}
    links = LinkVariables(state)
    for placement, filling in placements:
        id = placement.agent_id
        taken: tuple[ReservationPool, ...] = ()
        if pools[id]:
            taken, pools[id] = draw(pools[id], placement.resources)
        launch = _launch(state, placement, filling, offers[id][0], choices[id], taken, serial, now, links)
        by_agent.setdefault(id, []).append(launch)
        serial += 1
    result = []
    for id, launches in by_agent.items():
        accept = Accept(
            offer_ids=tuple(offer.id for offer in offers[id]), launches=tuple(launches), refuse_seconds=refuse_seconds
        )
        result.append(Batch(accept=accept, tasks=tuple(launch.task for launch in launches), next_serial=serial))
    return result


def _launch(
    state: ClusterState,
    placement: Placement,
    filling: Filling,
    offer: Offer,
    choice: ExecutorChoice,
    pools: tuple[ReservationPool, ...],
    serial: int,
    now: Instant,
    links: LinkVariables,
) -> Launch:
    spec = filling.spec
    version = state.versions[spec.id.stack, spec.version]
    last = filling.last
    adopts = last is not None and _may_adopt(last, spec, placement)
    task = Task(
        id=task_id(spec.id, placement.slot, serial),
        group=spec.id,
        slot=placement.slot,
        attempt=state.group(spec.id).attempts.get(placement.slot, 0) + 1,
        version=spec.version,
        generation=last.generation if adopts and last is not None else _generation(state, spec),
        goal=Goal.RUN,
        state=TaskState.INTENT,
        health=Health.UNKNOWN if version.container.health else Health.NONE,
        agent_id=offer.agent_id,
        hostname=offer.hostname,
        address=offer.address,
        executor_id=choice.executor_id,
        host_ports=placement.host_ports,
        launched_at=now,
        state_since=now,
        predecessors=filling.predecessors,
        adopts=adopts,
        readiness=_readiness(version.container, last if adopts else None),
        beside=filling.beside,
        failures=count_for(state, spec, placement.slot),
        signals=last.signals if adopts and last is not None else signals_due(state, spec),
    )
    return Launch(
        task=task,
        container=version.container,
        resources=placement.resources,
        metadata=spec.metadata,
        pools=pools,
        executor_reservation=choice.reservation,
        environment=links.variables(spec, placement.slot, endpoint_of(offer.address, placement.host_ports)),
    )


def _readiness(container: Container, adopted: Task | None) -> Readiness:
    """The readiness of a task that is launched. `post_start` does not run again in an adopted container."""
    if container.ready is None and not container.post_start:
        return Readiness.NONE
    return Readiness.NOT_READY if adopted is not None and adopted.is_prepared else Readiness.UNKNOWN


def _generation(state: ClusterState, spec: GroupSpec) -> int:
    """The generation of a new container: the newest one of the desired spec, and of the spec before the rollout where
    that has the same container settings. So a rollback does not replace the container again."""
    rollouts = state.rollouts.get(spec.id.stack)
    was = rollouts.current.was(spec.id) if rollouts is not None and rollouts.current is not None else None
    if was is None or not is_same_container(was.version, spec.version):
        return spec.generation
    return max(spec.generation, was.generation)


def _may_adopt(last: Task, spec: GroupSpec, placement: Placement) -> bool:
    """Whether the container that a task left has exactly the desired settings and ports."""
    is_current = is_same_container(last.version, spec.version) and last.generation >= spec.generation
    return last.is_orphaned and is_current and last.host_ports == placement.host_ports
