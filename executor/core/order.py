"""A launch order: what the scheduler wrote into TaskInfo.data, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from specs.ids import AgentId, FrameworkId, GroupId, TaskId, VersionId, group_id
from specs.model.canonical import container_from_json
from specs.model.stack import Container
from specs.records_pb2 import LaunchOrder

SCHEMA = 2
"""The newest schema of a launch order that this executor reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One container or process to run: the launch order as a value.

    `version`, the in-place settings in `container`, and `signals` change while the task runs; everything else is fixed.
    """

    #: The id of the task, which is also the name of its container.
    task_id: TaskId
    #: The group, the slot in it, and the number of this attempt in the slot.
    group: GroupId
    slot: int
    attempt: int
    #: The version of the settings that the task has.
    version: VersionId
    #: The settings of the container or process.
    container: Container
    #: Resources: thousandths of a cpu, MiB of memory and of disk, whole gpus.
    cpus_milli: int
    mem_mib: int
    disk_mib: int
    gpus: int
    #: Ports of the agent, in the order of `container.ports`.
    host_ports: tuple[int, ...]
    #: The agent's IP address, to which ports are bound, and its hostname.
    address: str
    hostname: str
    #: The framework, and the agent on which the task runs.
    framework_id: FrameworkId
    agent_id: AgentId
    #: Custom scalar resources by name, in thousandths.
    scalars: tuple[tuple[str, int], ...] = ()
    #: Custom set resources by name.
    sets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: Earlier tasks of the slot, newest first, whose container can still be here.
    predecessors: tuple[TaskId, ...] = ()
    #: Whether the predecessors' container is adopted; else it is removed before the start.
    adopts: bool = False
    #: Whether post_start is done in the container to adopt.
    is_prepared: bool = False
    #: Whether the order only removes what its predecessors have left. Nothing is started; it finishes then.
    sweeps: bool = False
    #: Variables from the scheduler about other tasks, as (name, value).
    environment: tuple[tuple[str, str], ...] = ()
    #: Name servers for a container that names none.
    dns: tuple[str, ...] = ()
    #: Search domains for a container that names none.
    dns_search: tuple[str, ...] = ()
    #: How many of its group's signals the task has had.
    signals: int = 0

    @property
    def is_process(self) -> bool:
        """Whether this is a plain process: no image, no container."""
        return not self.container.image


def order_from_bytes(data: bytes) -> Order:
    """The order in these bytes. Raises ValueError, in words for the user, if they hold none."""
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
