"""Plain processes: services with a command and no image.

Each has a session of its own, so that signals reach all of it. Memory and cpu are not limited: that is what containers
are for.
"""

from __future__ import annotations

import grp
import os
import pwd
import signal as signals
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import IO

from executor import terminal_beside
from executor.environment import environment
from executor.events import Created, Exited, Removed, Started, Vacant
from executor.logs import Logs
from executor.order import Order
from executor.permanence import permanence_of_error
from executor.runtime import CheckOutcome, Fault, Post, exit_message
from executor.sandbox import STREAMS, Sandbox
from executor.terminal import Wanted
from executor.terminal_beside import SYSTEM_PATH, Beside, Streams
from executor.workers import start_thread
from specs.ids import TaskId
from specs.permanence import Permanent
from specs.stack import Hook

DRAIN_SECONDS = 5.0
OUTPUT_BYTES = 4096
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ")
AS_THE_TASK = Wanted(command=())
"""What starts with this has the task's own user, directory and environment."""


class Processes:
    """A Runtime of plain processes."""

    def __init__(self, sandbox: Sandbox, logs: Logs, post: Post) -> None:
        self._sandbox = sandbox
        self._logs = logs
        self._post = post
        self._lock = threading.Lock()
        self._processes: dict[TaskId, subprocess.Popen[bytes]] = {}
        self._attached: dict[TaskId, list[Beside]] = {}

    def adopt(self, order: Order) -> Vacant:
        """Mesos ends an executor's processes with it, and whose number is whose is not known after that."""
        return Vacant(task_id=order.task_id)

    def create(self, order: Order) -> Created:
        try:
            self._sandbox.prepare(order.task_id)
        except OSError as error:
            raise Fault(f"the task's directory could not be made: {error}") from error
        return Created(task_id=order.task_id, container_id="")

    def start(self, order: Order) -> Started:
        container = order.container
        command = [*_limits(order), *(container.entrypoint or ()), *(container.command or ())]
        process = self._spawn(order, command, (subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE))
        with self._lock:
            self._processes[order.task_id] = process
        for stream, pipe in zip(STREAMS, (process.stdout, process.stderr), strict=True):
            assert pipe is not None
            self._logs.follow(order.task_id, os.dup(pipe.fileno()), stream)
            pipe.close()
        self._when_ended(
            process,
            # What it left running goes with it.
            lambda: self._send(process, signals.SIGKILL),
            lambda code: self._post(Exited(task_id=order.task_id, exit_code=code)),
        )
        addresses = (order.address,) if order.address else ()
        return Started(task_id=order.task_id, addresses=addresses, pid=process.pid)

    def signal(self, order: Order, signal: str) -> None:
        process = self._process(order)
        if process is not None:
            self._send(process, _number(signal))

    def remove(self, order: Order) -> Removed:
        process = self._process(order)
        code = None
        if process is not None:
            self._send(process, signals.SIGKILL)
            code = _exit_code(process.wait())
        with self._lock:
            self._processes.pop(order.task_id, None)
            attached = self._attached.pop(order.task_id, ())
        for beside in attached:
            beside.kill()
        words = self._logs.finish(order.task_id, DRAIN_SECONDS)
        return Removed(task_id=order.task_id, exit_code=code, last_words=words)

    def execute(self, order: Order, hook: Hook) -> CheckOutcome:
        """Runs a command beside the process, in its directory and with its environment."""
        with tempfile.TemporaryFile() as output:
            return self._execute(order, hook, output)

    def _execute(self, order: Order, hook: Hook, output: IO[bytes]) -> CheckOutcome:
        try:
            streams = (subprocess.DEVNULL, output.fileno(), subprocess.STDOUT)
            process = self._spawn(order, hook.command, streams, hook)
        except Fault as fault:
            return CheckOutcome(is_healthy=False, message=str(fault))
        try:
            code = _exit_code(process.wait(hook.timeout_seconds))
            output.seek(max(output.seek(0, os.SEEK_END) - OUTPUT_BYTES, 0))
            return CheckOutcome(is_healthy=code == 0, message=exit_message(code, output.read()), code=code)
        except subprocess.TimeoutExpired:
            self._send(process, signals.SIGKILL)
            process.wait()
            return CheckOutcome(is_healthy=False, message=f"not done within {hook.timeout_seconds:g} s")

    def attach(self, order: Order, wanted: Wanted) -> Beside:
        """Starts a command beside the process, in its directory and with its environment."""
        given = {"TERM": "xterm"} if wanted.has_terminal else {}
        owner, _, _ = _identity(wanted.user or order.container.user)
        beside = terminal_beside.start(
            wanted,
            lambda command, streams: self._spawn(order, command, streams, wanted, given, leads_session=False),
            owner,
        )
        with self._lock:
            has_ended = order.task_id not in self._processes
            if not has_ended:
                self._attached.setdefault(order.task_id, []).append(beside)
        self._when_ended(beside.process, beside.sweep, lambda code: self._detach(order.task_id, beside, code))
        if has_ended:
            beside.kill()
            raise Fault(f"{order.task_id} has ended")
        return beside

    def _detach(self, task_id: TaskId, beside: Beside, code: int) -> None:
        with self._lock:
            if beside in self._attached.get(task_id, ()):
                self._attached[task_id].remove(beside)
        beside.ended(code)

    def _spawn(
        self,
        order: Order,
        command: Sequence[str],
        streams: Streams,
        wishes: Hook | Wanted = AS_THE_TASK,
        given: Mapping[str, str] = MappingProxyType({}),
        *,
        leads_session: bool = True,
    ) -> subprocess.Popen[bytes]:
        """Starts a process as the task's user, in its directory and with its environment, where `wishes` names no
        others; `given` is what its environment may override. Raises Fault."""
        uid, gid, groups = _identity(wishes.user or order.container.user)
        stdin, stdout, stderr = streams
        try:
            return subprocess.Popen(
                list(command),
                bufsize=0,
                cwd=wishes.working_dir or self._directory(order),
                env={**given, **self._environment(order), **dict(wishes.environment or {})},
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=leads_session,
                user=uid,
                group=gid,
                extra_groups=groups,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise Fault(
                f"the process {(wishes.command or command)[0]!r} could not be started: {error}",
                permanent=permanence_of_error(error),
            ) from error

    def _process(self, order: Order) -> subprocess.Popen[bytes] | None:
        with self._lock:
            return self._processes.get(order.task_id)

    def _directory(self, order: Order) -> str:
        return order.container.working_dir or str(self._sandbox.directory(order.task_id))

    def _environment(self, order: Order) -> dict[str, str]:
        directory = str(self._sandbox.directory(order.task_id))
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {"PATH": SYSTEM_PATH, "HOME": directory} | inherited | environment(order, directory)

    def _when_ended(
        self, process: subprocess.Popen[bytes], sweep: Callable[[], None], told: Callable[[int], None]
    ) -> None:
        """Once it has ended, `sweep` is to kill what it left running, which has its number until it is reaped; then
        `told` is told its exit code. Both are called by another thread, and must not block."""

        def ended() -> None:
            try:
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
                sweep()
            except ChildProcessError:
                pass  # it was reaped by somebody else already
            told(_exit_code(process.wait()))

        try:
            self._logs.when_readable(os.pidfd_open(process.pid), ended)
        except OSError:  # a kernel before 5.3
            start_thread(f"wait-{process.pid}", ended)

    def _send(self, process: subprocess.Popen[bytes], number: int) -> None:
        if process.returncode is not None:
            return
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise Fault(f"the process {process.pid} could not be signalled: {error}") from error


def _exit_code(return_code: int) -> int:
    return return_code if return_code >= 0 else 128 - return_code


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
