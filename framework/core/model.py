"""What the scheduler knows and stores: specs, versions, tasks. All values are frozen.

An `Instant` is seconds since 1970 as the loop's clock told them with the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from specs.ids import AgentId, ExecutorId, FrameworkId, GroupId, TaskId, VersionId
from specs.model.autoscale import Autoscale
from specs.model.constraints import Mode, Rules
from specs.model.resources import Resources
from specs.model.routes import Route
from specs.model.stack import Container, Dependency, KillOrder, Restart, Retry, Unreachable
from specs.model.update import Update
from specs.states import Goal, Health, Readiness, TaskState

Instant = float


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The settings that containers of groups of a stack are made of, with the care that they are given
    (specs.model.in_place); stored once for all groups that have them."""

    stack: str
    id: VersionId
    container: Container
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """What is desired of a group. `instances` holds also while it is stopped; `generation` is raised by a restart, and
    `signals` when its tasks are to get a signal.

    A GLOBAL group has as many slots as there are agents on which it can run: `ClusterState.wanted` knows which.
    """

    id: GroupId
    version: VersionId
    instances: int
    is_stopped: bool = False
    generation: int = 0
    restart: Restart = Restart.ALWAYS
    retry: Retry = Retry()
    dependencies: tuple[Dependency, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    mode: Mode = Mode.REPLICATED
    rules: Rules = Rules()
    unreachable: Unreachable = Unreachable()
    update: Update = Update()
    rollback: Update | None = None
    kill_order: KillOrder = KillOrder.YOUNGEST
    routes: tuple[Route, ...] = ()
    autoscale: Autoscale | None = None
    signals: int = 0

    @property
    def wanted(self) -> int:
        """How many slots shall be filled now."""
        return 0 if self.is_stopped else self.instances

    def fitting(self, instances: int) -> int:
        """The nearest number of instances that it may have."""
        return self.autoscale.bounded(instances) if self.autoscale else instances


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSpec:
    """What is desired of a stack. `index` is raised by every change; groups are sorted by id."""

    name: str
    groups: tuple[GroupSpec, ...]
    index: int
    submitted_at: Instant
    submitted_by: str = ""
    message: str = ""
    is_removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A change of a stack's spec: `number` is the stack's index since then, `command` what was asked, `text` what it
    changed, as a phrase, in `services`. `groups` is the definition that a submit or a rollback gave the stack; None for
    any other change, and where it is no longer kept."""

    number: int
    at: Instant
    command: str
    text: str
    by: str = ""
    message: str = ""
    services: tuple[str, ...] = ()
    groups: tuple[GroupSpec, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What became of a stack's spec, oldest first; of a removed one it is kept for a while."""

    stack: str
    revisions: tuple[Revision, ...]

    @property
    def versions(self) -> tuple[VersionId, ...]:
        """Those that its definitions name, each once."""
        named = (spec.version for revision in self.revisions for spec in revision.groups or ())
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The wait of a group's version after failures; core.state.backoff says how it grows and goes down.

    `at` is when the last failure was counted, `until` when launching may go on; `delay_seconds` lies between the two.
    `failures` counts since the wait was last the first one; `cause` is what was said of the last. `tries` and `agents`
    are those that failed in a way that trying again does not mend.
    """

    at: Instant
    until: Instant
    delay_seconds: float
    cause: str
    failures: int = 1
    tries: int = 0
    agents: tuple[AgentId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One attempt in a slot. Times are Instants, 0 where it has not happened.

    `host_ports` are in the order of the container's ports; `addresses` what the executor says of the container's own.
    `stop_cause` says why its goal is STOP. `predecessors` are earlier tasks of the slot, newest first, whose container
    may still have been on the agent when this one was launched there; if it `adopts`, it takes that over, else it has
    it removed. `is_orphaned`: its executor died, and its container may run on. `replaced_at` is when its slot was given
    to another because it was unreachable, while it may have it back. `beside` is the task of its slot that this one was
    launched to follow, as long as that still runs. `ready_since`: it has been ready from then on,
    or was until it ended; 0 while it is not. `permanent` is a word of
    specs.permanence where it failed in a way that trying again does not mend. `failures` counts the tasks of the slot
    that failed in a row, up to this one. `backoff` is the wait that its end brought about. `version` is that of the
    care that it has by now; `signals` counts those of its group that it has had, or that were before it began.
    `makes_way`: it was stopped for its slot to become what is desired, and not for a reason of its own.
    `is_on_probation`: it is ready as before, though it has not passed a check that was changed as it ran.
    `is_left`: its executor died, and no later task was launched to take over or remove its container; while it lives:
    it was launched to do that for an earlier one. One that `sweeps` does nothing but remove what its predecessors have
    left (core.launch.container_sweep).
    """

    id: TaskId
    group: GroupId
    slot: int
    attempt: int
    version: VersionId
    generation: int
    goal: Goal
    state: TaskState
    health: Health
    agent_id: AgentId
    hostname: str
    address: str
    executor_id: ExecutorId
    host_ports: tuple[int, ...]
    launched_at: Instant
    state_since: Instant
    running_since: Instant = 0.0
    ended_at: Instant = 0.0
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    container_id: str = ""
    sandbox: str = ""
    addresses: tuple[str, ...] = ()
    stop_cause: str = ""
    predecessors: tuple[TaskId, ...] = ()
    adopts: bool = False
    is_orphaned: bool = False
    replaced_at: Instant = 0.0
    beside: TaskId | None = None
    ready_since: Instant = 0.0
    readiness: Readiness = Readiness.NONE
    permanent: str = ""
    failures: int = 0
    backoff: Backoff | None = None
    signals: int = 0
    makes_way: bool = False
    is_on_probation: bool = False
    is_left: bool = False
    sweeps: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether it runs, and others may be sent to it: all checks say so, or it was so when they were changed."""
        return (
            self.state is TaskState.RUNNING
            and (self.is_on_probation or self.health in (Health.NONE, Health.HEALTHY))
            and (self.is_on_probation or self.readiness in (Readiness.NONE, Readiness.READY))
        )

    @property
    def has_failed_probation(self) -> bool:
        """Whether it serves only because it did, and has failed its changed check as often as counts."""
        has_failed = self.health is Health.UNHEALTHY or self.readiness is Readiness.NOT_READY
        return self.is_ready and self.is_on_probation and has_failed

    @property
    def is_prepared(self) -> bool:
        """Whether its post_start, if it has any, were heard to be done."""
        return self.is_on_probation or self.readiness in (Readiness.READY, Readiness.NOT_READY)


class RolloutKind(StrEnum):
    """Why a stack's tasks are replaced: its settings changed, somebody asked for it, or a change failed."""

    UPDATE = "update"
    RESTART = "restart"
    ROLLBACK = "rollback"


class RolloutState(StrEnum):
    """RUNNING until everything is changed; PAUSED where somebody keeps all that is left from going on; FAILED where a
    group stands still after too many failures or too long without progress; and how it ended: DONE, ABORTED (it stays
    as it is), ROLLED_BACK, SUPERSEDED by a newer one."""

    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    DONE = "done"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled back"
    SUPERSEDED = "superseded"

    @property
    def is_over(self) -> bool:
        """Whether nothing follows any more."""
        return self not in (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRollout:
    """How far the change of one group is.

    `step` counts the steps of its update that are behind it, since `step_since`; `failures` those since the rollout
    began or was resumed, at `resumed_at`. `paused` says who keeps it from going on, `problem` why it failed.
    """

    group: GroupId
    step: int = 0
    step_since: Instant = 0.0
    failures: int = 0
    resumed_at: Instant = 0.0
    paused: str = ""
    problem: str = ""
    is_done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A change of a stack's tasks under way, or over. `number` is the index of the stack with which it began.

    `before` is what was desired when the stack last was as desired: what the rollout goes back to. `wait_seconds` and
    `is_all_at_once` were asked for with it, and hold instead of what the groups say. `cause` says how it ended.
    """

    stack: str
    number: int
    kind: RolloutKind
    started_at: Instant
    started_by: str = ""
    message: str = ""
    state: RolloutState = RolloutState.RUNNING
    cause: str = ""
    ended_at: Instant = 0.0
    wait_seconds: float | None = None
    is_all_at_once: bool = False
    before: tuple[GroupSpec, ...] = ()
    groups: tuple[GroupRollout, ...] = ()

    def part(self, group: GroupId) -> GroupRollout | None:
        """The part of one group, None where that is not changed."""
        return next((part for part in self.groups if part.group == group), None)

    def was(self, group: GroupId) -> GroupSpec | None:
        """What the group was before, None where it is new."""
        return next((spec for spec in self.before if spec.id == group), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts:
    """The rollouts of a stack: `current` is the newest one until it is done, or another begins; `past` those before,
    newest first, without what was before them."""

    stack: str
    current: Rollout | None = None
    past: tuple[Rollout, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFailures:
    """How often an agent has failed a group: `count` as it was `at` that Instant; it halves with time."""

    group: GroupId
    count: float
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAgent:
    """What is stored of an agent on which tasks were launched: what rules compare, and how it has done.

    Thus the tasks of an agent count in their rack although the agent is not offered, and whatever has crashed.
    """

    id: AgentId
    hostname: str
    region: str = ""
    zone: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    failures: tuple[AgentFailures, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """The name that an asker gave to one request, the same for each try of it. `digest` stands for all that was asked:
    two requests of one name and different digests are a mistake of the asker."""

    text: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request with a key that has changed something, and its answer: another try of it gets the same one. `number`
    counts them in the order in which they were answered; `at` is when."""

    key: RequestKey
    number: int
    at: Instant
    changed: tuple[str, ...] = ()
    index: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """All that the store holds. `next_serial` is the next number for a task id, never given twice."""

    framework_id: FrameworkId | None = None
    next_serial: int = 1
    stacks: tuple[StackSpec, ...] = ()
    versions: tuple[Version, ...] = ()
    tasks: tuple[Task, ...] = ()
    agents: tuple[KnownAgent, ...] = ()
    rollouts: tuple[Rollouts, ...] = ()
    histories: tuple[History, ...] = ()
    answers: tuple[Answered, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What Mesos says of a task: `uuid` where the agent waits for an acknowledgement, empty where it does not.

    `is_healthy` and `is_ready` are None where nothing was said; `permanent` is as a Task's. `at` is seconds since 1970
    by the sender's clock, and so is `running_since`, 0 where the container did not run before the status. `version`
    and `signals` are what the task has by now, None and 0 where the executor does not say; `is_on_probation` as a
    Task's.
    """

    task_id: TaskId
    state: TaskState
    agent_id: AgentId | None
    uuid: str = ""
    reason: str = ""
    source: str = ""
    message: str = ""
    is_healthy: bool | None = None
    is_ready: bool | None = None
    at: Instant = 0.0
    exit_code: int | None = None
    container_id: str = ""
    sandbox: str = ""
    addresses: tuple[str, ...] = ()
    running_since: Instant = 0.0
    permanent: str = ""
    version: VersionId | None = None
    signals: int = 0
    is_on_probation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUsage:
    """What a task used when it was last measured, None for what was not; `cpus_milli` is the mean of some seconds.

    `metrics` are those of its own that its group is scaled by.
    """

    task_id: TaskId
    cpus_milli: int | None = None
    mem_mib: int | None = None
    metrics: tuple[tuple[str, float], ...] = ()


class Mismatch(StrEnum):
    """What the store and the master disagree about, in so many tasks that an operator decides
    (core.converge.kill_guard)."""

    UNKNOWN_TASKS = "strangers"
    """Mesos runs many tasks that are not in the store, or had ended for it. The value is the word of the API."""
    MISSING = "missing"
    """The master does not know many tasks that the store holds as running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the core is configured with; seconds where it says so."""

    executor_id: ExecutorId
    executor_resources: Resources
    settle_seconds: float = 0.02
    offer_hold_seconds: float = 5.0
    decline_again_seconds: float = 1.0
    decline_seconds: float = 3600.0
    launch_timeout_seconds: float = 300.0
    adoption_seconds: float = 20.0
    kill_retry_seconds: float = 10.0
    reconcile_seconds: float = 600.0
    history_per_group: int = 5
    revisions_kept: int = 20
    kill_guard: int = 10
    mismatch_seconds: float = 1.0
    answers_wait_seconds: float = 15.0
    maintenance_lead_seconds: float = 600.0
    agents_wait_seconds: float = 3.0
    failure_half_life_seconds: float = 600.0
    no_place_seconds: float = 5.0
    rollouts_kept: int = 20
