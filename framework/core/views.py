"""What readers see: an immutable picture of the scheduler, swapped in by the loop after it has worked.

Reading never enters the core. The API, the pages and `plan` take everything from a View.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from framework.core.model import (
    Answered,
    Backoff,
    GroupSpec,
    Instant,
    Mismatch,
    Revision,
    RolloutKind,
    Rollouts,
    RolloutState,
    StackSpec,
    Task,
    Version,
)
from framework.core.state.backoff import countdown
from framework.core.state.group_index import is_stale
from framework.core.state.task_stories import Entry
from placement.agent import Agent
from specs.ids import FrameworkId, GroupId, TaskId, VersionId, is_same_make
from specs.model.resources import Resources
from specs.model.stack import Container
from specs.model.update import OnFailure
from specs.states import Goal, TaskState


class Connection(StrEnum):
    """Where the scheduler stands: reading its store, seeking a master, or subscribed to one."""

    LOADING = "loading"
    CONNECTING = "connecting"
    SUBSCRIBED = "subscribed"


class GroupState(StrEnum):
    """One word for a group: every slot ready; some not yet; a rollout is not done with it; stopped by spec; its last
    tasks ending; finished; all as it will be, with slots that were given up."""

    RUNNING = "running"
    WAITING = "waiting"
    CHANGING = "changing"
    STOPPED = "stopped"
    REMOVING = "removing"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A slot that is not filled, and why: `cause` is a sentence for people; `until` an Instant, 0 if unknown."""

    slot: int
    cause: str
    until: Instant = 0.0
    backoff: Backoff | None = None
    """What it waits for, where that is the end of a back-off."""
    is_final: bool = False
    """Whether it was given up: it is not filled before somebody asks for it."""

    def sentence(self, now: Instant) -> str:
        """The cause as of now: with what is left of a wait."""
        if self.backoff is not None and now < self.until:
            return countdown(self.backoff, now)
        return self.cause + (f" (in {self.until - now:.0f} s)" if now < self.until else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    stage: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupProgress:
    """How far rollout `number` is with a group. `changed` of `total` slots are as desired and ready.

    `step` is the one of `steps` that it is in, from 1; 0 where it is in none. `cause` says what is waited for, "" once
    it is done; `until` is when that is over, and `deadline_at` when the rollout fails without progress; 0 where there
    is no such time.
    """

    number: int
    kind: RolloutKind
    state: RolloutState
    step: int
    steps: tuple[str, ...]
    changed: int
    total: int
    failures: int
    most_failures: int
    on_failure: OnFailure
    problem: str = ""
    cause: str = ""
    until: Instant = 0.0
    deadline_at: Instant = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What was last thought of the number of a group that is scaled by its load: how many it wants, bounds aside."""

    at: Instant
    wants: int
    sentence: str


@dataclass(frozen=True, kw_only=True)
class GroupView:
    """A group: its spec and settings, live tasks by slot, ended ones (newest first), and unfilled slots."""

    spec: GroupSpec
    container: Container
    resources: Resources
    state: GroupState
    tasks: tuple[Task, ...]
    ended: tuple[Task, ...]
    waiting: tuple[Waiting, ...]
    wanted: int
    """How many slots shall be filled now; of a GLOBAL group the number of agents on which it can run."""
    stories: Mapping[TaskId, tuple[Entry, ...]] = field(default_factory=dict)
    """What this leader has seen of each task, oldest first."""
    stall: str = ""
    """Why replacing its tasks does not go on now, "" where it does, or nothing is to be replaced."""
    waits: Mapping[TaskId, str] = field(default_factory=dict)
    """The tasks that are to go and are still there: why each is, and what that waits for (core.read.overdue)."""
    progress: GroupProgress | None = None
    """How far the stack's rollout is with it, None where that changes nothing of it."""
    refused_by: tuple[str, ...] = ()
    """The rules by which its waiting slots found no place when that was last told."""
    scaling: Scaling | None = None
    """None where it is not scaled by its load, and before that was measured first."""

    def is_outdated(self, task: Task) -> bool:
        """Whether the task runs on until another takes its place; one that is told to stop already does not."""
        if task.goal is Goal.STOP or self.state is GroupState.REMOVING:
            return False
        return not is_same_make(task.version, self.spec.version) or task.generation < self.spec.generation

    @cached_property
    def outdated(self) -> int:
        """How many tasks run on until others take their places."""
        return sum(self.is_outdated(task) for task in self.tasks)

    @cached_property
    def stopping(self) -> int:
        """How many tasks were told to stop and have not ended; without those that cannot be reached now."""
        return sum(task.goal is Goal.STOP and task.state is not TaskState.UNREACHABLE for task in self.tasks)

    def is_applying(self, task: Task) -> bool:
        """Whether the task runs on, and its executor has not said yet that it has what is new for it."""
        return self.state is not GroupState.REMOVING and task.state.is_lively and is_stale(task, self.spec)

    @cached_property
    def applying(self) -> int:
        """To how many tasks something is being applied in place."""
        return sum(self.is_applying(task) for task in self.tasks)

    @cached_property
    def on_probation(self) -> int:
        """How many tasks serve as before, and have not passed a check that was changed."""
        return sum(task.is_on_probation and task.is_ready and task.goal is Goal.RUN for task in self.tasks)

    @cached_property
    def states(self) -> Mapping[str, int]:
        """How many tasks are in each state, by the state's name."""
        return dict(sorted(Counter(task.state.value for task in self.tasks).items()))

    @cached_property
    def ready(self) -> int:
        """How many tasks are ready and are the ones that are desired."""
        return sum(task.is_ready and task.goal is Goal.RUN and not self.is_outdated(task) for task in self.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackView:
    spec: StackSpec
    groups: tuple[GroupView, ...]
    rollouts: Rollouts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """What became of a stack's spec, oldest first, and the versions that its definitions name."""

    revisions: tuple[Revision, ...]
    versions: Mapping[VersionId, Version]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """An agent. `offered` is what we hold of it in offers now, None where that is nothing; `unavailable` why it is
    avoided, "" where it is not; `penalties` the points it loses with groups that it has failed lately."""

    agent: Agent
    offered: Resources | None = None
    unavailable: str = ""
    penalties: Mapping[GroupId, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """A decision about many tasks that waits for an operator's approval."""

    mismatch: Mismatch
    #: How many tasks it is about: an approval for fewer is refused.
    number: int
    #: All of them.
    tasks: tuple[TaskId, ...]
    #: What was found and what to do about it, for people.
    sentence: str
    #: What an approval brings about, as a clause: "they are stopped".
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that readers may see. `problem` is empty, or says what keeps the scheduler from its work."""

    at: Instant = 0.0
    connection: Connection = Connection.LOADING
    problem: str = ""
    framework_id: FrameworkId | None = None
    master: str = ""
    stacks: Mapping[str, StackView]
    agents: Mapping[str, AgentView]
    progress: Mapping[TaskId, Progress]
    region: str = ""
    """The master's, "" where it has none."""
    executor: Resources = Resources()
    """What an executor takes on an agent, once."""
    agents_problem: str = ""
    """Why the master did not tell its agents when it was last asked; "" where it did."""
    store_problem: str = ""
    """What keeps the store from being reached; `problem` has it too."""
    approval_requests: tuple[ApprovalRequest, ...] = ()
    """What waits for an operator; `problem` has their sentences too."""
    executor_id: str = ""
    """The executor under which new tasks run where there is none of its version."""
    is_upgrading_executors: bool = False
    """Whether older executors are being replaced by the current one."""
    upgrading_agent: str = ""
    """The host name of the agent where that is done now, "" between two agents."""
    agents_to_upgrade: int = 0
    """The number of agents still to be upgraded."""
    executor_upgrade_problem: str = ""
    """Why the last upgrade failed, "" where it did not."""
    histories: Mapping[str, HistoryView] = field(default_factory=dict)
    """By stack; of removed ones too, as far as they are kept."""
    answers: Mapping[str, Answered] = field(default_factory=dict)
    """Requests that have changed something, by their keys."""


EMPTY = View(stacks={}, agents={}, progress={})
