"""The terminal of an exec session in a container: the engine's exec with input."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

from docker.errors import APIError

from executor.container.engine import AWAY, Engine, engine_address, words
from executor.runtime import Fault
from executor.streams import exactly
from executor.terminal import ExecRequest

READ_BYTES = 32 * 1024
HEADER_BYTES = 8
STREAMS = {1: "stdout", 2: "stderr"}
LOOK_AGAIN_SECONDS = 0.05
END_SECONDS = 5.0
"""Time-out for the exit code once the output has ended."""

log = logging.getLogger("executor.terminal")


def start(engine: Engine, container: str, request: ExecRequest) -> ContainerTerminal:
    """Starts the command in the container. Raises Fault."""
    try:
        client = engine.connected()
        id = client.exec_create(
            container,
            list(request.command),
            stdin=request.has_input,
            tty=request.has_terminal,
            user=request.user,
            environment=dict(request.environment or {}) or None,
            workdir=request.working_dir or None,
        )["Id"]
        stream = client.exec_start(id, tty=request.has_terminal, socket=True)
        terminal = ContainerTerminal(client, id, stream, has_frames=not request.has_terminal)
    except APIError as error:
        raise Fault(words(error)) from error
    except AWAY as error:
        raise Fault(f"no answer from Docker at {engine_address()}: {error}", is_temporary=True) from error
    if request.has_terminal and request.rows and request.columns:
        terminal.resize(request.rows, request.columns)
    return terminal


class ContainerTerminal:
    """A Terminal of a container."""

    def __init__(self, client: Any, id: str, stream: Any, *, has_frames: bool) -> None:
        self._client = client
        self._id = id
        self._has_frames = has_frames
        self._response = stream._response
        self._socket = socket.socket(fileno=os.dup(stream.fileno()))
        self._early = self._buffered()

    def output(self) -> Iterator[tuple[str, bytes]]:
        try:
            if not self._has_frames:
                while data := self._receive(READ_BYTES):
                    yield "stdout", data
                return
            while head := exactly(self._receive, HEADER_BYTES):
                left = int.from_bytes(head[4:])
                while left and (data := self._receive(min(left, READ_BYTES))):
                    left -= len(data)
                    yield STREAMS.get(head[0], "stdout"), data
        except OSError as error:
            log.debug("the output of a command broke off: %s", error)

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            log.debug("a command takes no more input: %s", error)

    def end_input(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            log.debug("the input of a command has ended already: %s", error)

    def resize(self, rows: int, columns: int) -> None:
        try:
            self._client.exec_resize(self._id, height=rows, width=columns)
        except (APIError, *AWAY) as error:
            log.debug("the terminal of a command cannot be resized: %s", error)

    def exit_code(self) -> int:
        deadline = time.monotonic() + END_SECONDS
        try:
            while (state := self._client.exec_inspect(self._id))["Running"]:
                if time.monotonic() >= deadline:
                    raise Fault("the command has closed its output and goes on; it was left running")
                time.sleep(LOOK_AGAIN_SECONDS)
        except APIError as error:
            raise Fault(f"how the command ended is not known: {words(error)}") from error
        except AWAY as error:
            raise Fault(f"how the command ended is not known: no answer from Docker: {error}") from error
        return int(state["ExitCode"] or 0)

    def kill(self) -> None:
        # The engine has no call for that; its process is one of this machine's, though.
        try:
            state = self._client.exec_inspect(self._id)
            if state["Running"] and state.get("Pid"):
                os.kill(state["Pid"], signal.SIGKILL)
        except (APIError, *AWAY) as error:
            log.debug("a command that nobody waits for could not be ended: %s", error)

    def close(self) -> None:
        self._socket.close()
        self._response.close()

    def _buffered(self) -> bytes:
        """Bytes that the engine sent right behind its answer: the client has read them already, and would keep them."""
        reader = self._response.raw._fp.fp
        # The client's own socket object would wait for as long as an answer may take.
        reader.raw._sock.setblocking(False)
        try:
            return bytes(reader.peek(READ_BYTES) or b"")
        except (OSError, ValueError):
            return b""
        finally:
            self._socket.setblocking(True)

    def _receive(self, most: int) -> bytes:
        if self._early:
            data, self._early = self._early[:most], self._early[most:]
            return data
        return self._socket.recv(most)
