"""framework exec"""

from __future__ import annotations

import base64
import contextlib
import os
import queue
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from typing import Any

import click

from framework.cli.faults import CommandFault
from framework.cli.options import complete_tasks, with_server
from framework.cli.retrying import NoScheduler
from framework.cli.server import Answer, RequestRefused, Server, path_of
from framework.cli.story import is_task
from framework.exits import CliExit

_READ_BYTES = 16 * 1024
_HELD = 16


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("-t", "--terminal", is_flag=True, help="Give the command a terminal: this one.")
@click.option("-i", "--input", "has_input", is_flag=True, help="Hand standard input to it. -t does so, too.")
@click.option("-u", "--user", default="", metavar="USER", help="Run it as another user than the task's.")
@click.option("-w", "--workdir", default="", metavar="DIR", help="Run it in another directory than the task's.")
@click.option("-e", "--env", "environment", multiple=True, metavar="NAME=TEXT", help="Set a variable for it.")
@click.argument("task", metavar="TASK|GROUP", shell_complete=complete_tasks)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@with_server
def exec(  # noqa: A001
    terminal: bool,
    has_input: bool,
    user: str,
    workdir: str,
    environment: tuple[str, ...],
    task: str,
    command: tuple[str, ...],
    server: Server,
    as_json: bool,  # noqa: ARG001
) -> None:
    """Run a command in the container of a task, or beside its process where it has none.

    TASK is an id or the number at its end, or a group of which just one task runs. Options stand before it; the command
    after it, or after --. Standard output and standard error come where they belong (with -t there is only one), and
    the exit code is the command's. Ctrl-C without -t ends the command.
    """
    if terminal and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandFault("-t wants a terminal on both sides, and there is none here. Leave it out.", CliExit.USAGE)
    # `exec TASK -- ls -l`: what comes before the task are our options already.
    command = command[1:] if command[0] == "--" else command
    if not command:
        raise click.UsageError("no command is given: framework exec TASK -- COMMAND")
    columns, rows = shutil.get_terminal_size()
    name = _task(server, task)
    asked = {
        "command": list(command),
        "terminal": terminal,
        "input": terminal or has_input,
        "user": user,
        "working_dir": workdir,
        "environment": dict(_variable(text) for text in environment),
    }
    begun = server.post(
        path_of("tasks", name, "exec"), asked | ({"rows": rows, "columns": columns} if terminal else {})
    )
    session = _Session(server, begun["key"])
    with _raw_terminal(session) if terminal else contextlib.nullcontext():
        if terminal or has_input:
            threading.Thread(target=_read_input, args=(session,), daemon=True).start()
        code = session.run()
    click.get_current_context().exit(code)


def _task(server: Server, what: str) -> str:
    """The id of the task that is meant."""
    if is_task(what):
        return what
    found = [str(task["id"]) for task in server.get("/v1/tasks", pattern=what)["tasks"] if task["state"] == "RUNNING"]
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandFault(f"No task runs in {what}. `framework ps {what}` shows what there is.", CliExit.REFUSED)
    some = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
    raise CommandFault(f"{len(found)} tasks run in {what}: {some}. Name one of them.", CliExit.USAGE)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.UsageError(f"-e wants NAME=TEXT; got {text!r}")
    return name, value


class _Session:
    """This end of the session. What goes in is sent by a thread of its own."""

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._beside = server.beside()
        self._key = key
        self._out: queue.Queue[Answer] = queue.Queue(_HELD)
        threading.Thread(target=self._send, daemon=True).start()

    def say(self, line: Answer, *, waits: bool = True) -> None:
        """Sends a line; where many wait already it waits, or raises queue.Full."""
        self._out.put(line, block=waits)

    def run(self) -> int:
        """Shows what comes until the command has ended; its exit code."""
        for line in self._server.lines(path_of("exec", self._key, "output")):
            if "exit" in line:
                return int(line["exit"])
            if "error" in line:
                raise CommandFault(f"The command could not be run: {line['error']}.", CliExit.REFUSED)
            stream = sys.stderr if line["stream"] == "stderr" else sys.stdout
            stream.buffer.write(base64.b64decode(line["data"]))
            stream.buffer.flush()
        raise NoScheduler("The scheduler ended the session before the command had ended. Another one may lead by now.")

    def _send(self) -> None:
        while True:
            lines = [self._out.get()]
            with contextlib.suppress(queue.Empty):
                lines.append(self._out.get_nowait())
            try:
                self._beside.post_lines(path_of("exec", self._key, "input"), lines)
            except (NoScheduler, RequestRefused):
                return  # the session is over, and the other thread says why


def _read_input(session: _Session) -> None:
    while data := os.read(_input_descriptor(), _READ_BYTES):
        session.say({"data": base64.b64encode(data).decode()})
    session.say({"end": True})


def _input_descriptor() -> int:
    return sys.stdin.fileno()


@contextlib.contextmanager
def _raw_terminal(session: _Session) -> Iterator[None]:
    """This terminal is the command's: each key goes there, Ctrl-C too, and so does each new size."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def resized(*_: Any) -> None:
        columns, rows = shutil.get_terminal_size()
        with contextlib.suppress(queue.Full):
            session.say({"rows": rows, "columns": columns}, waits=False)

    earlier = signal.signal(signal.SIGWINCH, resized)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        signal.signal(signal.SIGWINCH, earlier)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
