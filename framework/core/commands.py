"""Everything that the scheduler can have done. Names are imperative; every value is frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from framework.core.model import Answered, History, KnownAgent, Rollouts, StackSpec, Task, Version
from placement.offer import ReservationPool
from specs.ids import AgentId, ExecutorId, FrameworkId, OfferId, TaskId, VersionId
from specs.model.declared import QUOTES, SECRET, WITHIN, says, secret
from specs.model.in_place import InPlaceSettings
from specs.model.resources import Resources
from specs.model.stack import Container


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFramework:
    framework_id: FrameworkId | None
    next_serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PutStack:
    stack: StackSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteStack:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutHistory:
    history: History


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteHistory:
    stack: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutVersion:
    version: Version


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVersion:
    stack: str
    id: VersionId


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTask:
    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTask:
    id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAgent:
    agent: KnownAgent


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAgent:
    id: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRollouts:
    rollouts: Rollouts


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRollouts:
    stack: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAnswer:
    answer: Answered


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAnswer:
    number: int


Write: TypeAlias = (
    PutFramework
    | PutStack
    | DeleteStack
    | PutHistory
    | DeleteHistory
    | PutVersion
    | DeleteVersion
    | PutTask
    | DeleteTask
    | PutAgent
    | DeleteAgent
    | PutRollouts
    | DeleteRollouts
    | PutAnswer
    | DeleteAnswer
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """Store all of `writes` or none, then answer Saved or SaveFailed with the ticket. Saves happen in order."""

    #: The number of this save: 1, 2, … since this leader began.
    ticket: int
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A task to launch with its settings."""

    task: Task = field(metadata=says(WITHIN))
    container: Container = field(metadata=says(WITHIN))
    #: The task's resources; its `ports` are exactly the task's host ports.
    resources: Resources
    metadata: tuple[tuple[str, str], ...] = secret(())
    #: The parts of `resources` by reservation, which add up to it; empty where all of it is unreserved.
    pools: tuple[ReservationPool, ...] = ()
    #: The reservation that pays for the executor, "" where that is unreserved. The task's `executor_id` depends on it.
    executor_reservation: str = ""
    #: Variables with the addresses of linked groups, beside those of the container (core.launch.link_variables).
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Launch on these offers of one agent. The rest of the offers is declined for `refuse_seconds`."""

    offer_ids: tuple[OfferId, ...]
    launches: tuple[Launch, ...] = field(metadata=says(WITHIN))
    refuse_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    offer_ids: tuple[OfferId, ...]
    refuse_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerInverse:
    """Answer whether we have left the agents of these inverse offers. Mesos asks again after `refuse_seconds`."""

    offer_ids: tuple[OfferId, ...]
    has_left: bool
    refuse_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Stop a task."""

    task_id: TaskId
    #: None where we do not know it.
    agent_id: AgentId | None
    #: The time between pre_stop, or the stop signal, and KILL; None for the task's own. The drain before that is the
    #: task's own, but never longer than this where this is shorter than the task's own grace.
    grace_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """Have an executor end and leave its containers running. Best effort, as Mesos's messages to executors are."""

    agent_id: AgentId
    executor_id: ExecutorId


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveOrphans:
    """Have an executor remove the containers that these tasks have left on its machine. Best effort."""

    agent_id: AgentId
    executor_id: ExecutorId
    tasks: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartExec:
    """Have an executor start a command where a task runs. Best effort."""

    agent_id: AgentId
    executor_id: ExecutorId
    task_id: TaskId
    #: The address of the scheduler that the executor calls, to be connected with the command.
    url: str
    #: Opens that one session, and no other.
    key: str = field(metadata=says(SECRET))


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateInPlace:
    """Have an executor give running tasks other in-place settings, or a signal. Best effort, and may be repeated."""

    agent_id: AgentId
    executor_id: ExecutorId
    tasks: tuple[TaskId, ...]
    #: The version whose in-place settings the tasks get. Theirs differs from it in nothing else.
    version: VersionId
    settings: InPlaceSettings
    #: How many signals a task shall have had since it began: one with fewer gets `signal` once.
    signals: int
    #: The signal's name, "" where there is none to send.
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    task_id: TaskId
    agent_id: AgentId
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile:
    """Request the state of these tasks, (id, agent) each; of all tasks that the master knows where empty."""

    tasks: tuple[tuple[TaskId, AgentId], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revive:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppress:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Connect to the master, as the framework with this id, or as a new one where None."""

    framework_id: FrameworkId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The request is decided, and stored."""

    #: The groups, or the tasks of an approval, that changed, as texts.
    changed: tuple[str, ...] = ()
    #: The index of the stack after the change, 0 where the request is about no stack.
    index: int = 0
    #: For people.
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The request was refused, and nothing was changed."""

    #: not_found, conflict, invalid or unavailable.
    kind: str
    #: For people: what, wanted, got, what to do.
    message: str
    #: (path, error) pairs.
    details: tuple[tuple[str, str], ...] = ()


Outcome: TypeAlias = Done | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    request_id: int
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishEvent:
    """Send an event to all readers of the event stream."""

    #: Past tense: TaskRunning.
    kind: str
    #: For people.
    text: str = field(metadata=says(QUOTES))
    #: The stack, the group and the task that it is about, "" where it is about none.
    stack: str = ""
    group: str = ""
    task: str = ""


class HaltCause(StrEnum):
    """Why the process must stop; each has its exit code (framework.exits)."""

    STORE_REFUSED = "store refused"
    MESOS_REFUSED = "mesos refused"
    TASKS_WITHOUT_FRAMEWORK_ID = "tasks without framework id"
    FRAMEWORK_REMOVED = "framework removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Stop the process."""

    cause: HaltCause
    #: For the operator: what is wrong and what to do.
    message: str


Call: TypeAlias = (
    Accept
    | Decline
    | AnswerInverse
    | Kill
    | Retire
    | RemoveOrphans
    | StartExec
    | UpdateInPlace
    | Acknowledge
    | Reconcile
    | Revive
    | Suppress
    | Subscribe
)

Command: TypeAlias = Save | Call | Reply | PublishEvent | Halt
