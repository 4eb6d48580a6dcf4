"""Queries for names of others, handed on to other servers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Sequence

Address = tuple[str, int]

SECONDS_A_SERVER = 2.0
"""Time-out for one server before the next is asked."""
MOST_IN_FLIGHT = 1000
_HEADER_BYTES = 12


class Forwarder:
    """Asks `servers`, in their order, on behalf of clients. Each query has a port and an id of its own, which whoever
    would forge an answer has to guess."""

    def __init__(self, servers: Sequence[Address], seconds_a_server: float = SECONDS_A_SERVER) -> None:
        self._servers = tuple(servers)
        self._seconds = seconds_a_server
        self._in_flight = 0

    async def ask(self, query: bytes, *, is_udp: bool) -> bytes | None:
        """The answer to the query, under its id; None where no server has one, or too many queries wait already."""
        if self._in_flight >= MOST_IN_FLIGHT:
            return None
        self._in_flight += 1
        try:
            for server in self._servers:
                with contextlib.suppress(OSError, EOFError, TimeoutError):
                    async with asyncio.timeout(self._seconds):
                        return await (_over_udp if is_udp else _over_tcp)(server, query)
            return None
        finally:
            self._in_flight -= 1


async def _over_udp(server: Address, query: bytes) -> bytes:
    """Waits until something comes that answers this query. Raises OSError."""
    id = secrets.token_bytes(2)
    transport, waiting = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Waiting(id, query), remote_addr=server
    )
    try:
        transport.sendto(id + query[2:])
        return query[:2] + (await waiting.answer)[2:]
    finally:
        transport.close()


async def _over_tcp(server: Address, query: bytes) -> bytes:
    """Raises OSError, or EOFError where the server hangs up."""
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(query).to_bytes(2) + query)
        answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        if not _answers(answer, query[:2], query):
            raise ConnectionError(f"{server[0]} answers something else than was asked")
        return answer
    finally:
        writer.close()


class _Waiting(asyncio.DatagramProtocol):
    def __init__(self, id: bytes, query: bytes) -> None:
        self._id = id
        self._query = query
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _address: object) -> None:
        if not self.answer.done() and _answers(data, self._id, self._query):
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


def _answers(data: bytes, id: bytes, query: bytes) -> bool:
    """Whether it is an answer under this id, and to this question, if it says to which."""
    if len(data) < _HEADER_BYTES or data[:2] != id or not data[2] & 0x80:
        return False
    end = query.find(0, _HEADER_BYTES) + 5
    return data[4:6] == b"\0\0" or data[_HEADER_BYTES:end].lower() == query[_HEADER_BYTES:end].lower()


def is_own(server: Address, own: Sequence[Address]) -> bool:
    """Whether who asks `server` would ask us, who listen at `own`: at that address, or at all of this machine's."""
    host, port = server
    if (host, port) in own:
        return True
    return any(each == port and any_host in ("0.0.0.0", "::") for any_host, each in own) and _is_of_this_machine(host)


def _is_of_this_machine(host: str) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True
