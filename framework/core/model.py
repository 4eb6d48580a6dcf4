"""The values that the scheduler stores and works on: specs, versions, tasks, rollouts, agents. All are frozen.

An `Instant` is seconds since 1970, by the loop's clock when the event was handled, unless an attribute says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from specs.ids import AgentId, ExecutorId, FrameworkId, GroupId, TaskId, VersionId
from specs.model.autoscale import Autoscale
from specs.model.constraints import Mode, Rules
from specs.model.declared import QUOTES, SECRET, WITHIN, quotes, says, secret, within
from specs.model.resources import Resources
from specs.model.routes import Route
from specs.model.stack import Container, Dependency, KillOrder, Restart, Retry, Unreachable
from specs.model.update import Update
from specs.states import Goal, Health, Readiness, TaskState

Instant = float


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The settings of a container and its resources, with the in-place settings (specs.model.in_place). Stored once for
    all groups of a stack that have them."""

    stack: str
    id: VersionId
    container: Container = field(metadata=says(WITHIN))
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """The desired state of a group: stored as a part of its StackSpec, and in `ClusterState.specs` while its stack has
    it."""

    id: GroupId
    #: The container hash and the in-place settings that its tasks shall have.
    version: VersionId
    #: The number of slots, also while it is stopped. Means nothing for a GLOBAL group: its slots are in
    #: `GroupIndex.wanted`.
    instances: int
    is_stopped: bool = False
    #: Counts the restarts that were requested: a task of an older generation is replaced.
    generation: int = 0
    restart: Restart = Restart.ALWAYS
    #: The delays after failures, and how many tasks of a slot may fail in a row.
    retry: Retry = Retry()
    #: The services that must run, be healthy or have completed before its tasks are launched.
    dependencies: tuple[Dependency, ...] = ()
    #: (name, value) pairs that Mesos and readers see as labels.
    metadata: tuple[tuple[str, str], ...] = secret(())
    mode: Mode = Mode.REPLICATED
    #: The constraints, spreads and neighbours that placement keeps to.
    rules: Rules = Rules()
    #: When the slot of an unreachable task gets another, and which of the two stays.
    unreachable: Unreachable = Unreachable()
    #: The pace of its rollouts.
    update: Update = Update()
    #: The pace of going back, None for that of `update`.
    rollback: Update | None = None
    #: Which tasks a scale-down stops first.
    kill_order: KillOrder = KillOrder.YOUNGEST
    routes: tuple[Route, ...] = ()
    #: The bounds and targets by which the load scales it, None where only people do.
    autoscale: Autoscale | None = None
    #: Counts the signals that its tasks shall have had: one that has had fewer gets one.
    signals: int = 0

    @property
    def wants_none(self) -> bool:
        """Whether none of its slots shall be filled. A GLOBAL group has instances, and wants none only while
        stopped."""
        return self.is_stopped or self.instances == 0

    def fitting(self, instances: int) -> int:
        """The number of instances within the bounds of its autoscale that is nearest to this one."""
        return self.autoscale.bounded(instances) if self.autoscale else instances


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSpec:
    """The desired state of a stack: stored, and in `ClusterState.stacks` until nothing of it is left."""

    name: str
    #: Sorted by id.
    groups: tuple[GroupSpec, ...] = field(metadata=says(WITHIN))
    #: Raised by every change. A stack of the same name goes on where its history ends.
    index: int
    #: When its definition was submitted or rolled back to, and by whom.
    submitted_at: Instant
    submitted_by: str = ""
    #: The reason that the submitter gave, for people.
    message: str = quotes("")
    #: Whether it is being removed: it stays until its last task has ended.
    is_removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One change of a stack's spec, as its history keeps it."""

    #: The stack's index after the change.
    number: int
    at: Instant
    #: The request: submit, scale, rollback, …
    command: str
    #: The difference as a phrase: "scaled web[prod] 4 → 6".
    text: str = field(metadata=says(QUOTES))
    #: Who requested it, and the reason given.
    by: str = ""
    message: str = quotes("")
    #: The services that it changed, sorted.
    services: tuple[str, ...] = ()
    #: The definition that a submit or a rollback gave the stack. None for any other change, and where it is no longer
    #: kept.
    groups: tuple[GroupSpec, ...] | None = within(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The changes of a stack's spec, oldest first. That of a removed stack is kept for a while."""

    stack: str
    revisions: tuple[Revision, ...] = field(metadata=says(WITHIN))

    @property
    def versions(self) -> tuple[VersionId, ...]:
        """The versions that its definitions name, each once."""
        named = (spec.version for revision in self.revisions for spec in revision.groups or ())
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The restart delay of a group's version after failures; core.state.backoff says how it grows and shrinks. It is
    stored with the ended task that caused it; `ClusterState.backoffs` has the newest of each version."""

    #: When the last failure was counted.
    at: Instant
    #: When launching may go on.
    until: Instant
    #: The length of the wait; its end may have been moved to now.
    delay_seconds: float
    #: The message of the last failure.
    cause: str = field(metadata=says(QUOTES))
    #: Failures since the wait last began at its first length.
    failures: int = 1
    #: Tries that failed in a way that trying again does not mend.
    tries: int = 0
    #: The agents of those tries.
    agents: tuple[AgentId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One attempt in a slot, stored. `ClusterState.tasks` has it; its GroupIndex has a living one in `living` and in
    one of `holders`, `surge` and `outgoing`, and an ended one in `ended`. Times are 0 until what they are about has
    happened."""

    id: TaskId
    group: GroupId
    #: Counts from 0.
    slot: int
    #: The number of this task among those of its slot, from 1.
    attempt: int
    #: The version of its container, with the in-place settings that it has now.
    version: VersionId
    #: The generation of the spec when it was launched.
    generation: int
    #: Our will: it goes from RUN to STOP, never back.
    goal: Goal
    #: The state that Mesos reported last, or INTENT (core.state.lifecycle).
    state: TaskState
    #: NONE where it has no health check.
    health: Health
    agent_id: AgentId
    hostname: str
    #: The address of the agent.
    address: str
    executor_id: ExecutorId
    #: In the order of the container's ports.
    host_ports: tuple[int, ...]
    #: When the intent to launch it was decided.
    launched_at: Instant
    #: When `state` became what it is.
    state_since: Instant
    #: When its container first ran, by the executor's clock where that reports it.
    running_since: Instant = 0.0
    #: When its end was reported.
    ended_at: Instant = 0.0
    #: Mesos's reason for `state`.
    reason: str = ""
    #: The last message of its executor, or of Mesos, for people.
    message: str = quotes("")
    #: None while it runs, and where its end has no code.
    exit_code: int | None = None
    #: The container and the path of the sandbox on the agent, "" until the executor has reported them.
    container_id: str = ""
    sandbox: str = ""
    #: The container's own addresses on stack networks.
    addresses: tuple[str, ...] = ()
    #: Why its goal is STOP, as a phrase; "" while it is RUN.
    stop_cause: str = ""
    #: Earlier tasks of the slot, newest first, whose container may still have been on the agent when this one was
    #: launched.
    predecessors: tuple[TaskId, ...] = ()
    #: Whether it takes over the container of its predecessor; otherwise it has that removed.
    adopts: bool = False
    #: Whether its executor died and its container may run on: another task may adopt it.
    is_orphaned: bool = False
    #: When its slot was given to another because it was unreachable, as long as it may have it back.
    replaced_at: Instant = 0.0
    #: The task whose slot this one takes over once it is ready, as long as that one still runs.
    beside: TaskId | None = None
    #: Since when it is ready, or was until it ended; 0 while it is not.
    ready_since: Instant = 0.0
    #: NONE where it has neither a readiness check nor a post_start.
    readiness: Readiness = Readiness.NONE
    #: A word of specs.permanence where it failed in a way that trying again does not mend, otherwise "".
    permanent: str = ""
    #: How many tasks of the slot have failed in a row, up to this one.
    failures: int = 0
    #: The wait of its version that its end began.
    backoff: Backoff | None = within(None)
    #: How many of its group's signals it has had, or came before it began.
    signals: int = 0
    #: Whether it was stopped so that its slot becomes what the spec wants, and not for a reason of its own.
    makes_way: bool = False
    #: Whether it counts as ready as before, although it has not passed a check that was changed as it ran.
    is_on_probation: bool = False
    #: Whether its container may be left on the agent, as its executor died and no later task was launched to adopt or
    #: remove it. Of a living task: it was launched to do that for an earlier one.
    is_left: bool = False
    #: Whether it does nothing but remove the containers of its predecessors (core.launch.container_sweep).
    sweeps: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether it runs and may get traffic: its checks succeed, or did so until they were changed."""
        return (
            self.state is TaskState.RUNNING
            and (self.is_on_probation or self.health in (Health.NONE, Health.HEALTHY))
            and (self.is_on_probation or self.readiness in (Readiness.NONE, Readiness.READY))
        )

    @property
    def has_failed_probation(self) -> bool:
        """Whether it is ready only because it was, and has failed its changed check as often as counts."""
        has_failed = self.health is Health.UNHEALTHY or self.readiness is Readiness.NOT_READY
        return self.is_ready and self.is_on_probation and has_failed

    @property
    def is_prepared(self) -> bool:
        """Whether its executor has reported that its post_start hooks are done, if it has any."""
        return self.is_on_probation or self.readiness in (Readiness.READY, Readiness.NOT_READY)


class RolloutKind(StrEnum):
    """Why a stack's tasks are replaced: its settings changed, a restart was requested, or a rollout goes back to what
    it replaced, by itself or on request. A stack that returns to an earlier revision of its history is an UPDATE."""

    UPDATE = "update"
    RESTART = "restart"
    ROLLBACK = "rollback"


class RolloutState(StrEnum):
    """The state of a rollout.

        RUNNING <--> PAUSED     somebody pauses all that is left, and resumes it
           ^
           +-------> FAILED     a group failed too often, or was too long without progress; resumed or not

        DONE                    every group is as desired
        ABORTED                 it ends as it is, on request
        ROLLED_BACK             a rollback has begun instead
        SUPERSEDED              a newer change of the stack has begun

    The last four are over. RUNNING, PAUSED and FAILED lead to each of them; ABORTED can be resumed while it is current.
    """

    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    DONE = "done"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled back"
    SUPERSEDED = "superseded"

    @property
    def is_over(self) -> bool:
        """Whether it has ended. One that was aborted can be resumed while it is current."""
        return self not in (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRollout:
    """The part of a rollout that is about one group. Stored in `Rollout.groups`."""

    group: GroupId
    #: How many steps of the group's update are behind it.
    step: int = 0
    #: Since when it is in this step.
    step_since: Instant = 0.0
    #: Failures of its new tasks since it began or was resumed.
    failures: int = 0
    #: When it was last resumed, 0 where it never was.
    resumed_at: Instant = 0.0
    #: Who paused it, as a sentence; "" where nobody did.
    paused: str = ""
    #: Why it failed, as a sentence; "" where it did not.
    problem: str = quotes("")
    #: Whether all its slots are as desired and have proved themselves.
    is_done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The replacement of a stack's tasks, under way or over. Stored in `Rollouts`, and so in
    `ClusterState.rollouts`."""

    stack: str
    #: The index of the stack with which it began.
    number: int
    kind: RolloutKind
    started_at: Instant
    started_by: str = ""
    #: The reason that was given, for people.
    message: str = quotes("")
    state: RolloutState = RolloutState.RUNNING
    #: Why it ended or failed, for people.
    cause: str = quotes("")
    ended_at: Instant = 0.0
    #: How long a new task must be ready before it counts, as requested; None for what the group's update says.
    wait_seconds: float | None = None
    #: Whether everything is replaced at once, as requested, whatever the groups say.
    is_all_at_once: bool = False
    #: The specs of the groups when the stack last was as desired: a rollback goes back to them.
    before: tuple[GroupSpec, ...] = within(())
    #: The groups that it changes, sorted by id.
    groups: tuple[GroupRollout, ...] = within(())

    def part(self, group: GroupId) -> GroupRollout | None:
        """The part of one group, None where that is not changed."""
        return next((part for part in self.groups if part.group == group), None)

    def was(self, group: GroupId) -> GroupSpec | None:
        """The spec of the group before the rollout, None where the group is new."""
        return next((spec for spec in self.before if spec.id == group), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts:
    """The rollouts of a stack, stored."""

    stack: str
    #: The newest one, until it is done or another begins; it may be aborted.
    current: Rollout | None = within(None)
    #: The ones before, newest first and bounded, without their `before`.
    past: tuple[Rollout, ...] = within(())


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFailures:
    """How often an agent has failed a group. It halves with time (core.state.agent_failures)."""

    group: GroupId
    #: The count at the time `at`: less than one failure where time has passed.
    count: float
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAgent:
    """The stored facts of an agent on which tasks were launched, in `ClusterState.agents`: what rules compare, and its
    failures. So the tasks of an agent count in their rack although the agent is not offered, and whatever has
    crashed."""

    id: AgentId
    hostname: str
    #: Of the fault domain, "" where it has none; so is `zone`.
    region: str = ""
    zone: str = ""
    #: (name, value) pairs, as the agent has them.
    attributes: tuple[tuple[str, str], ...] = ()
    #: Sorted by group. A count is forgotten when next to nothing is left of it, or when there are too many.
    failures: tuple[AgentFailures, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """The key of one request, the same for each try of it."""

    text: str
    #: A hash of the whole request: one key with two digests is a mistake of the client.
    digest: str = field(metadata=says(SECRET))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer to a request with a key that has changed something: another try of it gets the same one. Stored, and
    in `ClusterState.answers`."""

    key: RequestKey = field(metadata=says(WITHIN))
    #: The number of the answer, in the order in which they were given.
    number: int
    at: Instant
    #: This, `index` and `message` are as in core.commands.Done.
    changed: tuple[str, ...] = ()
    index: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Everything that the store holds."""

    framework_id: FrameworkId | None = None
    #: The next number for a task id, never given twice.
    next_serial: int = 1
    stacks: tuple[StackSpec, ...] = within(())
    versions: tuple[Version, ...] = within(())
    tasks: tuple[Task, ...] = within(())
    agents: tuple[KnownAgent, ...] = ()
    rollouts: tuple[Rollouts, ...] = within(())
    histories: tuple[History, ...] = within(())
    answers: tuple[Answered, ...] = within(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A status of a task, as Mesos reports it."""

    task_id: TaskId
    state: TaskState
    #: None where the master does not name it.
    agent_id: AgentId | None
    #: Where the agent waits for an acknowledgement, otherwise "".
    uuid: str = ""
    reason: str = ""
    #: Who made the status, and why: Mesos's words.
    source: str = ""
    message: str = quotes("")
    #: None where the status does not say; so is `is_ready`.
    is_healthy: bool | None = None
    is_ready: bool | None = None
    #: By the sender's clock.
    at: Instant = 0.0
    exit_code: int | None = None
    container_id: str = ""
    sandbox: str = ""
    addresses: tuple[str, ...] = ()
    #: When its container first ran, 0 where it did not before the status.
    running_since: Instant = 0.0
    #: As a Task's.
    permanent: str = ""
    #: The version whose in-place settings the task has, and the signals that it has had: None and 0 where the executor
    #: does not say.
    version: VersionId | None = None
    signals: int = 0
    is_on_probation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUsage:
    """The use of a task when it was last measured; None for what was not measured."""

    task_id: TaskId
    #: Thousandths of a cpu, the mean of some seconds.
    cpus_milli: int | None = None
    #: MiB.
    mem_mib: int | None = None
    #: The task's own metrics by which its group is scaled, (name, value) each.
    metrics: tuple[tuple[str, float], ...] = ()


class Mismatch(StrEnum):
    """A disagreement of the store and the master about so many tasks that an operator decides
    (core.converge.kill_guard)."""

    UNKNOWN_TASKS = "strangers"
    """Mesos runs many tasks that are not in the store, or had ended for it. The value is the word of the API."""
    MISSING = "missing"
    """The master does not know many tasks that the store holds as running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The configuration of the core."""

    #: The executor under which tasks run where no older one is kept and no reservation pays for it.
    executor_id: ExecutorId
    #: The resources that an executor takes on an agent, once.
    executor_resources: Resources
    #: Time between the first reason to place and the placement: events that come together count together.
    settle_seconds: float = 0.02
    #: Limit on the time that an offer is held.
    offer_hold_seconds: float = 5.0
    #: How long Mesos keeps declined resources from us while something still waits for a place.
    decline_again_seconds: float = 1.0
    #: How long it keeps them where nothing waits.
    decline_seconds: float = 3600.0
    #: Time-out for the first status of the executor after a launch: then the task is stopped.
    launch_timeout_seconds: float = 300.0
    #: How long a slot waits for the agent on which its container runs without an executor.
    adoption_seconds: float = 20.0
    #: Time after which a kill is sent again, beside the drain and the grace of the task.
    kill_retry_seconds: float = 10.0
    #: Time between two reconciliations of all tasks.
    reconcile_seconds: float = 600.0
    #: Limit on the ended tasks that are kept of a group, unless one of them is still needed.
    history_per_group: int = 5
    #: Limit on the definitions that the history of a stack keeps.
    revisions_kept: int = 20
    #: Limit on the tasks that a mismatch may end without an approval (core.converge.kill_guard).
    most_unapproved_kills: int = 10
    #: Time between the first sign of a mismatch and the decision about it.
    mismatch_seconds: float = 1.0
    #: Time-out for the answers to the reconciliation of a new subscription.
    answers_wait_seconds: float = 15.0
    #: Time before a maintenance window from which on its agent drains.
    maintenance_lead_seconds: float = 600.0
    #: Time-out for the master's list of agents after a subscription: then placing goes on without it.
    agents_wait_seconds: float = 3.0
    #: Time in which the count of failures of an agent halves.
    failure_half_life_seconds: float = 600.0
    #: Time-out for the place of a surge task: then its slot is changed stop-first, where the group allows that.
    no_place_seconds: float = 5.0
    #: Limit on the past rollouts that are kept of a stack.
    rollouts_kept: int = 20
