"""What can happen to the scheduler. Names are in the past tense; every value is frozen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from framework.core.commands import Accept, Kill
from framework.core.model import Mismatch, RequestKey, Status, Stored, TaskUsage
from placement.agent import Agent
from placement.offer import Offer
from specs.ids import AgentId, ExecutorId, FrameworkId, GroupId, OfferId, TaskId, VersionId
from specs.model.stack import KillOrder, Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameLeader:
    """This process leads, and this is what the store holds."""

    stored: Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """The master at `master` (host:port) takes our calls from now on; `region` is its own, "" where it has none."""

    framework_id: FrameworkId
    master: str
    region: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentsReported:
    """The master's registered agents, all of them; or, where it did not tell, `problem` in a sentence and no agents.

    Comes soon after each subscription, again every now and then, and soon after an agent is heard of that was not in
    the last report.
    """

    agents: tuple[Agent, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """No master takes our calls; `problem` says what was tried and what came of it. May come again and again."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OffersReceived:
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRescinded:
    offer_id: OfferId


@dataclass(frozen=True, slots=True, kw_only=True)
class InverseOffersReceived:
    """The master asks whether we have left these agents, (inverse offer, agent) each: they are to be maintained."""

    offers: tuple[tuple[OfferId, AgentId], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReceived:
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFailed:
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
    """An executor says how far a task's start is. Best effort, never stored."""

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
    """The master does not want us: ERROR in Mesos's words, such as a removed framework id."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed:
    """The master refused a call, or it was not sent. Only calls on which something waits come back."""

    call: Accept | Kill
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
    """What keeps the store from being reached, in a sentence; "" when it can be again. Meanwhile saves wait."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """All that is asked of the scheduler. `request_id` is where its answer goes, 0 where nobody waits for one. With a
    `request_key` another try, whichever scheduler leads then, is the same change and gets the same answer."""

    request_id: int
    request_key: RequestKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSubmitted(Requested):
    """`if_index` is the index the stack must still have (0: must not exist), or None for any.

    `versions` are the ids of the groups' versions, in their order, where they are known already: those of a journal
    were made from settings that are not in it.
    """

    stack: Stack
    message: str = ""
    submitted_by: str = ""
    if_index: int | None = None
    versions: tuple[VersionId, ...] = ()
    is_all_at_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRemoved(Requested):
    name: str
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleRequested(Requested):
    """Instances of the groups that match: `instances` as such, or `delta` added, or multiplied by `factor`.

    `order` says which tasks go first where some are to, None for the groups' own order. `only` is the one group that is
    meant, where the scheduler asks by its load: a pattern may mean others too.
    """

    pattern: str
    instances: int | None = None
    delta: int | None = None
    factor: float | None = None
    order: KillOrder | None = None
    only: GroupId | None = None
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRequested(Requested):
    """Others in place of all tasks of the groups that match, at their pace, and with `wait_seconds` from one that is
    ready to the next where it is given; or all at once."""

    pattern: str
    wait_seconds: float | None = None
    is_all_at_once: bool = False
    message: str = ""
    by: str = ""


class RolloutAction(StrEnum):
    """What may be asked of a rollout: to stand still and to go on, from a failure too; to end where it is; to go back;
    and to go on with its next step."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    ROLLBACK = "rollback"
    PROMOTE = "promote"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutActionRequested(Requested):
    """`service` is empty for all of the stack's; `asked_by` is who, "" for the scheduler itself, which says why by
    `cause` and waits for no reply (`request_id` 0). `number` is the rollout that is meant, 0 for whichever there is."""

    stack: str
    action: RolloutAction
    service: str = ""
    number: int = 0
    asked_by: str = ""
    cause: str = ""


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
    """Back to the definition of revision `to`, or to the one before the present; core.stacks.history says what that is.

    `if_index` is the index that the stack must still have (0: it must be removed), or None for any.
    """

    name: str
    to: int | None = None
    with_instances: bool = False
    if_index: int | None = None
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillRequested(Requested):
    """Stop these tasks. Others take their places, unless `scale`: then their groups have so many fewer instances, and
    just these slots are given up."""

    tasks: tuple[TaskId, ...]
    scale: bool = False
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffResetRequested(Requested):
    """The failures of the groups that match are to be forgotten, so that they are tried again at once."""

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
    """What tasks of groups use that are scaled by their load; tasks of such groups that are not named told nothing."""

    tasks: tuple[TaskUsage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecRequested(Requested):
    """A command is to run where a task runs: its executor is to call `url`, where `key` opens the executor's end
    of the session for as long as that lasts."""

    task_id: TaskId
    url: str
    key: str


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
    | AgentFailed
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
