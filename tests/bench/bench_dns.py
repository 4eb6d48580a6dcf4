"""Names: how many queries one core answers, how fast, and how soon a task that is ready is in DNS."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from discovery.backends.zookeeper import ZooKeeper
from specs.urls import parse_url
from tests.bench.report import Bench, Row
from tests.kit.cluster import running_zookeeper
from tests.kit.named_endpoints import endpoint

SERVICES = 1000
TASKS_EACH = 3
SECONDS = 10.0
WINDOW = 64
"""Queries that are on their way at a time, as from so many clients."""
PACE_A_SECOND = 1000
PUBLISHED = 200
LONGEST_SECONDS = 60.0
DOMAIN = "framework.internal"
SERVER = f"""
import asyncio, os, random, sys, time
from discovery.dns.answers import Answers
from discovery.dns.server import DnsServer
from discovery.dns.zone import Zone, ZoneSettings
from discovery.dns.names import Names, Reach
from tests.kit.named_endpoints import endpoint, grouped
names = Names(Reach.AGENT)
names.update(grouped(*(
    endpoint(f"bench/service{{n}}", slot, address=f"10.{{slot}}.{{n // 250}}.{{n % 250}}")
    for n in range({SERVICES}) for slot in range({TASKS_EACH})
)))
async def main():
    zone = Zone(ZoneSettings(domain="{DOMAIN}"), names, Names(Reach.AGENT))
    answers = Answers(zone, random.Random(1), offers_recursion=False)
    answers.knows = True
    server = DnsServer(answers, None, None)
    ((_, port),) = await server.listen([("127.0.0.1", 0)])
    os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
    print(port, flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(server.counts["answered"], time.process_time(), flush=True)
    await server.close()
asyncio.run(main())
"""


def run(is_quick: bool) -> list[Row]:
    """All of it, one after the other."""
    seconds = 2.0 if is_quick else SECONDS
    with _server() as (process, port):
        client = _Client(port)
        client.flood(0.5)  # What is asked for the first time takes longer.
        answered, used = _usage(process)
        in_all = client.flood(seconds)
        answered_then, used_then = _usage(process)
        late = client.paced(seconds)
        client.close()
    what = f"{SERVICES:,} services of {TASKS_EACH} tasks"
    one_by_one, at_once = _visible(10 if is_quick else PUBLISHED)
    return [
        Row(name=f"{what}: answers in a second", figure=in_all / seconds, unit="1/s"),
        Row(
            name=f"{what}: answers in a second of a core that does nothing else",
            figure=(answered_then - answered) / (used_then - used),
            unit="1/s",
            at_least=8500.0,
        ),
        Row(name=f"{PACE_A_SECOND:,} queries a second: answered after, 50 of 100", figure=_of(late, 0.5), unit="ms"),
        Row(name=f"{PACE_A_SECOND:,} queries a second: answered after, 99 of 100", figure=_of(late, 0.99), unit="ms"),
        Row(name="a task: from ready to in DNS, 50 of 100", figure=_of(one_by_one, 0.5), unit="ms"),
        Row(name="a task: from ready to in DNS, 99 of 100", figure=_of(one_by_one, 0.99), unit="ms", at_most=250.0),
        Row(name=f"{len(at_once)} tasks at once: from ready to in DNS, the last", figure=at_once[-1], unit="ms"),
    ]


@contextlib.contextmanager
def _server() -> Iterator[tuple[subprocess.Popen[str], int]]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def _usage(process: subprocess.Popen[str]) -> tuple[int, float]:
    """How many queries the server has answered, and for how many seconds it has used its core."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    answered, used = process.stdout.readline().split()
    return int(answered), float(used)


class _Client:
    """Asks for all services in turn, by one socket."""

    def __init__(self, port: int) -> None:
        names = (f"service{number}.bench.service.{DOMAIN}" for number in range(SERVICES))
        self._queries = [dns.message.make_query(name, "A", use_edns=0).to_wire() for name in names]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(LONGEST_SECONDS)
        self._next = 0

    def close(self) -> None:
        self._socket.close()

    def flood(self, seconds: float) -> int:
        """Asks again with each answer; returns how many came."""
        for _ in range(WINDOW):
            self._ask()
        came, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            self._socket.recv(512)
            self._ask()
            came += 1
        for _ in range(WINDOW):
            self._socket.recv(512)
        return came

    def paced(self, seconds: float) -> list[float]:
        """Asks at a pace, one at a time; the milliseconds that each answer took, the least first."""
        found = []
        at = time.monotonic()
        for _ in range(int(seconds * PACE_A_SECOND)):
            time.sleep(max(0.0, at - time.monotonic()))
            begin = time.monotonic()
            self._ask()
            self._socket.recv(512)
            found.append((time.monotonic() - begin) * 1000)
            at = max(at + 1 / PACE_A_SECOND, begin)
        return sorted(found)

    def _ask(self) -> None:
        self._socket.send(self._queries[self._next])
        self._next = (self._next + 1) % SERVICES


def _visible(number: int) -> tuple[list[float], list[float]]:
    """The milliseconds from when each of so many tasks was ready until `framework dns` told of it, the least first: one
    after the other, and all at once."""
    with tempfile.TemporaryDirectory() as directory, running_zookeeper(Path(directory)) as server:
        host = server.address.replace(".0.1:2181", ".3.1")
        url = f"zk://{server.address}/bench"
        words = ("dns", "--zk", url, "--listen", f"{host}:5300", "--forward", "none", "--log-level", "error")
        with subprocess.Popen([sys.executable, "-m", "framework.cli.main", *words]) as process:
            publisher = ZooKeeper(parse_url(url, "zk"))
            try:
                _told(host, "task", [0], publisher)
                one_by_one = [_told(host, "task", [slot], publisher)[0] for slot in range(1, number + 1)]
                return sorted(one_by_one), _told(host, "other", range(number), publisher)
            finally:
                publisher.close(1.0)
                process.terminate()


def _told(host: str, service: str, slots: Sequence[int], publisher: ZooKeeper) -> list[float]:
    """Publishes these tasks of a service at once, and asks for it until each is told of."""
    begin = time.monotonic()
    wanted = {f"10.0.0.{slot}": slot for slot in slots}
    for address, slot in wanted.items():
        publisher.publish(endpoint(f"bench/{service}", slot, address=address))
    found: dict[str, float] = {}
    while len(found) < len(wanted):
        if time.monotonic() > begin + LONGEST_SECONDS:
            raise TimeoutError(f"wanted {len(wanted)} tasks in DNS within {LONGEST_SECONDS:.0f} s, got {len(found)}")
        time.sleep(0.001)
        for address in wanted.keys() & _addresses(host, f"{service}.bench.service.{DOMAIN}"):
            found.setdefault(address, (time.monotonic() - begin) * 1000)
    return sorted(found.values())


def _addresses(host: str, name: str) -> list[str]:
    query = dns.message.make_query(name, "A", use_edns=0, payload=4096)
    try:
        said = dns.query.udp(query, host, port=5300, timeout=2)
    except (OSError, dns.exception.Timeout):
        return []
    return [str(each) for record in said.answer for each in record]


def _of(values: list[float], share: float) -> float:
    return values[int(len(values) * share)]


BENCH = Bench(
    name="dns",
    title="Names",
    method=(
        f"A server with {SERVICES:,} services of {TASKS_EACH} tasks each, kept to one core, is asked over UDP for all"
        f" in turn: {WINDOW} queries at a time for {SECONDS:.0f} s, of which its own processor time is noted, as the"
        f" client and whatever else runs want that core too; then {PACE_A_SECOND:,} queries a second, one at a time."
        f" Last, an executor's publisher puts {PUBLISHED} tasks of a service into ZooKeeper, one after the other and"
        " then at once, and a client asks `framework dns` for it until each is told of."
    ),
    run=run,
    limit_seconds=120,
)
