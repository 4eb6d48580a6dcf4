"""The server on real sockets: UDP, TCP, forwarding, and clients that do not behave."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from discovery.dns import server as dns_server
from discovery.dns.answers import Answers
from discovery.dns.forward import Address, Forwarder, is_own
from discovery.dns.names import Groups, Names, Reach
from discovery.dns.server import DnsServer
from discovery.dns.status import StatusPage
from discovery.dns.zone import Zone, ZoneSettings
from tests.kit.named_endpoints import endpoint, grouped

LOCALHOST = "127.0.0.1"
NAME = "pricing.abc.service.fw.internal"
SECONDS = 20.0
"""More than any answer takes on a machine that is busy."""
MANY = grouped(*(endpoint("abc/pricing", slot, address=f"10.1.{slot // 250}.{slot % 250}") for slot in range(500)))


def answers(everything: Names | None = None, groups: Groups = MANY) -> Answers:
    ready = Names(Reach.AGENT)
    ready.update(groups)
    zone = Zone(ZoneSettings(domain="fw.internal"), ready, everything or Names(Reach.AGENT))
    made = Answers(zone, random.Random(7), offers_recursion=True)
    made.knows = True
    return made


@contextlib.asynccontextmanager
async def serving(server: DnsServer, host: str = LOCALHOST) -> AsyncIterator[Address]:
    (address,) = await server.listen([(host, 0)])
    try:
        yield address
    finally:
        await server.close()


async def ask(address: Address, name: str = NAME, *, over: str = "udp", size: int = 0) -> dns.message.Message:
    query = dns.message.make_query(name, "A", **({"use_edns": 0, "payload": size} if size else {}))  # type: ignore[arg-type]
    how = dns.asyncquery.udp if over == "udp" else dns.asyncquery.tcp
    return await how(query, address[0], port=address[1], timeout=SECONDS)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(2 * SECONDS):
            await test()

    asyncio.run(bounded())


def test_500_records_are_cut_over_udp_and_whole_over_tcp() -> None:
    async def test() -> None:
        async with serving(DnsServer(answers(), None, None)) as address:
            cut = await ask(address)
            assert cut.flags & dns.flags.TC
            assert len((await ask(address, size=1232)).answer[0]) > len(cut.answer[0])
            whole = await ask(address, over="tcp")
            assert len(whole.answer[0]) == 500

    run(test)


@pytest.mark.parametrize(("any_host", "asked"), [("0.0.0.0", "127.0.0.3"), ("::", "::1")])
def test_who_listens_everywhere_answers_from_the_address_that_was_asked(any_host: str, asked: str) -> None:
    """dnspython passes over an answer from another address, as resolvers do."""

    async def test() -> None:
        async with serving(DnsServer(answers(), None, None), any_host) as (_, port):
            assert (await ask((asked, port))).rcode() == dns.rcode.NOERROR
            assert (await ask((asked, port), over="tcp")).rcode() == dns.rcode.NOERROR

    run(test)


def test_other_names_are_asked_of_the_first_server_that_answers() -> None:
    async def test() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((LOCALHOST, 0))
            async with serving(DnsServer(answers(), None, None)) as upstream:
                forwarder = Forwarder([silent.getsockname(), upstream], seconds_a_server=0.2)
                front = DnsServer(answers(groups={}), forwarder, None)
                async with serving(front) as address:
                    for over in ("udp", "tcp"):
                        # The server behind refuses it, having nobody to ask; but that is its answer.
                        said = await ask(address, "example.com", over=over)
                        assert said.rcode() == dns.rcode.REFUSED
                    assert front.counts["forwarded"] == 2

    run(test)


def test_where_nobody_answers_the_client_is_told_so_soon() -> None:
    async def test() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((LOCALHOST, 0))
            forwarder = Forwarder([silent.getsockname(), (LOCALHOST, 1)], seconds_a_server=0.2)
            server = DnsServer(answers(), forwarder, None)
            async with serving(server) as address:
                for over in ("udp", "tcp"):
                    assert (await ask(address, "example.com", over=over)).rcode() == dns.rcode.SERVFAIL
                assert server.counts["not forwarded"] == 2
                assert (await ask(address)).rcode() == dns.rcode.NOERROR, "our own names go on"

    run(test)


def test_an_answer_that_was_not_asked_for_is_not_taken() -> None:
    class Forger(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            query = dns.message.from_wire(data)
            other = dns.message.make_response(dns.message.make_query("other.example", "A", id=query.id))
            wrong_id = dns.message.make_response(query)
            wrong_id.id = query.id ^ 1
            right = dns.message.make_response(query)
            right.set_rcode(dns.rcode.NXDOMAIN)
            for each in (b"", b"x", other.to_wire(), wrong_id.to_wire(), data, right.to_wire()):
                self.transport.sendto(each, address)

    async def test() -> None:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Forger, local_addr=(LOCALHOST, 0))
        upstream = transport.get_extra_info("sockname")
        async with serving(DnsServer(answers(), Forwarder([upstream]), None)) as address:
            assert (await ask(address, "example.com")).rcode() == dns.rcode.NXDOMAIN
        transport.close()

    run(test)


def test_strangers_are_told_nothing_of_others_names() -> None:
    async def test() -> None:
        async with serving(DnsServer(answers(), Forwarder([(LOCALHOST, 1)]), None, networks=["10.0.0.0/8"])) as address:
            assert (await ask(address, "example.com")).rcode() == dns.rcode.REFUSED
            assert (await ask(address)).rcode() == dns.rcode.NOERROR

    run(test)


def test_no_more_queries_wait_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discovery.dns.forward.MOST_IN_FLIGHT", 1)

    async def test() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((LOCALHOST, 0))
            forwarder = Forwarder([silent.getsockname()], seconds_a_server=SECONDS)
            async with serving(DnsServer(answers(), forwarder, None)) as address:
                waiting = asyncio.ensure_future(ask(address, "one.example"))
                await asyncio.get_running_loop().run_in_executor(None, silent.recv, 512)
                assert (await ask(address, "two.example")).rcode() == dns.rcode.SERVFAIL
                waiting.cancel()

    run(test)


def test_tasks_that_are_not_ready_are_looked_for_when_somebody_asks() -> None:
    everything = Names(Reach.AGENT)
    asked = 0

    async def refresh() -> None:
        nonlocal asked
        asked += 1
        everything.update(grouped(endpoint("abc/sick", address="10.0.0.9")))

    async def test() -> None:
        async with serving(DnsServer(answers(everything), None, refresh)) as address:
            await ask(address)
            assert asked == 0
            said = await ask(address, "sick.abc.all.fw.internal")
            assert str(said.answer[0][0]) == "10.0.0.9"
            assert asked == 1

    run(test)


def test_what_is_no_query_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_server, "IDLE_SECONDS", 0.2)

    async def test() -> None:
        server = DnsServer(answers(), None, None)
        async with serving(server) as address:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.connect(address)
                for data in (b"", b"\0" * 5, b"\xff" * 60, bytes(5000), bytes(60000)):
                    client.send(data)
            for words in (b"", b"\0", b"\0\x05\0\0\0\0\0", b"\xff\xff" + bytes(65535), b"GET / HTTP/1.1\r\n\r\n"):
                reader, writer = await asyncio.open_connection(*address)
                writer.write(words)
                with contextlib.suppress(ConnectionError):
                    await reader.read()
                writer.close()
            assert (await ask(address)).rcode() == dns.rcode.NOERROR
            assert (await ask(address, over="tcp")).rcode() == dns.rcode.NOERROR
            assert server.counts["garbage"] == 4
            assert server.counts["oversized"] == 4

    run(test)


def test_connections_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_server, "MOST_CONNECTIONS", 1)

    async def test() -> None:
        server = DnsServer(answers(), None, None)
        async with serving(server) as address:
            _, first = await asyncio.open_connection(*address)
            reader, second = await asyncio.open_connection(*address)
            assert await reader.read() == b""
            second.close()
            first.close()
            while server.counts["answered"] == 0:
                with contextlib.suppress(EOFError, ConnectionError):
                    await ask(address, over="tcp")

    run(test)


def test_nobody_forwards_to_himself() -> None:
    own = [("127.0.0.53", 53), ("0.0.0.0", 5300)]
    assert is_own(("127.0.0.53", 53), own)
    assert is_own(("127.9.9.9", 5300), own)
    assert not is_own(("127.9.9.9", 53), own)
    assert not is_own(("192.0.2.77", 5300), own)


def test_the_figures() -> None:
    async def test() -> None:
        page = StatusPage(lambda: {"endpoints": 3, 'queries_total{result="answered"}': 12345678})
        host, port = await page.listen((LOCALHOST, 0))
        for path, wanted in (("/metrics", "framework_dns_endpoints 3\n"), ("/", "404 Not Found")):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            text = (await reader.read()).decode()
            assert wanted in text
            assert path == "/" or 'framework_dns_queries_total{result="answered"} 12345678\n' in text
            writer.close()
        page.close()

    run(test)
