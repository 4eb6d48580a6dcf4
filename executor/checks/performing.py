"""Performs checks and hooks: the request to a task, and its answer in words."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from executor.checks.probes import CheckTarget, Done, Probes
from executor.core.order import Order
from executor.core.port_bindings import binding
from executor.metrics.histogram import Histogram
from executor.runtime import CheckOutcome, Runtime
from executor.workers import Workers
from specs.model.stack import CheckKind, HealthCheck, Hook

CHECK_THREADS = 8
HOOK_THREADS = 16
LATE_SECONDS = 1.0
LATE_AGAIN_SECONDS = 60.0

log = logging.getLogger("executor.checks.performing")


class Checks:
    """Has checks and hooks performed: over the network by one thread, commands by a few. `clock` is the core's; in
    `delays` it is noted how late they begin."""

    def __init__(self, delays: Histogram, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lateness = Lateness(delays, clock)
        self._probes = Probes(self._lateness.note)
        self._commands = Workers("check", CHECK_THREADS)
        self._hooks = Workers("hook", HOOK_THREADS)

    def check(self, order: Order, check: HealthCheck, runtime: Runtime, due_at: float, done: Done) -> None:
        """One check, which takes at most about its timeout; `done` is called from some thread, perhaps at once."""
        if check.kind is CheckKind.COMMAND:
            self._commands.submit(lambda: done(self._command(order, check, runtime, due_at)))
            return
        bound = binding(order, check.port)
        if bound is None:
            names = ", ".join(port.name for port in order.container.ports) or "none"
            message = f"the check wants the port {check.port!r}, the service's ports are: {names}"
            done(CheckOutcome(is_healthy=False, message=message))
            return
        self._probes.submit(CheckTarget(address=bound.address, port=bound.host_port, check=check), due_at, done)

    def hook(self, order: Order, hook: Hook, runtime: Runtime, done: Done) -> None:
        """Runs one command of post_start or pre_stop."""
        self._hooks.submit(lambda: done(_ran(order, hook, runtime)))

    def _command(self, order: Order, check: HealthCheck, runtime: Runtime, due_at: float) -> CheckOutcome:
        self._lateness.note(self._clock() - due_at)
        return _ran(order, Hook(command=check.command, timeout_seconds=check.timeout_seconds), runtime)


class Lateness:
    """The lateness of checks: counted, and logged now and then if it is too large."""

    def __init__(self, delays: Histogram, clock: Callable[[], float]) -> None:
        self._delays = delays
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_at = -LATE_AGAIN_SECONDS

    def note(self, seconds: float) -> None:
        """A check began so long after it was due."""
        with self._lock:
            self._delays.note(seconds)
        if seconds < LATE_SECONDS:
            return
        now = self._clock()
        with self._lock:
            if now < self._logged_at + LATE_AGAIN_SECONDS:
                return
            self._logged_at = now
        log.warning("checks are late, this one by %.1f s: too many hang, or this agent is short of cpu", seconds)


def _ran(order: Order, hook: Hook, runtime: Runtime) -> CheckOutcome:
    try:
        outcome = runtime.execute(order, hook)
    except Exception as error:
        log.exception("a command of %s met an error of the executor's own", order.task_id)
        outcome = CheckOutcome(is_healthy=False, message=f"the executor failed: {error!r}")
    shown = hook.command[2:] if hook.command[:2] == ("/bin/sh", "-c") else hook.command
    message = f"{' '.join(shown)[:80]}: {outcome.message}"
    return CheckOutcome(is_healthy=outcome.is_healthy, message=message, code=outcome.code)
