"""Running a command in a container to its end, by the engine's exec."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from typing import Any

from docker.errors import APIError

from executor.container.engine import AWAY, Engine, engine_address, words
from executor.runtime import CheckOutcome, exit_message
from specs.model.stack import Hook

OUTPUT_BYTES = 4096
"""Limit on output that is kept: the end of it."""
READ_BYTES = 16 * 1024
LOOK_AGAIN_SECONDS = 0.05

log = logging.getLogger("executor.container.containers")


def execute(engine: Engine, container: str, hook: Hook) -> CheckOutcome:
    """Runs the command and returns its outcome; kills it at its time-out. Never raises for errors of the engine."""
    try:
        client = engine.connected()
        deadline = time.monotonic() + hook.timeout_seconds
        exec_id = client.exec_create(
            container,
            list(hook.command),
            user=hook.user,
            environment=dict(hook.environment) or None,
            workdir=hook.working_dir or None,
        )["Id"]
        stream = client.exec_start(exec_id, socket=True)
        output, is_late = _read_until(stream, deadline)
        state = client.exec_inspect(exec_id)
        while state["Running"] and not is_late:  # it has closed its output, and goes on
            time.sleep(LOOK_AGAIN_SECONDS)
            state, is_late = client.exec_inspect(exec_id), time.monotonic() >= deadline
    except APIError as error:
        return CheckOutcome(is_healthy=False, message=words(error))
    except AWAY as error:
        return CheckOutcome(is_healthy=False, message=f"no answer from Docker at {engine_address()}: {error}")
    if is_late:
        _kill(state)
        return CheckOutcome(is_healthy=False, message=f"not done within {hook.timeout_seconds:g} s")
    code = int(state["ExitCode"])
    return CheckOutcome(is_healthy=code == 0, message=exit_message(code, output), code=code)


class Frames:
    """The engine's output of a command, stdout and stderr in one: eight bytes say whose and how much, then it comes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._head = b""
        self._missing = 0
        self.last = b""
        """The end of what came, at most so many bytes."""

    def feed(self, data: bytes) -> None:
        """Takes in what came, in pieces of any size."""
        while data:
            if self._missing:
                piece, data = data[: self._missing], data[self._missing :]
                self._missing -= len(piece)
                self.last = (self.last + piece)[-self._most :]
                continue
            missing = 8 - len(self._head)
            self._head, data = self._head + data[:missing], data[missing:]
            if len(self._head) == 8:
                self._missing = int.from_bytes(self._head[4:])
                self._head = b""


def _read_until(stream: Any, deadline: float) -> tuple[bytes, bool]:
    """The last output of an exec, and whether it still ran at the deadline."""
    connection = socket.socket(fileno=os.dup(stream.fileno()))
    frames = Frames(OUTPUT_BYTES)
    try:
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            data = connection.recv(READ_BYTES)
            if not data:
                return frames.last, False
            frames.feed(data)
    except TimeoutError:
        pass
    finally:
        connection.close()
        response = getattr(stream, "_response", None)
        if response is not None:
            response.close()
    return frames.last, True


def _kill(state: dict[str, Any]) -> None:
    """The engine has no call to end an exec; its process is one of this machine's, though."""
    try:
        if state.get("Pid"):
            os.kill(state["Pid"], signal.SIGKILL)
    except OSError as error:
        log.warning("a command that took too long could not be ended: %s", error)
