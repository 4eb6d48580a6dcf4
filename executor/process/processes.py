"""Plain processes: services with a command and no image.

Each has a session of its own, so that signals reach all of it, and a supervisor, so that nothing of it outlives the
task or the executor (executor.process.supervision). Memory and cpu are not limited: that is what containers are for.
"""

from __future__ import annotations

import grp
import os
import pwd
import signal as signals
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import IO, TypeVar

from executor.core.events import Created, Exited, NothingToAdopt, Removed, Started
from executor.core.order import Order
from executor.core.permanence import permanence_of_error
from executor.environment import environment
from executor.logs import Logs
from executor.process import process_terminal
from executor.process.process_terminal import SYSTEM_PATH, ProcessTerminal
from executor.process.supervision.abandoned import end_abandoned
from executor.process.supervision.handles import Process, Spawner, TaskProcess
from executor.process.supervision.kernel import Streams
from executor.process.supervision.pipes import Pipe, nothing
from executor.process.supervision.wire import Program
from executor.runtime import CheckOutcome, Fault, Post, exit_message
from executor.sandbox import STREAMS, Sandbox
from executor.terminal import ExecRequest
from specs.ids import TaskId
from specs.model.stack import Hook
from specs.permanence import Permanent

P = TypeVar("P", bound=Process)

DRAIN_SECONDS = 5.0
OUTPUT_BYTES = 4096
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ")
AS_THE_TASK = ExecRequest(command=())
"""Starts a program with the task's own user, directory and environment."""


class Processes:
    """A Runtime of plain processes."""

    def __init__(self, sandbox: Sandbox, logs: Logs, post: Post) -> None:
        self._sandbox = sandbox
        self._logs = logs
        self._post = post
        self._spawner = Spawner()
        self._lock = threading.Lock()
        self._processes: dict[TaskId, TaskProcess] = {}
        self._sweeping = threading.Lock()
        self._has_swept = False

    def sweep(self) -> None:
        """Ends the processes of executors that are no more, once."""
        with self._sweeping:
            if not self._has_swept:
                end_abandoned()
            self._has_swept = True

    def adopt(self, order: Order) -> NothingToAdopt:
        """A process ends with its executor, so there is none."""
        return NothingToAdopt(task_id=order.task_id)

    def create(self, order: Order) -> Created:
        self.sweep()
        try:
            self._sandbox.prepare(order.task_id)
        except OSError as error:
            raise Fault(f"the task's directory could not be made: {error}") from error
        return Created(task_id=order.task_id, container_id="")

    def start(self, order: Order) -> Started:
        container = order.container
        command = [*_limits(order), *(container.entrypoint or ()), *(container.command or ())]
        with nothing() as empty, Pipe() as out, Pipe() as errors:
            streams = (empty, out.theirs, errors.theirs)
            process = _start(command[0], lambda: self._spawner.start(self._program(order, command), streams))
            for stream, pipe in zip(STREAMS, (out, errors), strict=True):
                self._logs.follow(order.task_id, pipe.take(), stream)
        with self._lock:
            self._processes[order.task_id] = process
        self._when_ended(process, lambda code: self._post(Exited(task_id=order.task_id, exit_code=code)))
        addresses = (order.address,) if order.address else ()
        return Started(task_id=order.task_id, addresses=addresses, pid=process.pid)

    def signal(self, order: Order, signal: str) -> None:
        process = self._process(order)
        number = _number(signal)
        try:
            if process is not None:
                process.signal(number)
        except PermissionError as error:
            raise Fault(f"the process {process.pid if process else 0} could not be signalled: {error}") from error

    def remove(self, order: Order) -> Removed:
        process = self._process(order)
        code = None
        if process is not None:
            process.end()
            code = process.wait()
        with self._lock:
            self._processes.pop(order.task_id, None)
        words = self._logs.finish(order.task_id, DRAIN_SECONDS)
        return Removed(task_id=order.task_id, exit_code=code, last_words=words)

    def execute(self, order: Order, hook: Hook) -> CheckOutcome:
        """Runs a command beside the process, in its directory and with its environment."""
        with tempfile.TemporaryFile() as output:
            try:
                return self._execute(order, hook, output)
            except Fault as fault:
                return CheckOutcome(is_healthy=False, message=str(fault))

    def _execute(self, order: Order, hook: Hook, output: IO[bytes]) -> CheckOutcome:
        with nothing() as empty:
            streams = (empty, output.fileno(), output.fileno())
            process = self._start_beside(order, hook.command[0], self._program(order, hook.command, hook), streams)
        code = process.wait(hook.timeout_seconds)
        if code is None:
            process.end()
            process.wait()
            return CheckOutcome(is_healthy=False, message=f"not done within {hook.timeout_seconds:g} s")
        output.seek(max(output.seek(0, os.SEEK_END) - OUTPUT_BYTES, 0))
        return CheckOutcome(is_healthy=code == 0, message=exit_message(code, output.read()), code=code)

    def attach(self, order: Order, request: ExecRequest) -> ProcessTerminal:
        """Starts a command beside the process, in its directory and with its environment."""
        given = {"TERM": "xterm"} if request.has_terminal else {}
        owner, _, _ = _identity(request.user or order.container.user)

        def spawn(command: Sequence[str], streams: Streams) -> Process:
            program = self._program(order, command, request, given)
            program = program._replace(leads_session=False, ends_session=True)
            return self._start_beside(order, request.command[0], program, streams)

        beside = process_terminal.start(request, spawn, owner)
        self._when_ended(beside.process, beside.ended)
        return beside

    def _start_beside(self, order: Order, name: str, program: Program, streams: Streams) -> Process:
        """Starts a command under the supervisor of the order's process. Raises Fault."""
        beside = self._process(order)
        if beside is None:
            raise Fault(f"{order.task_id} has ended")
        return _start(name, lambda: beside.start_beside(program, streams))

    def _program(
        self,
        order: Order,
        command: Sequence[str],
        overrides: Hook | ExecRequest = AS_THE_TASK,
        given: Mapping[str, str] = MappingProxyType({}),
    ) -> Program:
        """The program for a command, with the user, directory and environment of `overrides`, or else the task's;
        `given` are variables that its environment can override. Raises Fault."""
        uid, gid, groups = _identity(overrides.user or order.container.user)
        return Program(
            command=list(command),
            directory=overrides.working_dir or self._directory(order),
            environment={**given, **self._environment(order), **dict(overrides.environment or {})},
            user=uid,
            group=gid,
            groups=groups,
        )

    def _process(self, order: Order) -> TaskProcess | None:
        with self._lock:
            return self._processes.get(order.task_id)

    def _directory(self, order: Order) -> str:
        return order.container.working_dir or str(self._sandbox.directory(order.task_id))

    def _environment(self, order: Order) -> dict[str, str]:
        directory = str(self._sandbox.directory(order.task_id))
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {"PATH": SYSTEM_PATH, "HOME": directory} | inherited | environment(order, directory)

    def _when_ended(self, process: Process, notify: Callable[[int], None]) -> None:
        """Has another thread call `notify` with the exit code once it has ended; it must not block."""

        def ended() -> None:
            code = process.wait()
            assert code is not None, "there is no time-out"
            notify(code)

        try:
            self._logs.when_readable(process.end_descriptor(), ended)
        except OSError:  # its end is known already
            ended()


