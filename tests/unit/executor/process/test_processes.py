"""Plain processes, logs and the sandbox: real processes of the test's own."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executor import sandbox as boxes
from executor.core.events import Event, Exited
from executor.core.order import Order
from executor.logs import Logs
from executor.process.processes import Processes
from executor.runtime import Fault
from executor.sandbox import Sandbox, is_abandoned
from executor.terminal import ExecRequest, Terminal
from executor.workers import Workers
from specs.ids import TaskId
from specs.model.stack import CheckKind, Container, HealthCheck, Port, Ulimit
from tests.kit.executor_talk import look, order
from tests.kit.processes import has_ended, within


class Place:
    """A sandbox with all that runs processes in it."""

    def __init__(self, root: Path) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.sandbox = Sandbox(root)
        self.logs = Logs(self.sandbox)
        self.processes = Processes(self.sandbox, self.logs, self.events.put)

    def start(self, script: str, **settings: object) -> Order:
        container = Container(command=("sh", "-c", script), **settings)  # type: ignore[arg-type]
        wanted = order(container=container)
        self.processes.create(wanted)
        self.processes.start(wanted)
        return wanted

    def log(self, stream: str) -> str:
        return self.sandbox.log(order().task_id, stream).read_text()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.processes.remove(order())


def test_a_process_runs_in_its_own_directory_with_its_environment(place: Place) -> None:
    wanted = place.start(
        "pwd; echo \"$FRAMEWORK_STACK $X\"; echo first >&2; printf 'last\\twords\\n' >&2; exit 3",
        environment=(("X", "1"),),
    )
    assert place.events.get(timeout=10) == Exited(task_id=wanted.task_id, exit_code=3)
    removed = place.processes.remove(wanted)
    assert (removed.exit_code, removed.last_words) == (3, "last words")
    assert place.log("stdout") == f"{place.sandbox.directory(wanted.task_id)}\nshop 1\n"
    assert place.log("stderr") == "first\nlast\twords\n"


def test_a_signal_reaches_all_of_it_and_its_code_is_told(place: Place) -> None:
    wanted = place.start("sleep 600 & echo $!; wait")
    assert within(5, lambda: place.log("stdout").endswith("\n"))
    place.processes.signal(wanted, "SIGTERM")
    assert place.events.get(timeout=10) == Exited(task_id=wanted.task_id, exit_code=143)
    place.processes.remove(wanted)
    assert has_ended(int(place.log("stdout")))


def test_what_a_process_leaves_running_goes_with_it(place: Place) -> None:
    wanted = place.start("sleep 600 & echo $!")
    assert isinstance(place.events.get(timeout=10), Exited)
    assert place.processes.remove(wanted).exit_code == 0
    assert has_ended(int(place.log("stdout")))


def test_limits_hold_and_the_user_is_taken(place: Place) -> None:
    wanted = place.start("ulimit -n; id -u; id -g", ulimits=(Ulimit(name="nofile", soft=77, hard=99),), user="nobody:7")
    place.events.get(timeout=10)
    place.processes.remove(wanted)
    assert place.log("stdout") == "77\n65534\n7\n"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"user": "nobody-here"}, "user 'nobody-here' is not known on this agent"),
        ({"user": "nobody:no-group"}, "group 'no-group' is not known on this agent"),
        ({"working_dir": "/proc/no/such"}, "could not be started: .*No such file"),
    ],
)
def test_a_process_that_cannot_start_says_why(place: Place, settings: dict[str, str], words: str) -> None:
    with pytest.raises(Fault, match=words):
        place.start("true", **settings)


def test_what_is_gone_is_gone(place: Place) -> None:
    place.processes.signal(order(), "SIGTERM")
    assert place.processes.remove(order()).exit_code is None


def test_a_check_by_command_says_what_came_back(place: Place) -> None:
    wanted = place.start("sleep 600")

    def check(script: str) -> tuple[bool, str]:
        settings = HealthCheck(kind=CheckKind.COMMAND, command=("sh", "-c", script), timeout_seconds=0.5)
        outcome = look(wanted, settings, place.processes)
        return outcome.is_healthy, outcome.message

    assert check("exit 0") == (True, "sh -c exit 0: exit code 0")
    assert check("exit 4") == (False, "sh -c exit 4: exit code 4")
    assert check("sleep 60") == (False, "sh -c sleep 60: not done within 0.5 s")
    place.processes.remove(wanted)


def said_by(terminal: Terminal) -> dict[str, bytes]:
    """All that a command writes, and its exit code, once it has ended."""
    said: dict[str, bytes] = {}
    for stream, data in terminal.output():
        said[stream] = said.get(stream, b"") + data
    said["exit"] = b"%d" % terminal.exit_code()
    terminal.close()
    return said


def in_shell(script: str, **settings: Any) -> ExecRequest:
    return ExecRequest(command=("sh", "-c", script), **settings)


def test_a_command_beside_a_process_has_what_that_has_and_input_if_it_wants(place: Place) -> None:
    wanted = place.start("sleep 600", environment=(("X", "1"),), user="nobody:7")
    where = place.sandbox.directory(wanted.task_id)
    script = "pwd; echo $X $Y; id -u; id -g; cat; echo bad >&2; exit 7"
    said = f"{where}\n1\n65534\n7\n".encode()
    assert said_by(place.processes.attach(wanted, in_shell(script))) == {
        "stdout": said,
        "stderr": b"bad\n",
        "exit": b"7",
    }
    settings = {"user": "root", "working_dir": "/", "environment": {"X": "2", "Y": "3"}}
    terminal = place.processes.attach(wanted, in_shell(script, has_input=True, **settings))
    content = os.urandom(300_000)

    def write() -> None:
        terminal.write(content)
        terminal.end_input()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert said_by(terminal)["stdout"] == b"/\n2 3\n0\n0\n" + content
    writer.join(10)


def test_a_command_beside_a_process_has_a_terminal_of_its_own(place: Place) -> None:
    wanted = place.start("sleep 600")
    screen = place.processes.attach(wanted, ExecRequest(command=("sh",), has_terminal=True, rows=30, columns=100))
    screen.resize(31, 101)
    screen.write(b"sh -c 'stty size; echo $TERM; tty; exec sleep 600'\n")
    output = screen.output()
    seen = b""
    while b"\r\n/dev/pts/" not in seen:
        seen += next(output)[1]
    assert b"31 101\r\nxterm\r\n" in seen
    screen.write(b"\x03")
    screen.write(b"(exit 5)\n")
    screen.end_input()
    assert list(output)[-1][0] == "stdout"
    assert screen.exit_code() == 5
    screen.close()


def test_what_a_command_beside_leaves_in_its_session_goes_with_it(place: Place) -> None:
    wanted = place.start("sleep 600")
    # A shell with a terminal gives what runs in the background a group of its own.
    script = "set -m; sleep 600 & echo $! $(ps -o pgid= -p $!)"
    said = said_by(place.processes.attach(wanted, in_shell(f"{script}; exit 3", has_terminal=True)))
    left, group = said["stdout"].split()
    assert (left, said["exit"]) == (group, b"3")
    assert has_ended(int(left))
    killed = place.processes.attach(wanted, in_shell(f"{script}; wait", has_terminal=True))
    output = killed.output()
    left = b""
    while not left.endswith(b"\n"):
        left += next(output)[1]
    killed.kill()
    assert (list(output), killed.exit_code()) == ([], 137)
    assert has_ended(int(left.split()[0]))


def test_a_command_beside_a_process_ends_with_that(place: Place) -> None:
    wanted = place.start("sleep 600")
    terminal = place.processes.attach(wanted, in_shell("echo up; sleep 600"))
    output = terminal.output()
    assert next(output) == ("stdout", b"up\n")
    place.processes.remove(wanted)
    assert (list(output), terminal.exit_code()) == ([], 137)
    with pytest.raises(Fault, match="has ended"):
        place.processes.attach(wanted, in_shell("sleep 600"))


@pytest.mark.parametrize("has_terminal", [False, True])
def test_a_command_beside_that_cannot_be_started_says_why(place: Place, has_terminal: bool) -> None:
    wanted = place.start("sleep 600")
    for command, code, words in (("no-such", 127, b"No such file"), ("/etc/passwd", 126, b"Permission denied")):
        said = said_by(place.processes.attach(wanted, ExecRequest(command=(command,), has_terminal=has_terminal)))
        assert said["exit"] == b"%d" % code
        assert words in said["stdout" if has_terminal else "stderr"]
    for bad in (
        ExecRequest(command=("true",), user="nobody-here"),
        ExecRequest(command=("true",), working_dir="/proc/no/such"),
    ):
        with pytest.raises(Fault, match=r"not known on this agent|No such file or directory: '/proc/no/such'"):
            place.processes.attach(wanted, replace(bad, has_terminal=has_terminal))


def test_checks_of_ports_say_what_was_asked_and_what_came_back(place: Place) -> None:
    wanted = order(container=Container(command=("x",), ports=(Port(name="http", container_port=0),)), host_ports=(1,))
    wanted = Order(**{name: getattr(wanted, name) for name in wanted.__slots__} | {"address": "127.0.0.1"})
    for kind, words in ((CheckKind.HTTP, "GET http://127.0.0.1:1/x"), (CheckKind.TCP, "connection to 127.0.0.1:1")):
        outcome = look(wanted, HealthCheck(kind=kind, path="/x"), place.processes)
        assert (outcome.is_healthy, outcome.message) == (False, f"{words}: connection refused")
    outcome = look(wanted, HealthCheck(kind=CheckKind.TCP, port="htpp"), place.processes)
    assert outcome.message == "the check wants the port 'htpp', the service's ports are: http"


def test_logs_are_cut_at_their_limit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "LOG_BYTES", 1000)
    task_id = TaskId("t")
    place.sandbox.prepare(task_id)
    for letter in b"abc":
        place.sandbox.append(task_id, "stdout", bytes([letter]) * 600, at=0.0)
    assert place.sandbox.log(task_id, "stdout").read_bytes() == b"c" * 600
    assert place.sandbox.log(task_id, "stdout").with_name("t.stdout.1").read_bytes() == b"a" * 600 + b"b" * 600


def test_only_the_last_ended_tasks_keep_their_logs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "KEPT_ENDED_TASKS", 2)
    for name in "abc":
        place.sandbox.prepare(TaskId(name))
        place.sandbox.ended(TaskId(name))
    assert [place.sandbox.log(TaskId(name), "stderr").exists() for name in "abc"] == [False, True, True]
    assert sorted(path.name for path in (place.sandbox.root / "tasks").iterdir()) == ["b", "c"]


def test_an_executors_lock_says_that_it_lives(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    assert not is_abandoned(str(sandbox.root))
    assert is_abandoned(str(tmp_path / "gone"))
    del sandbox
    assert is_abandoned(str(tmp_path))


def test_the_engines_frames_are_taken_apart_wherever_they_are_cut(place: Place) -> None:
    task_id = order().task_id
    place.sandbox.prepare(task_id)
    data = b"\1\0\0\0\0\0\0\3out" + b"\2\0\0\0\0\0\0\4err\n" + b"\1\0\0\0\0\0\0\2!\n"
    reader, writer = os.pipe()
    place.logs.follow(task_id, reader)
    for byte in data:
        os.write(writer, bytes([byte]))
    os.close(writer)
    assert place.logs.finish(task_id, 5) == "err"
    assert (place.log("stdout"), place.log("stderr")) == ("out!\n", "err\n")


def test_output_that_does_not_end_is_given_up(place: Place) -> None:
    reader, writer = os.pipe()
    place.logs.follow(order().task_id, reader, "stderr")
    assert place.logs.finish(order().task_id, 0.05) == ""
    os.close(writer)


def test_workers_take_the_urgent_first() -> None:
    workers, done = Workers("test", 1), queue.Queue[int]()
    gate: queue.Queue[None] = queue.Queue()
    workers.submit(lambda: gate.get())
    for priority in (3, 1, 2, 1):
        workers.submit(lambda priority=priority: done.put(priority), priority)  # type: ignore[misc]
    gate.put(None)
    assert [done.get(timeout=5) for _ in range(4)] == [1, 1, 2, 3]
