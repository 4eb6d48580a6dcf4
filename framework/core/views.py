"""The views that readers get: an immutable picture of the scheduler, swapped in by the loop after it has worked.

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
from framework.core.volatile import Connection, Progress, Scaling
from placement.agent import Agent
from specs.ids import FrameworkId, GroupId, TaskId, VersionId, is_same_container
from specs.model.resources import Resources
from specs.model.stack import Container
from specs.model.update import OnFailure
from specs.states import Goal, TaskState


class GroupState(StrEnum):
    """The state of a group in one word."""

    #: Every slot is ready, or has finished while others are ready.
    RUNNING = "running"
    #: Some slots are not ready, and no rollout is the reason.
    WAITING = "waiting"
    #: A rollout is not done with it.
    CHANGING = "changing"
    #: It shall have no tasks, and its last one has ended.
    STOPPED = "stopped"
    #: It is in no spec any more, and its last tasks are ending.
    REMOVING = "removing"
    #: Every slot has finished.
    FINISHED = "finished"
    #: Nothing more happens by itself: the version has failed permanently, or slots have used up their retries.
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A slot that is not filled, and why."""

    slot: int
    #: A sentence for people.
    cause: str
    #: When the cause ends, 0 where that is not known.
    until: Instant = 0.0
    #: The back-off that it waits for, None where the cause is another.
    backoff: Backoff | None = None
    #: Whether it is not filled again before somebody asks for it.
    is_final: bool = False
    #: Whether it fits on no agent: `cause` counts the agents by the rule that they do not meet.
    is_unplaced: bool = False

    def sentence(self, now: Instant) -> str:
        """The cause, with the rest of the wait as of now."""
        if self.backoff is not None and now < self.until:
            return countdown(self.backoff, now)
        return self.cause + (f" (in {self.until - now:.0f} s)" if now < self.until else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupProgress:
    """The progress of a rollout with one group."""

    #: The number of the rollout.
    number: int
    kind: RolloutKind
    state: RolloutState
    #: The step that it is in, from 1; 0 where it is in none.
    step: int
    #: The group's steps, as texts.
    steps: tuple[str, ...]
    #: How many slots are as desired and ready.
    changed: int
    #: How many slots the group has.
    total: int
    #: Failures since it began or was resumed, and how many of them are allowed.
    failures: int
    most_failures: int
    on_failure: OnFailure
    #: Why it failed, "" where it did not.
    problem: str = ""
    #: Why it does not go on now, "" once it is done.
    cause: str = ""
    #: When that is over, 0 where it has no such time.
    until: Instant = 0.0
    #: When the rollout fails without progress, 0 where it has no deadline now.
    deadline_at: Instant = 0.0


@dataclass(frozen=True, kw_only=True)
class GroupView:
    """A group, as readers see it."""

    spec: GroupSpec
    #: The settings and resources of the version that is desired.
    container: Container
    resources: Resources
    state: GroupState
    #: The living tasks, by slot.
    tasks: tuple[Task, ...]
    #: The ended tasks that are kept, newest first.
    ended: tuple[Task, ...]
    #: The slots that are not filled, by slot.
    waiting: tuple[Waiting, ...]
    #: How many slots shall be filled now; of a GLOBAL group the number of agents on which it can run.
    wanted: int
    #: The entries of the story of each task, oldest first, as far as this leader has seen it.
    stories: Mapping[TaskId, tuple[Entry, ...]] = field(default_factory=dict)
    #: Why replacing its tasks does not go on now, "" where it does, or nothing must be replaced.
    stall: str = ""
    #: The tasks that must go and are still there: why each must, and what that waits for (core.read.overdue).
    waits: Mapping[TaskId, str] = field(default_factory=dict)
    #: The progress of the stack's rollout with it, None where that changes nothing of it.
    progress: GroupProgress | None = None
    #: The rules that left its waiting slots without a place when that was last published.
    refused_by: tuple[str, ...] = ()
    #: None where it is not scaled by its load, and before the first measurement.
    scaling: Scaling | None = None

    def is_outdated(self, task: Task) -> bool:
        """Whether the task runs on until another takes its place. One whose goal is STOP already does not."""
        if task.goal is Goal.STOP or self.state is GroupState.REMOVING:
            return False
        return not is_same_container(task.version, self.spec.version) or task.generation < self.spec.generation

    @cached_property
    def outdated(self) -> int:
        """How many tasks run on until others take their places."""
        return sum(self.is_outdated(task) for task in self.tasks)

    @cached_property
    def stopping(self) -> int:
        """How many tasks shall stop and have not ended, without those that cannot be reached now."""
        return sum(task.goal is Goal.STOP and task.state is not TaskState.UNREACHABLE for task in self.tasks)

    def is_applying(self, task: Task) -> bool:
        """Whether the task runs on, and its executor has not confirmed its in-place update."""
        return self.state is not GroupState.REMOVING and task.state.is_lively and is_stale(task, self.spec)

    @cached_property
    def applying(self) -> int:
        """How many tasks are being updated in place."""
        return sum(self.is_applying(task) for task in self.tasks)

    @cached_property
    def on_probation(self) -> int:
        """How many tasks count as ready although they have not passed a check that was changed."""
        return sum(task.is_on_probation and task.is_ready and task.goal is Goal.RUN for task in self.tasks)

    @cached_property
    def states(self) -> Mapping[str, int]:
        """How many tasks are in each state, by the state's name."""
        return dict(sorted(Counter(task.state.value for task in self.tasks).items()))

    @cached_property
    def ready(self) -> int:
        """How many tasks are ready and shall run on as they are."""
        return sum(task.is_ready and task.goal is Goal.RUN and not self.is_outdated(task) for task in self.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackView:
    spec: StackSpec
    #: Sorted by id: groups of its spec, and former ones whose last tasks are ending.
    groups: tuple[GroupView, ...]
    #: None where none has begun since it was submitted.
    rollouts: Rollouts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """The history of a stack, oldest first."""

    revisions: tuple[Revision, ...]
    #: The versions that its definitions name.
    versions: Mapping[VersionId, Version]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """An agent, as readers see it."""

    agent: Agent
    #: The resources that we hold of it in offers now, None where we hold none.
    offered: Resources | None = None
    #: Why placement avoids it, as a phrase; "" where it does not.
    unavailable: str = ""
    #: The points that it loses in placement with each group that it has failed lately.
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
    """Everything that readers see. A view never changes: the loop swaps in a new one."""

    #: When it was built.
    at: Instant = 0.0
    connection: Connection = Connection.LOADING
    #: Everything that keeps the scheduler from its work, in sentences; "" where nothing does.
    problem: str = ""
    #: None until Mesos has given one.
    framework_id: FrameworkId | None = None
    #: The address of the leading master, host:port; "" before the first subscription.
    master: str = ""
    #: By name.
    stacks: Mapping[str, StackView]
    #: By agent id.
    agents: Mapping[str, AgentView]
    #: Of the tasks that are starting.
    progress: Mapping[TaskId, Progress]
    #: The region of the master, "" where it has none.
    region: str = ""
    #: The resources that an executor takes on an agent, once.
    executor: Resources = Resources()
    #: Why the master's list of agents could not be read; "" where it could.
    agents_problem: str = ""
    #: Why the store cannot be reached; `problem` has it too.
    store_problem: str = ""
    #: The decisions that wait for an operator; `problem` has their sentences too.
    approval_requests: tuple[ApprovalRequest, ...] = ()
    #: The executor under which new tasks run where none of its version runs.
    executor_id: str = ""
    #: Whether older executors are being replaced by the current one.
    is_upgrading_executors: bool = False
    #: The host name of the agent where that is done now, "" between two agents.
    upgrading_agent: str = ""
    #: The number of agents still to be upgraded.
    agents_to_upgrade: int = 0
    #: Why the last upgrade failed, "" where it did not.
    executor_upgrade_problem: str = ""
    #: By stack; of removed stacks too, as long as they are kept.
    histories: Mapping[str, HistoryView] = field(default_factory=dict)
    #: Requests that have changed something, by their keys.
    answers: Mapping[str, Answered] = field(default_factory=dict)


EMPTY = View(stacks={}, agents={}, progress={})