def _start(name: str, start: Callable[[], P]) -> P:
    """Starts a process; says in Faults which one could not be."""
    try:
        return start()
    except (OSError, ValueError) as error:
        message = f"the process {name!r} could not be started: {error}"
        raise Fault(message, permanent=permanence_of_error(error)) from error


def _number(name: str) -> int:
    """The number of `SIGTERM`, `TERM` or `15`."""
    if name.isdigit():
        return int(name)
    try:
        return signals.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise Fault(f"the stop signal: wanted a signal's name such as SIGTERM, got {name!r}") from None


def _identity(user: str) -> tuple[int | None, int | None, list[int] | None]:
    """User, group and further groups of `name`, `uid`, `name:group` or `uid:gid`; None leaves the executor's own."""
    if not user:
        return None, None, None
    name, _, group = user.partition(":")
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
        uid, gid, known = entry.pw_uid, entry.pw_gid, entry.pw_name
    except KeyError:
        if not name.isdigit():
            message = f"user {name!r} is not known on this agent: create it there or name another"
            raise Fault(message, permanent=Permanent.BAD_USER) from None
        uid, gid, known = int(name), int(name), ""
    if group:
        try:
            gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
        except KeyError:
            message = f"group {group!r} is not known on this agent: create it there or name another"
            raise Fault(message, permanent=Permanent.BAD_USER) from None
    return uid, gid, os.getgrouplist(known, gid) if known else [gid]


def _limits(order: Order) -> list[str]:
    """Limits have to hold before the program starts, and a fork with code of ours in between is not safe with threads:
    prlimit, of util-linux, sets them."""
    limits = [f"--{limit.name}={limit.soft}:{limit.hard}" for limit in order.container.ulimits]
    return ["prlimit", *limits] if limits else []
