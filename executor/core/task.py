"""One task as the executor's core knows it, and the words for its end."""

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
    """Where a task is; each but those from RUNNING to STOPPING, and ENDED, waits for the answer to one operation."""

    ADOPTING = "adopting"
    PULLING = "pulling"
    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    """Nobody new is sent to it, and those that were are given time."""
    PRE_STOP = "pre_stop"
    """Its pre_stop runs."""
    STOPPING = "stopping"
    REMOVING = "removing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why a task is brought to its end by us, and as what it ends, whatever its exit code will be. `permanent` is a
    word of specs.permanence where trying again would not mend it."""

    state: TaskState
    message: str
    reason: str = ""
    permanent: str = ""


@dataclass(slots=True, kw_only=True)
class Task:
    """A task between its order and the acknowledgement of its last status. Times on the core's clock."""

    order: Order
    phase: Phase
    unknown_to_agent: Mapping[str, Any] | None
    """TaskInfo as it came, until the agent has acknowledged a status."""
    verdict: Verdict | None = None
    container_id: str = ""
    pid: int = 0
    """A plain process's."""
    addresses: tuple[str, ...] = ()
    started_at: float | None = None
    ended_at: float | None = None
    has_exited: bool = False
    exit_code: int | None = None
    is_out_of_memory: bool = False
    was_adopted: bool = False
    was_pulled: bool = False
    pull_until: float | None = None
    progress_told_at: float | None = None
    progress_bytes: tuple[int, int] = (0, 0)
    kill_at: float | None = None
    """When KILL is due, if it is being stopped."""
    remove_at: float | None = None
    """When a failed removal is tried again."""
    health: Judge | None = None
    readiness: Judge | None = None
    is_prepared: bool = False
    """Whether all of its post_start are done."""
    is_ready: bool = False
    withdrawn_at: float | None = None
    """When it ceased to be ready, having been ready before, and nobody could find it any more."""
    withdrawal_serial: int = 0
    withdraw_until: float | None = None
    """How long it is waited for that nobody can find it, None where that is not under way."""
    hook_serial: int = 0
    hooks_done: int = 0
    """Of post_start, and from PRE_STOP on of pre_stop."""
    grace_seconds: float = 0.0
    """Between the beginning of pre_stop, or the stop signal, and KILL; set when it is to stop."""
    drain_seconds: float = 0.0
    """Between when nobody was sent to it any more and the end of its drain; set when it is to stop."""
    changed_templates: dict[int, None] = field(default_factory=dict)
    """Those that have changed before it ran."""
    template_fault: str = ""
    """Why a template of it is not as it should be."""
    drain_until: float | None = None
    """When its drain ends; None while it is waited for that it can begin."""

    def forget_times(self) -> None:
        """Nothing is due any more."""
        self.pull_until = self.kill_at = self.remove_at = self.drain_until = None
        for judge in (self.health, self.readiness):
            if judge is not None:
                judge.due_at = None

    @property
    def says_ready(self) -> bool | None:
        """What its statuses say beside its health: whether its post_start are done and its readiness check finds it
        ready; None where it has neither, or nothing is known yet."""
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
        """Whether it is ready only because it was, and has not passed a check that it was given since."""
        judges = (self.health, self.readiness)
        return self.is_ready and any(judge is not None and judge.is_on_probation for judge in judges)

    @property
    def check_status(self) -> CheckStatus | None:
        """The same as Mesos has it: the last outcome of the readiness check, or that of post_start."""
        container = self.order.container
        if container.ready is not None:
            code = self.readiness.code if self.readiness is not None else None
            return CheckStatus(kind=container.ready.kind, code=code)
        if container.post_start:
            return CheckStatus(kind=CheckKind.COMMAND, code=0 if self.is_prepared else None)
        return None


def ending(task: Task, last_words: str) -> Verdict:
    """As what a task ends whose container is gone, and what is said of it."""
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
