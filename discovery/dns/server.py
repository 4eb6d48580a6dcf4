"""A DNS server on UDP and TCP: queries in, answers out, all in one thread."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache

import dns.rcode

from discovery.dns.answers import Answers, Elsewhere
from discovery.dns.forward import Address, Forwarder

MOST_QUERY_BYTES = 4096
"""A query that is longer is not answered."""
MOST_AT_ONCE = 64
"""Datagrams taken from a socket before others have their turn."""
MOST_LATER = 2000
"""Queries that wait for others; what comes beyond is dropped, and the client asks again."""
MOST_CONNECTIONS = 500
IDLE_SECONDS = 10.0
"""A connection on which nothing comes for so long is closed."""
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
"""A burst of some thousand queries waits here, as far as the machine allows it, instead of being lost."""
PRIVATE = (
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"),
    *("::1/128", "fc00::/7", "fe80::/10"),
)
"""The networks whose queries for other names are forwarded by default: private ones."""

_IP_PKTINFO = 8  # <linux/in.h>, which Python's socket does not name before 3.14
_ANCILLARY_BYTES = socket.CMSG_SPACE(20)

Refresh = Callable[[], Awaitable[None]]
Ancillary = list[tuple[int, int, bytes]]


class DnsServer:
    """The server. It answers by `answers`, forwards queries of clients in `networks` by `forwarder`, and calls
    `refresh` for tasks that are not ready. `counts` counts queries by outcome."""

    def __init__(
        self,
        answers: Answers,
        forwarder: Forwarder | None,
        refresh: Refresh | None,
        networks: Sequence[str] = PRIVATE,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._answers = answers
        self._forwarder = forwarder
        self._refresh = refresh
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)
        self._sockets: list[socket.socket] = []
        self._listeners: list[asyncio.Server] = []
        self._later: set[asyncio.Task[None]] = set()
        self._conversations: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._is_insider = lru_cache(maxsize=10_000)(self._is_within)

    async def listen(self, addresses: Sequence[Address]) -> tuple[Address, ...]:
        """Listens at these addresses, and says at which it does where a port was 0. Raises OSError."""
        loop = asyncio.get_running_loop()
        found: list[Address] = []
        for host, port in addresses:
            listener = await asyncio.start_server(self._converse, host, port, limit=2 * MOST_QUERY_BYTES)
            self._listeners.append(listener)
            port = listener.sockets[0].getsockname()[1]
            datagrams = _datagram_socket(host, port)
            self._sockets.append(datagrams)
            loop.add_reader(datagrams, self._take, datagrams)
            found.append((host, port))
        return tuple(found)

    async def close(self) -> None:
        """Takes no more queries, and hangs up."""
        for each in self._sockets:
            asyncio.get_running_loop().remove_reader(each)
            each.close()
        for listener in self._listeners:
            listener.close()
        for task in self._later:
            task.cancel()
        talking = [task for task in self._conversations.values() if task]
        for writer in self._conversations:
            writer.transport.abort()
        await asyncio.gather(*self._later, *talking, return_exceptions=True)

    def _is_within(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)

    # ---- UDP ------------------------------------------------------------------------

    def _take(self, datagrams: socket.socket) -> None:
        """Takes what has come, and answers at once what can be."""
        for _ in range(MOST_AT_ONCE):
            try:
                data, ancillary, _flags, client = datagrams.recvmsg(MOST_QUERY_BYTES + 1, _ANCILLARY_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # An ICMP message about an answer that nobody waited for.
                continue
            if len(data) > MOST_QUERY_BYTES:
                self.counts["oversized"] += 1
                continue
            answer = self._answers.answer(data, is_udp=True)
            if isinstance(answer, bytes):
                self.counts["answered"] += 1
                _send(datagrams, answer, ancillary, client)
            elif answer is Elsewhere.SILENCE:
                self.counts["garbage"] += 1
            elif len(self._later) >= MOST_LATER:
                self.counts["dropped"] += 1
            else:
                self._begin(self._send_later(datagrams, data, answer, ancillary, client))

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _send_later(
        self, datagrams: socket.socket, data: bytes, how: Elsewhere, ancillary: Ancillary, client: tuple[str, int]
    ) -> None:
        answer = await self._elsewhere(data, how, client[0], is_udp=True)
        if datagrams.fileno() >= 0:
            _send(datagrams, answer, ancillary, client)

    # ---- TCP ------------------------------------------------------------------------

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Queries and answers on one connection, one after the other."""
        if len(self._conversations) >= MOST_CONNECTIONS:
            self.counts["connections refused"] += 1
            writer.close()
            return
        self._conversations[writer] = asyncio.current_task()
        client = writer.get_extra_info("peername")[0]
        # Who hangs up, or says nothing for long, has no more to ask.
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            answer: bytes | None = b""
            while answer is not None:
                async with asyncio.timeout(IDLE_SECONDS):
                    answer = await self._answered(reader, client)
                    if answer is not None:
                        writer.write(len(answer).to_bytes(2) + answer)
                        await writer.drain()
        del self._conversations[writer]
        writer.close()

    async def _answered(self, reader: asyncio.StreamReader, client: str) -> bytes | None:
        """The answer to what comes over TCP; None for what deserves none. Raises OSError, or EOFError at its end."""
        length = int.from_bytes(await reader.readexactly(2))
        if length > MOST_QUERY_BYTES:
            self.counts["oversized"] += 1
            return None
        data = await reader.readexactly(length)
        answer = self._answers.answer(data, is_udp=False)
        if isinstance(answer, bytes):
            self.counts["answered"] += 1
            return answer
        if answer is Elsewhere.SILENCE:
            self.counts["garbage"] += 1
            return None
        return await self._elsewhere(data, answer, client, is_udp=False)

    async def _elsewhere(self, data: bytes, how: Elsewhere, client: str, *, is_udp: bool) -> bytes:
        if how is Elsewhere.REFRESH:
            if self._refresh is not None:
                await self._refresh()
            answer = self._answers.answer(data, is_udp=is_udp, may_refresh=False)
            assert isinstance(answer, bytes)
            self.counts["answered"] += 1
            return answer
        if self._forwarder is None or not self._is_insider(client):
            self.counts["refused"] += 1
            return self._answers.failure(data, dns.rcode.REFUSED)
        answered = await self._forwarder.ask(data, is_udp=is_udp)
        self.counts["forwarded" if answered else "not forwarded"] += 1
        return answered or self._answers.failure(data, dns.rcode.SERVFAIL)


def _datagram_socket(host: str, port: int) -> socket.socket:
    """A socket that says to which address of this machine a datagram came, where it has several. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    datagrams = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if host == "0.0.0.0":
            datagrams.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        elif family == socket.AF_INET6:
            datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if host == "::":
                datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        datagrams.bind((host, port))
    except OSError:
        datagrams.close()
        raise
    return datagrams


def _send(datagrams: socket.socket, answer: bytes, ancillary: Ancillary, client: tuple[str, int]) -> None:
    """Answers from the address that was asked: a client takes it from no other. An answer that cannot be sent is as one
    that was lost on the way: the client asks again."""
    with contextlib.suppress(OSError):
        datagrams.sendmsg((answer,), [_without_interface(each) for each in ancillary], 0, client)


def _without_interface(ancillary: tuple[int, int, bytes]) -> tuple[int, int, bytes]:
    """The address alone: by which interface the answer goes is for the routes to say."""
    level, kind, data = ancillary
    if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
        return level, kind, bytes(4) + data[4:]
    return level, kind, data
