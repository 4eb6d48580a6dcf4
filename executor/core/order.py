"""A launch order: what the scheduler wrote into TaskInfo.data, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from specs.ids import AgentId, FrameworkId, GroupId, TaskId, VersionId, group_id
from specs.model.canonical import container_from_json
from specs.model.stack import Container
from specs.records_pb2 import LaunchOrder

SCHEMA = 2
"""The newest form of a launch order that this executor understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One container or process to run.

    `host_ports` are in the order of `container.ports`; `address` is the agent's own, to which ports are bound. Amounts:
    thousandths of a cpu, MiB, whole gpus. `scalars` (in thousandths) and `sets` are the agent's custom resources, by
    name. `predecessors` are earlier tasks of the slot, newest first, whose container may still be here: `adopts` says
    whether it is taken over, or removed before the start, and `is_prepared` whether its post_start are done.
    One that `sweeps` starts nothing: it removes what its predecessors have left, and has finished then.
    `environment` is what the scheduler tells it of other tasks; `dns` and `dns_search` are the name servers and the
    domains to search of a container that names none. While the task runs on, its `version` with the care in
    `container`, and its `signals` (how many of those of its group it has had), may become others.
    """

    task_id: TaskId
    group: GroupId
    slot: int
    attempt: int
    version: VersionId
    container: Container
    cpus_milli: int
    mem_mib: int
    disk_mib: int
    gpus: int
    host_ports: tuple[int, ...]
    address: str
    hostname: str
    framework_id: FrameworkId
    agent_id: AgentId
    scalars: tuple[tuple[str, int], ...] = ()
    sets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    predecessors: tuple[TaskId, ...] = ()
    adopts: bool = False
    is_prepared: bool = False
    sweeps: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    signals: int = 0

    @property
    def is_process(self) -> bool:
        """Whether this is a plain process: no image, no container."""
        return not self.container.image


def order_from_bytes(data: bytes) -> Order:
    """The order that these bytes hold; raises ValueError, in words for the user, where they hold none."""
    try:
        record = LaunchOrder.FromString(data)
    except DecodeError as error:
        raise ValueError(f"the task's data: wanted a LaunchOrder, got {len(data)} other bytes: {error}") from None
    if record.schema > SCHEMA:
        raise ValueError(
            f"the launch order has schema {record.schema}, this executor knows up to {SCHEMA}:"
            " the scheduler is newer than the executor it serves; restart the scheduler"
        )
    try:
        container = container_from_json(record.container_json)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"the launch order's container settings cannot be read: {error}") from None
    if not record.task_id:
        raise ValueError("the launch order: wanted a task_id, got none")
    if len(record.host_ports) != len(container.ports):
        raise ValueError(
            f"the launch order: wanted a host port for each of {len(container.ports)} ports,"
            f" got {len(record.host_ports)}"
        )
    if not container.image and not container.command:
        raise ValueError("neither an image nor a command: nothing to run; give the service an image or a command")
    return Order(
        task_id=TaskId(record.task_id),
        group=group_id(record.stack, record.service, list(record.labels)),
        slot=record.slot,
        attempt=record.attempt,
        version=VersionId(record.version),
        container=container,
        cpus_milli=record.cpus_milli,
        mem_mib=record.mem_mib,
        disk_mib=record.disk_mib,
        gpus=record.gpus,
        host_ports=tuple(record.host_ports),
        address=record.address,
        hostname=record.hostname,
        framework_id=FrameworkId(record.framework_id),
        agent_id=AgentId(record.agent_id),
        scalars=tuple((each.name, each.amount_milli) for each in record.custom if not each.items),
        sets=tuple((each.name, tuple(each.items)) for each in record.custom if each.items),
        predecessors=tuple(TaskId(id) for id in record.predecessors),
        adopts=record.adopts,
        is_prepared=record.prepared,
        sweeps=record.sweeps,
        environment=tuple((each.name, each.text) for each in record.environment),
        dns=tuple(record.dns),
        dns_search=tuple(record.dns_search),
        signals=record.signals,
    )
