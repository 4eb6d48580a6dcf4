"""The messages between the executor, the spawner and the supervisors.

Requests, to the spawner or to a supervisor: four bytes with a length, in network order, and with them the descriptors;
then a Program as JSON.

Each process that is started has a channel, a pair of sockets. The executor sends signals on it, a byte each, and the
end of the stream to kill it. The supervisor sends records, a line of JSON each: how its start went, and how it ended.
"""

from __future__ import annotations

import array
import json
import os
import socket
from typing import Any, NamedTuple

from executor.streams import exactly

LENGTH_BYTES = 4
MOST_DESCRIPTORS = 8


class Program(NamedTuple):
    """The start of a process. `user`, `group`, `groups` None: the executor's own. With `leads_session` it leads a
    session of its own; with `ends_session` all of that session ends with it."""

    command: list[str]
    directory: str
    environment: dict[str, str]
    user: int | None = None
    group: int | None = None
    groups: list[int] | None = None
    leads_session: bool = True
    ends_session: bool = False


def send_request(to: socket.socket, program: Program, descriptors: tuple[int, ...]) -> None:
    """Sends copies of the descriptors along. Raises OSError."""
    content = json.dumps(program).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    to.sendmsg([len(content).to_bytes(LENGTH_BYTES)], rights)
    to.sendall(content)


def receive_request(source: socket.socket) -> tuple[Program, list[int]] | None:
    """A program with its descriptors, which belong to the caller and to no program that it starts; None where nobody
    asks any more."""
    descriptors = array.array("i")
    room = socket.CMSG_SPACE(MOST_DESCRIPTORS * descriptors.itemsize)
    header, ancillary, _, _ = source.recvmsg(LENGTH_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    header += exactly(source.recv, LENGTH_BYTES - len(header)) if header else b""
    content = exactly(source.recv, int.from_bytes(header))
    if not content:
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    return Program(*json.loads(content)), list(descriptors)


def record(**content: Any) -> bytes:
    """A record as it is sent."""
    return json.dumps(content).encode() + b"\n"
