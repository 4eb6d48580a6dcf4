"""What the scheduler wants done. Names are imperative; every value is frozen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from framework.core.model import Answered, History, KnownAgent, Rollouts, StackSpec, Task, Version
from placement.offer import Pool
from specs.ids import AgentId, ExecutorId, FrameworkId, OfferId, TaskId, VersionId
from specs.model.in_place import Care
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

    ticket: int
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A task to launch with its settings; `resources.ports` are exactly the task's host ports.

    `pools` is empty where all is unreserved; else the parts of `resources` by reservation, which add up to it.
    `executor_reservation` is the reservation out of which the executor is paid, "" where that is unreserved; the
    task's `executor_id` differs with it (codec.executor_id). `environment` is what the task is told of others
    (core.launch.link_variables), beside what its container says.
    """

    task: Task
    container: Container
    resources: Resources
    metadata: tuple[tuple[str, str], ...] = ()
    pools: tuple[Pool, ...] = ()
    executor_reservation: str = ""
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Launch on these offers of one agent; what is left of them is declined for `refuse_seconds`."""

    offer_ids: tuple[OfferId, ...]
    launches: tuple[Launch, ...]
    refuse_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    offer_ids: tuple[OfferId, ...]
    refuse_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerInverse:
    """Say that we have left the agents of these inverse offers, or that we have not yet; to be asked again after
    `refuse_seconds`."""

    offer_ids: tuple[OfferId, ...]
    has_left: bool
    refuse_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """`grace_seconds` is the time between pre_stop, or the stop signal, and KILL. The drain before that is the task's
    own; a grace shorter than its own shortens it too."""

    task_id: TaskId
    agent_id: AgentId | None
    grace_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """Tell an executor to end and to let its containers run on. Best effort, as Mesos's messages to executors are."""

    agent_id: AgentId
    executor_id: ExecutorId


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwanted:
    """Tell an executor that nobody wants what these tasks have left on its machine. Best effort."""

    agent_id: AgentId
    executor_id: ExecutorId
    tasks: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """Tell an executor to call the scheduler at `url` about a command that is to run where a task runs. `key` is good
    for that one session. Best effort."""

    agent_id: AgentId
    executor_id: ExecutorId
    task_id: TaskId
    url: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Tell an executor that tasks of its shall have the care of `version`, from which theirs differs in that alone, and
    have had so many `signals`: one with fewer gets `signal`. Best effort, and may come again."""

    agent_id: AgentId
    executor_id: ExecutorId
    tasks: tuple[TaskId, ...]
    version: VersionId
    care: Care
    signals: int
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    task_id: TaskId
    agent_id: AgentId
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile:
    """ChangeRequest for the state of these tasks, (id, agent) each; of all that the master knows where empty."""

    tasks: tuple[tuple[TaskId, AgentId], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revive:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppress:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Connect to the master, as the framework we were, or as a new one where None."""

    framework_id: FrameworkId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was asked is decided and stored. `changed` are the groups (as text) for which something changed."""

    changed: tuple[str, ...] = ()
    index: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What was asked cannot be: `kind` is not_found, conflict, invalid or unavailable; nothing was changed."""

    kind: str
    message: str
    details: tuple[tuple[str, str], ...] = ()
    """(path, error) pairs"""


Outcome: TypeAlias = Done | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    request_id: int
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    """Something people may want to follow: goes into the event stream. `kind` is past tense: TaskRunning."""

    kind: str
    text: str
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
    """Stop the process; `message` tells the operator what to do."""

    cause: HaltCause
    message: str


Call: TypeAlias = (
    Accept
    | Decline
    | AnswerInverse
    | Kill
    | Retire
    | Unwanted
    | Attach
    | Apply
    | Acknowledge
    | Reconcile
    | Revive
    | Suppress
    | Subscribe
)

Command: TypeAlias = Save | Call | Reply | Announce | Halt
