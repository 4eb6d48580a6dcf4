"""Everything that can happen to the scheduler. Names are in the past tense; every value is frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from framework.core.commands import Accept, Kill
from framework.core.model import Mismatch, RequestKey, Status, Stored, TaskUsage
from placement.agent import Agent
from placement.offer import Offer
from specs.ids import AgentId, ExecutorId, FrameworkId, GroupId, OfferId, TaskId, VersionId
from specs.model.declared import SECRET, WITHIN, quotes, says, within
from specs.model.stack import KillOrder, Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameLeader:
    """This process leads, and `stored` is the content of the store."""

    stored: Stored = field(metadata=says(WITHIN))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """A master takes our calls from now on."""

    framework_id: FrameworkId
    #: Its address, host:port.
    master: str
    #: Its region, "" where it has none.
    region: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentsReported:
    """The master's list of registered agents; or, where it could not be read, no agents and a `problem`, a sentence.

    It comes soon after each subscription, then regularly, and soon after the first sign of an agent that was not in the
    last list.
    """

    agents: tuple[Agent, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """No master takes our calls; `problem` says what was tried and how it failed. It may come again and again."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OffersReceived:
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRescinded:
    offer_id: OfferId


@dataclass(frozen=True, slots=True, kw_only=True)
class InverseOffersReceived:
    """The master asks whether we have left these agents, (inverse offer, agent) each: they will be maintained."""

    offers: tuple[tuple[OfferId, AgentId], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReceived:
    status: Status = field(metadata=says(WITHIN))


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRemoved:
    """Mesos removed the agent."""

    agent_id: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorFailed:
    """An executor ended; `status` is its wait status."""

    agent_id: AgentId
    executor_id: ExecutorId
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressReported:
    """An executor reports the progress of a task's start. Best effort, never stored."""

    task_id: TaskId
    stage: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanContainersReported:
    """An executor has found containers of these tasks on its machine, of other agent ids, that nobody has any more."""

    agent_id: AgentId
    executor_id: ExecutorId
    tasks: tuple[TaskId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkRefused:
    """The master refuses us for good, as with a removed framework id: an ERROR of Mesos."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed:
    """The master refused a call, or it was not sent. Only calls that something waits for come back."""

    call: Accept | Kill = field(metadata=says(WITHIN))
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveFailed:
    """The save did not happen, for certain."""

    ticket: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReported:
    """The store cannot be reached: `problem` says why, in a sentence. "" when it can be again. Meanwhile saves wait."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """A request to the scheduler."""

    #: Names the client that waits for the Reply, 0 where nobody does.
    request_id: int
    #: With a key, another try is the same change and gets the same answer, whichever scheduler leads then.
    request_key: RequestKey | None = within(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSubmitted(Requested):
    """A stack file was submitted."""

    stack: Stack = field(metadata=says(WITHIN))
    message: str = ""
    submitted_by: str = ""
    #: The index that the stack must still have (0: it must not exist), None for any.
    if_index: int | None = None
    #: The versions of the groups, in their order, where they are known already: a journal has them, but masks the
    #: settings from which they were made.
    versions: tuple[VersionId, ...] = ()
    is_all_at_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRemoved(Requested):
    name: str
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleRequested(Requested):
    """Another number of instances of the groups that match: one of `instances`, `delta` and `factor` is given."""

    pattern: str
    instances: int | None = None
    #: Is added to the number of each group.
    delta: int | None = None
    #: Multiplies the number of each group.
    factor: float | None = None
    #: The tasks that stop first, None for the groups' own order.
    order: KillOrder | None = None
    #: The one group that is meant, where the autoscaler asks: a pattern may match others too.
    only: GroupId | None = None
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRequested(Requested):
    """Replace all tasks of the groups that match, at their pace."""

    pattern: str
    #: How long a new task must be ready before the next is replaced, None for what the groups say.
    wait_seconds: float | None = None
    #: Whether all are replaced at once, whatever the groups say.
    is_all_at_once: bool = False
    message: str = ""
    by: str = ""


class RolloutAction(StrEnum):
    """The requests to a rollout."""

    PAUSE = "pause"
    #: Go on, also after a failure.
    RESUME = "resume"
    #: End as it is.
    ABORT = "abort"
    ROLLBACK = "rollback"
    #: Go on with the next step.
    PROMOTE = "promote"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutActionRequested(Requested):
    """A request to the rollout of a stack."""

    stack: str
    action: RolloutAction
    #: "" for all services of the stack.
    service: str = ""
    #: The number of the rollout that is meant, 0 for whichever there is.
    number: int = 0
    #: "" for the scheduler itself, which waits for no reply.
    asked_by: str = ""
    #: Why the scheduler requests it, as a sentence.
    cause: str = quotes("")


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested(Requested):
    pattern: str
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequested(Requested):
    pattern: str
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRequested(Requested):
    """Go back to an earlier definition of the stack (core.stacks.history)."""

    name: str
    #: The number of the revision, None for the definition before the present one.
    to: int | None = None
    #: Whether the numbers of instances go back too.
    with_instances: bool = False
    #: The index that the stack must still have (0: it must be removed), None for any.
    if_index: int | None = None
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillRequested(Requested):
    """Stop these tasks. Others take their places, unless `scale`."""

    tasks: tuple[TaskId, ...]
    #: Whether their groups get as many instances fewer, and lose just these slots.
    scale: bool = False
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffResetRequested(Requested):
    """Forget the failures of the groups that match, so that they are tried again at once."""

    pattern: str
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven(Requested):
    """An operator has read the approval request, which was about `number` tasks, and approves it for at most so
    many."""

    mismatch: Mismatch
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorUpgradeRequested(Requested):
    """Tasks are to move from older executors to the current one on the agents whose host name or id matches;
    `has_processes`: also where plain processes are restarted by that."""

    pattern: str
    has_processes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageMeasured:
    """The use of tasks whose groups are scaled by their load. A task of such a group that is not named has no
    measurement."""

    tasks: tuple[TaskUsage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecRequested(Requested):
    """Run a command where a task runs."""

    task_id: TaskId
    #: The address of the scheduler that the task's executor must call.
    url: str
    #: Opens the executor's end of the session, as long as that lasts.
    key: str = field(metadata=says(SECRET))


@dataclass(frozen=True, slots=True, kw_only=True)
class Woke:
    """The time that `wakes_at` named has come."""


#: Changes of stacks: the change queue decides them one at a time (core.change_queue).
ChangeRequest: TypeAlias = (
    StackSubmitted
    | StackRemoved
    | ScaleRequested
    | RestartRequested
    | StopRequested
    | StartRequested
    | RolloutActionRequested
    | RollbackRequested
    | KillRequested
    | BackoffResetRequested
)
#: All that the API can request of the scheduler.
UserRequest: TypeAlias = ChangeRequest | ApprovalGiven | ExecutorUpgradeRequested | ExecRequested
#: All that can happen. `Scheduler.handle` names each: another one does not pass mypy before it does.
Event: TypeAlias = (
    BecameLeader
    | Subscribed
    | Disconnected
    | AgentsReported
    | OffersReceived
    | OfferRescinded
    | InverseOffersReceived
    | StatusReceived
    | AgentRemoved
    | ExecutorFailed
    | ProgressReported
    | OrphanContainersReported
    | FrameworkRefused
    | CallFailed
    | Saved
    | SaveFailed
    | StoreReported
    | UsageMeasured
    | UserRequest
    | Woke
)
