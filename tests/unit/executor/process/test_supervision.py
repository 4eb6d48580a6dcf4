"""Plain processes end with their task and with their executor, with all that they have started: real processes."""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from executor.core.events import Event, Exited
from executor.logs import Logs
from executor.process.processes import Processes
from executor.process.supervision.abandoned import end_abandoned
from executor.runtime import Fault
from executor.sandbox import Sandbox
from executor.terminal import ExecRequest
from specs.model.stack import CheckKind, Container, HealthCheck, Hook
from tests.kit.executor_talk import look, order
from tests.kit.processes import below, has_ended, parent_of, processes_of, within

ROOT = Path(__file__).parents[4]
FLEES = "setsid sh -c 'sleep 600 & exec sleep 600' & (setsid sleep 600 &); (trap '' TERM HUP INT; exec sleep 600) &"
"""Four that try to get away: by a session of their own, below one, by two forks, by deaf ears."""
FLED = 4
EXECUTOR = textwrap.dedent(
    """
    import os, queue, signal, sys, threading
    from pathlib import Path
    from executor.logs import Logs
    from executor.process.processes import Processes
    from executor.sandbox import Sandbox
    from executor.terminal import ExecRequest
    from specs.model.stack import Container, Hook
    from tests.kit.executor_talk import order

    sandbox = Sandbox(Path(sys.argv[1]))
    processes = Processes(sandbox, Logs(sandbox), queue.Queue().put)
    wanted = order(container=Container(command=("sh", "-c", sys.argv[2])))
    processes.create(wanted)
    (sandbox.root / "main").write_text(str(processes.start(wanted).pid))
    for work in (
        lambda: processes.execute(wanted, Hook(command=("sh", "-c", "setsid sleep 600 & exec sleep 600"))),
        lambda: processes.attach(wanted, ExecRequest(command=("sh", "-c", "setsid sleep 600 & exec sleep 600"))),
        lambda: processes.attach(wanted, ExecRequest(command=("sh", "-c", "exec sleep 600"), has_terminal=True)),
    ):
        threading.Thread(target=work, daemon=True).start()
    signal.pause()
    """
)
"""Has a process with a hook and two commands beside it; runs until it is killed."""
BESIDE = 5


