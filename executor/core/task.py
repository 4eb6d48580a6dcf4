"""A task as the executor's core knows it, and the verdict on its end.

The phases of a task. It goes right and down, can skip phases, and goes back only to pull an image that is missing:

    ordered, with predecessors     ordered (`pull: always` begins with PULLING)
        |                              |
     ADOPTING --NothingToAdopt--> CREATING --Created--> STARTING --Started--+
        |                          |    ^                                   |
        |               ImageMissing    Pulled                              |
        |                          v    |                                   v
        |                         PULLING                                RUNNING
        +--Adopted--------------------------------------------------------> |
                                                                            |  kill, shutdown, failed check or hook
     a failed operation, or an Exited in any phase ---------+            DRAINING   no new requests; some time for old
                                                            |               |  the drain is over
                                                            |            PRE_STOP   left out if there is no pre_stop
                                                            v               |  its hooks have ended, or the grace has
                                                         REMOVING <------ STOPPING  the signal; after the grace KILL
                                                            |      Exited
                                                            v  Removed
     nothing to remove: no image, nothing to adopt -----> ENDED

A kill before RUNNING cancels a pull; any other operation is answered first, and then the task is removed or stopped.
`starting` has the upper half of the graph, `check_schedule` the phase RUNNING, `stopping` the lower half. A task stays
in ENDED until the agent has acknowledged its last status.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from executor.core.health import Judge
from executor.core.order import Order
from executor.core.permanence import permanence_of_end
from executor.core.statuses import CheckStatus
from specs.model.stack import CheckKind
from specs.states import TaskState

LAUNCH_FAILED = "REASON_CONTAINER_LAUNCH_FAILED"
OUT_OF_MEMORY = "REASON_CONTAINER_LIMITATION_MEMORY"
UNHEALTHY = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
CHECKED = "REASON_TASK_CHECK_STATUS_UPDATED"
SHUT_DOWN = "REASON_EXECUTOR_TERMINATED"
INVALID = "REASON_TASK_INVALID"


class Phase(StrEnum):
    """The phase of a task. ADOPTING to STARTING, and REMOVING, wait for the answer to one operation."""

    ADOPTING = "adopting"
    PULLING = "pulling"
    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    #: Nobody new is sent to it; requests under way are given time.
    DRAINING = "draining"
    #: Its pre_stop runs.
    PRE_STOP = "pre_stop"
    STOPPING = "stopping"
    REMOVING = "removing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why we end a task, and with which final state, whatever its exit code is."""

    #: The terminal state that is reported.
    state: TaskState
    #: The reason in words, for users.
    message: str
    #: One of Mesos's REASON_… names, or "".
    reason: str = ""
    #: A word of specs.permanence if another attempt would fail in the same way, else "".
    permanent: str = ""