class Place:
    """A program that runs one plain process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: queue.Queue[Event] = queue.Queue()
        sandbox = Sandbox(root)
        self.processes = Processes(sandbox, Logs(sandbox), self.events.put)
        self.order = order()

    def start(self, script: str, count: int = 1) -> int:
        """Starts a line of shell, and waits until so many processes run; returns the first one's number."""
        self.order = order(container=Container(command=("sh", "-c", script)))
        self.processes.create(self.order)
        pid = self.processes.start(self.order).pid
        assert within(20, lambda: len(self.alive()) == count), self.alive()
        return pid

    def alive(self) -> dict[int, str]:
        return processes_of(self.root)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.processes.remove(place.order)
    for pid in processes_of(tmp_path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has what an executor has."""
    command = [sys.executable, "-c", EXECUTOR, str(tmp_path), f"{FLEES} exec sleep 600"]
    process = subprocess.Popen(command, cwd=ROOT)
    wanted = 1 + FLED + BESIDE
    try:
        assert within(30, lambda: len(processes_of(tmp_path)) == wanted), processes_of(tmp_path)
        yield process
    finally:
        process.kill()
        process.wait()
        for pid in processes_of(tmp_path):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "end",
    [
        lambda place, _: (place.root / "go").write_text("\n"),
        lambda place, _: place.processes.signal(place.order, "SIGTERM"),
        lambda place, _: place.processes.signal(place.order, "SIGKILL"),
        lambda place, _: place.processes.remove(place.order),
        lambda _, pid: os.kill(pid, signal.SIGKILL),
    ],
    ids=["it ends", "TERM", "KILL", "it is removed", "it is killed by somebody"],
)
def test_nothing_that_a_process_has_started_outlives_it(place: Place, end: Callable[[Place, int], object]) -> None:
    os.mkfifo(place.root / "go")
    pid = place.start(f"{FLEES} read _ <{place.root}/go", FLED + 1)
    end(place, pid)
    assert isinstance(place.events.get(timeout=10), Exited)
    assert place.alive() == {}, "all is gone before the end is told"


def test_nothing_outlives_an_executor_that_is_killed(executor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    executor.kill()
    assert within(5, lambda: not processes_of(tmp_path)), processes_of(tmp_path)


def test_where_all_are_killed_at_once_the_next_executor_ends_what_is_left(
    executor: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    at_work = processes_of(tmp_path)
    helpers = [each for each in below(executor.pid) if each not in at_work]
    assert len(helpers) == 2, "the spawner and a supervisor"
    for pid in (executor.pid, *helpers):
        os.kill(pid, signal.SIGSTOP)
    assert end_abandoned() == 0, "the executor is still there"
    for pid in (executor.pid, *helpers):
        os.kill(pid, signal.SIGKILL)
    executor.wait()
    assert has_ended(int((tmp_path / "main").read_text())), "the process itself gets a SIGKILL from the kernel"
    assert len(processes_of(tmp_path)) >= FLED
    next_one = tmp_path / "next"
    next_one.mkdir()
    sandbox = Sandbox(next_one)
    Processes(sandbox, Logs(sandbox), queue.Queue[Event]().put).create(order())
    assert processes_of(tmp_path) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change what a process sees")
@pytest.mark.parametrize(
    "hides",
    [
        "import os, time; os.chroot('/proc/self/fdinfo'); time.sleep(600)",
        # It must not exec after that: in the middle of an exec a process has no environment to be known by.
        "import subprocess, time; subprocess.run(['mount', '-t', 'tmpfs', 'none', HERE], check=True); time.sleep(600)",
    ],
    ids=["chroot", "mounts of its own"],
)
def test_a_process_that_no_longer_sees_its_sandbox_is_not_taken_for_abandoned(place: Place, hides: str) -> None:
    hides = hides.replace("HERE", repr(str(place.root)))
    command = shlex.join(["unshare", "--mount", sys.executable, "-c", hides])
    pid = place.start(f"exec {command}")
    assert within(20, lambda: not Path(f"/proc/{pid}/root{place.root}/tasks").exists())
    assert end_abandoned() == 0
    assert place.alive()


def test_a_supervisor_that_is_killed_takes_its_task_along(place: Place) -> None:
    pid = place.start(f"{FLEES} exec sleep 600", FLED + 1)
    other = order("shop.web.2.1", Container(command=("sleep", "600")))
    place.processes.create(other)
    place.processes.start(other)
    os.kill(parent_of(pid), signal.SIGKILL)
    assert place.events.get(timeout=10) == Exited(task_id=place.order.task_id, exit_code=137)
    assert len(place.alive()) == 1, "that of the other task"
    assert place.processes.remove(place.order).exit_code == 137
    place.processes.signal(other, "SIGTERM")
    assert place.events.get(timeout=10) == Exited(task_id=other.task_id, exit_code=143)


def test_without_their_spawner_tasks_go_on_and_others_are_started(place: Place) -> None:
    pid = place.start(f"trap 'exit 3' TERM; {FLEES} sleep 600 & wait $!", FLED + 2)
    spawner = parent_of(parent_of(pid))
    os.kill(spawner, signal.SIGKILL)
    assert has_ended(spawner)
    assert place.processes.execute(place.order, Hook(command=("true",))).is_healthy
    other = order("shop.web.2.1", Container(command=("sh", "-c", "exit 4")))
    place.processes.create(other)
    place.processes.start(other)
    assert place.events.get(timeout=10) == Exited(task_id=other.task_id, exit_code=4)
    place.processes.signal(place.order, "SIGTERM")
    assert place.events.get(timeout=10) == Exited(task_id=place.order.task_id, exit_code=3)
    assert place.alive() == {}


def test_signals_to_spawner_and_supervisor_end_nothing(place: Place) -> None:
    pid = place.start("exec sleep 600")
    supervisor = parent_of(pid)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        for helper in (supervisor, parent_of(supervisor)):
            os.kill(helper, number)
    assert place.processes.execute(place.order, Hook(command=("true",))).is_healthy
    assert list(place.alive()) == [pid]


def test_what_runs_beside_a_process_leaves_nothing_when_it_ends_or_takes_too_long(place: Place) -> None:
    place.start("exec sleep 600")
    check = HealthCheck(kind=CheckKind.COMMAND, command=("sh", "-c", "sleep 600 & wait"), timeout_seconds=0.2)
    assert look(place.order, check, place.processes).message == "sh -c sleep 600 & wait: not done within 0.2 s"
    assert within(5, lambda: len(place.alive()) == 1)
    assert place.processes.execute(place.order, Hook(command=("sh", "-c", FLEES))).is_healthy
    assert within(5, lambda: len(place.alive()) == 1 + FLED), (
        "what a hook leaves belongs to the task, as in a container"
    )
    place.processes.attach(place.order, ExecRequest(command=("sh", "-c", "setsid sleep 600 & exec sleep 600")))
    assert within(5, lambda: len(place.alive()) == 1 + FLED + 2)
    place.processes.remove(place.order)
    assert place.alive() == {}
    outcome = place.processes.execute(place.order, Hook(command=("true",)))
    assert (outcome.is_healthy, outcome.message) == (False, f"{place.order.task_id} has ended")


def test_orphans_that_end_are_not_kept(place: Place) -> None:
    pid = place.start("for n in 1 2 3; do (setsid true &); done; exec sleep 600")
    assert within(5, lambda: below(parent_of(pid)) == [pid])


def test_a_program_gets_its_bytes_and_nothing_that_is_ours(place: Place) -> None:
    script = 'echo "$ODD"; ls /proc/self/fd | wc -w; kill -s PIPE $$'
    odd = b"\xff\xc3\xa4 ".decode(errors="surrogateescape") + "x" * 100_000
    place.order = order(container=Container(command=("sh", "-c", script), environment=(("ODD", odd),)))
    place.processes.create(place.order)
    place.processes.start(place.order)
    assert place.events.get(timeout=10) == Exited(task_id=place.order.task_id, exit_code=128 + signal.SIGPIPE)
    place.processes.remove(place.order)
    said = (place.root / f"{place.order.task_id}.stdout").read_bytes()
    assert said == odd.encode(errors="surrogateescape") + b"\n4\n"


def test_what_no_program_can_be_given_is_told(place: Place) -> None:
    outcome = start_beside(place, Hook(command=("sh", "-c", "a\0b")))
    assert outcome == "the process 'sh' could not be started: embedded null byte"
    assert start_beside(place, Hook(command=("true",), environment=(("A", "x" * 200_000),))) == (
        "the process 'true' could not be started: [Errno 7] Argument list too long: 'true'"
    )


def start_beside(place: Place, hook: Hook) -> str:
    if not place.alive():
        place.start("exec sleep 600")
    return place.processes.execute(place.order, hook).message


def test_a_spawner_that_cannot_be_started_is_no_fault_of_the_task(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(Fault, match=r"the spawner of processes could not be started: .*/no/such/python") as caught:
        place.start("true")
    assert caught.value.permanent == ""