@dataclass(slots=True, kw_only=True)
class Task:
    """A task from its order until the agent has acknowledged its last status; `Context.tasks` has it for that long.

    All times are in seconds on the core's clock, None if nothing is due or has happened.
    """

    #: The launch order; an in-place update replaces its version, in-place settings and signals.
    order: Order
    #: Its phase; only starting, stopping and Context.end change it.
    phase: Phase
    #: TaskInfo as it came, until the agent has acknowledged a status; None from then on.
    unknown_to_agent: Mapping[str, Any] | None
    #: Why we end it and as what, set once; None while it is to run or ended by itself.
    verdict: Verdict | None = None
    #: The engine's id of its container; "" before that is created, and for a plain process.
    container_id: str = ""
    #: The process id of a plain process, else 0.
    pid: int = 0
    #: The IP addresses under which it is reached, once it runs.
    addresses: tuple[str, ...] = ()
    #: When it began to run; for an adopted container, in its first executor.
    started_at: float | None = None
    #: When its end was noticed.
    ended_at: float | None = None
    #: Whether an Exited came, in any phase.
    has_exited: bool = False
    #: 128 + n for signal n; None while it runs, or if the code is unknown.
    exit_code: int | None = None
    #: Whether the kernel killed it because of its memory limit.
    is_out_of_memory: bool = False
    #: Whether its container was started by an earlier executor.
    was_adopted: bool = False
    #: Whether its image was pulled for it: a second missing image is a failure.
    was_pulled: bool = False
    #: Deadline of the pull under way.
    pull_until: float | None = None
    #: When the progress of its pull was last sent to the scheduler.
    progress_sent_at: float | None = None
    #: Bytes pulled, and bytes in all as far as they are known.
    progress_bytes: tuple[int, int] = (0, 0)
    #: When KILL is due, while it is being stopped.
    kill_at: float | None = None
    #: When a failed removal is tried again.
    remove_at: float | None = None
    #: The state of its health check; None before RUNNING, or without a check.
    health: Judge | None = None
    #: The state of its readiness check; None until it is prepared, or without a check.
    readiness: Judge | None = None
    #: Whether all commands of post_start are done.
    is_prepared: bool = False
    #: Whether others are sent to it: its endpoint is published. core.readiness sets it.
    is_ready: bool = False
    #: When its endpoint was found nowhere any more; None if it is published or never was.
    withdrawn_at: float | None = None
    #: The number of its latest withdrawal: answers to earlier ones are ignored.
    withdrawal_serial: int = 0
    #: Deadline for the back ends to withdraw its endpoint, None unless that is under way.
    withdraw_until: float | None = None
    #: The number of its latest hook: answers to earlier ones are ignored.
    hook_serial: int = 0
    #: The number of post_start commands that are done; from PRE_STOP on, of pre_stop commands.
    hooks_done: int = 0
    #: Seconds from the start of pre_stop, or from the stop signal, to KILL; set when it is stopped.
    grace_seconds: float = 0.0
    #: Seconds from the withdrawal of its endpoint to the end of its drain; set when it is stopped.
    drain_seconds: float = 0.0
    #: Indexes of templates that have changed before it ran, in order.
    changed_templates: dict[int, None] = field(default_factory=dict)
    #: The fault of a template that does not render, "" if all do.
    template_fault: str = ""
    #: When its drain ends; None before the drain can begin.
    drain_until: float | None = None

    def forget_times(self) -> None:
        """Cancels everything that is due."""
        self.pull_until = self.kill_at = self.remove_at = self.drain_until = None
        for judge in (self.health, self.readiness):
            if judge is not None:
                judge.due_at = None

    @property
    def reported_ready(self) -> bool | None:
        """Readiness as its statuses report it: post_start is done and the readiness check succeeds. None if it has
        neither of them, or nothing is known yet."""
        container = self.order.container
        if container.ready is None and not container.post_start:
            return None
        if self.phase in (Phase.ADOPTING, Phase.PULLING, Phase.CREATING, Phase.STARTING):
            return None
        if self.phase is not Phase.RUNNING:
            return False
        if self.readiness is None:
            return True if self.is_prepared else None
        if self.readiness.is_on_probation:
            return self.readiness.is_healthy
        if not self.readiness.has_looked:
            return False if container.post_start else None
        return self.readiness.is_healthy is True

    @property
    def is_on_probation(self) -> bool:
        """Whether it is ready only because it was ready before it got a check that it has not passed since."""
        judges = (self.health, self.readiness)
        return self.is_ready and any(judge is not None and judge.is_on_probation for judge in judges)

    @property
    def check_status(self) -> CheckStatus | None:
        """Readiness in Mesos's form: the last outcome of the readiness check, or of post_start."""
        container = self.order.container
        if container.ready is not None:
            code = self.readiness.code if self.readiness is not None else None
            return CheckStatus(kind=container.ready.kind, code=code)
        if container.post_start:
            return CheckStatus(kind=CheckKind.COMMAND, code=0 if self.is_prepared else None)
        return None


def ending(task: Task, last_words: str) -> Verdict:
    """The verdict on a task whose container is gone."""
    ran_seconds = (task.ended_at or 0.0) - task.started_at if task.started_at is not None else None
    after = "" if ran_seconds is None else f" after {seconds(ran_seconds)}"
    words = f"; last line on stderr: {last_words}" if last_words else ""
    if task.verdict is not None:
        code = "" if task.exit_code is None or ran_seconds is None else f"; {exit_words(task.exit_code)}{after}"
        said = words if task.verdict.state is TaskState.FAILED else ""
        return replace(task.verdict, message=task.verdict.message + code + said)
    if task.is_out_of_memory:
        message = (
            f"out of memory{after}: the limit is {task.order.mem_mib} MiB, the kernel killed the task;"
            f" give it more memory{words}"
        )
        return Verdict(state=TaskState.FAILED, message=message, reason=OUT_OF_MEMORY)
    if task.exit_code is None:
        return Verdict(
            state=TaskState.FAILED, message=f"gone{after}: removed by somebody else, its exit code is unknown"
        )
    state = TaskState.FINISHED if task.exit_code == 0 else TaskState.FAILED
    return Verdict(
        state=state,
        message=f"{exit_words(task.exit_code)}{after}{words if task.exit_code else ''}",
        permanent=permanence_of_end(task.exit_code, last_words, ran_seconds or 0.0),
    )


def exit_words(exit_code: int) -> str:
    """`exit code 3`, `exit code 137 (SIGKILL)`."""
    try:
        return f"exit code {exit_code} ({signal.Signals(exit_code - 128).name})"
    except ValueError:
        return f"exit code {exit_code}"


def seconds(duration: float) -> str:
    """A duration for people: `0.4 s`, `12 s`, `3 min`, `5 h`, `4 d`."""
    if duration < 10:
        return f"{max(duration, 0.0):.1f} s"
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172800)):
        if duration < limit:
            return f"{duration / size:.0f} {unit}"
    return f"{duration / 86400:.0f} d"
