"""The store while its ZooKeeper is cut off, slow, frozen, full, or edited by hand: what docs/store.md says of each."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from framework.adapters import snapshot
from framework.adapters.zookeeper import ZooKeeperStore
from framework.core.commands import PutFramework, PutStack, PutTask, PutVersion
from framework.core.events import Saved
from framework.core.model import Stored
from framework.local import commands, requirements
from framework.local.daemon import Daemon
from specs.ids import FrameworkId
from tests.conformance.store_kit import SECONDS, Opened, World, incompressible, new_root, transactions, zookeeper_world
from tests.kit.cluster import leased_subnet, need, running_zookeeper
from tests.kit.stored import VERSION, stored_stack, stored_task, stored_version

pytestmark = pytest.mark.zookeeper

UP, DOWN = "to the server", "to the client"


class Proxy:
    """A way to a server that breaks on demand: after so many bytes in a direction, late, or not at all."""

    def __init__(self, target: str) -> None:
        host, _, port = target.partition(":")
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.delay_seconds = 0.0
        self.cuts = 0
        self._cut: tuple[str, int] | None = None
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, direction: str, after_bytes: int) -> None:
        """Ends the connection once so many more bytes have passed in the direction; the rest of them do not."""
        with self._lock:
            self._cut = direction, after_bytes

    def stall(self) -> None:
        """From now on nothing passes, and nothing breaks."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    def close(self) -> None:
        self._listener.close()
        self._flowing.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(self._target) as server:
            ways = {client: (server, UP), server: (client, DOWN)}
            with selectors.DefaultSelector() as selector:
                for end in ways:
                    selector.register(end, selectors.EVENT_READ)
                while True:
                    for key, _ in selector.select():
                        source = key.fileobj
                        assert isinstance(source, socket.socket)
                        if not self._pass_on(source, *ways[source]):
                            return

    def _pass_on(self, source: socket.socket, sink: socket.socket, direction: str) -> bool:
        data = source.recv(65536)
        if self.delay_seconds:
            time.sleep(self.delay_seconds)
        self._flowing.wait()
        with self._lock:
            if self._cut and self._cut[0] == direction:
                left = self._cut[1] - len(data)
                self._cut = (direction, left) if left >= 0 else None
                if left < 0:
                    self.cuts += 1
                    sink.sendall(data[:left])
                    return False
        sink.sendall(data)
        return bool(data)


class Fire:
    """A store behind a proxy, at a root of its own."""

    def __init__(self, zookeeper: Daemon, session_seconds: float = 4.0) -> None:
        self.root = new_root()
        self.proxy = Proxy(zookeeper.address)
        self.world: World = zookeeper_world(self.proxy.address, self.root, session_seconds, holder="10.0.0.1:8080")
        self.direct: World = zookeeper_world(zookeeper.address, self.root, holder="10.0.0.1:8080")

    def close(self) -> None:
        self.proxy.delay_seconds = 0.0
        self.proxy.flow()
        self.world.close()
        self.direct.close()
        self.proxy.close()


@pytest.fixture
def fire(zookeeper: Daemon) -> Iterator[Fire]:
    with contextlib.closing(Fire(zookeeper)) as made:
        yield made


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Daemon]:
    """A ZooKeeper that the test may freeze and kill."""
    with running_zookeeper(tmp_path / "zookeeper") as server:
        yield server


class TestConnection:
    @pytest.mark.parametrize("direction", [UP, DOWN])
    def test_a_connection_that_breaks_at_any_byte_of_a_save_saves_once(
        self, fire: Fire, keeper: KazooClient, direction: str
    ) -> None:
        opened = fire.world.loaded()
        places = [0, 1, 3, 4, 8, *range(20, 420, 33)]
        for serial, place in enumerate(places, 1):
            fire.proxy.cut(direction, place)
            opened.saved(PutTask(task=stored_task(serial)))
        assert fire.proxy.cuts >= len(places) // 2, "a place behind the end of an answer waits for the next"
        assert transactions(keeper, fire.root) == len(places)
        assert opened.answers.empty()
        assert opened.lost.empty()
        assert fire.direct.stored().tasks == tuple(stored_task(serial) for serial in range(1, len(places) + 1))

    def test_random_breaks_under_load_lose_and_double_nothing(self, fire: Fire) -> None:
        opened = fire.world.loaded()
        rng = random.Random(4)
        for serial in range(400):
            if serial % 40 == 0:
                fire.proxy.cut(rng.choice([UP, DOWN]), rng.randrange(20_000))
            opened.save(PutTask(task=stored_task(serial)))
            if serial % 10 == 9:
                for ticket in range(serial - 8, serial + 2):
                    assert opened.answer() == Saved(ticket=ticket)
        assert opened.lost.empty()
        assert fire.direct.stored().tasks == tuple(stored_task(serial) for serial in range(400))

    def test_a_slow_zookeeper_makes_transactions_larger_not_more(self, fire: Fire, keeper: KazooClient) -> None:
        opened = fire.world.loaded()
        fire.proxy.delay_seconds = 0.15
        for serial in range(1000):
            opened.save(PutTask(task=stored_task(serial)))
            time.sleep(0.001)
        for serial in range(1000):
            assert opened.answer() == Saved(ticket=serial + 1)
        assert transactions(keeper, fire.root) < 20
        assert opened.lost.empty()

    def test_a_session_that_ends_while_a_save_is_under_way_ends_the_leader(self, fire: Fire, zookeeper: Daemon) -> None:
        opened = fire.world.loaded()
        opened.saved(PutTask(task=stored_task(1)))
        assert isinstance(opened.store, ZooKeeperStore)
        fire.proxy.stall()
        opened.save(PutTask(task=stored_task(2)))
        thief = KazooClient(hosts=zookeeper.address, client_id=opened.store.session, timeout=4.0)
        thief.start()
        thief.stop()
        thief.close()
        fire.proxy.flow()
        assert "has expired" in opened.lost.get(timeout=SECONDS)
        assert opened.answers.empty(), "nobody may rest on what may or may not have happened"
        assert not opened.store.is_deposed
        assert fire.direct.stored().tasks[0] == stored_task(1)


class TestFrozen:
    def test_shorter_than_the_session_is_waited_out(self, mortal: Daemon) -> None:
        with contextlib.closing(zookeeper_world(mortal.address, "/framework", session_seconds=10.0)) as world:
            opened = world.loaded()
            mortal.kill(signal.SIGSTOP)
            ticket = opened.save(PutTask(task=stored_task(1)))
            with pytest.raises(queue.Empty):
                opened.answers.get(timeout=3.0)
            mortal.kill(signal.SIGCONT)
            assert opened.answer() == Saved(ticket=ticket)
            assert opened.lost.empty()
            assert world.stored().tasks == (stored_task(1),)

    def test_longer_than_the_session_ends_the_leader_or_not_but_says_nothing_false(self, mortal: Daemon) -> None:
        """Whether ZooKeeper first takes our connection or first counts the time is its own affair."""
        with contextlib.closing(zookeeper_world(mortal.address, "/framework", session_seconds=2.0)) as world:
            opened = world.loaded()
            opened.saved(PutTask(task=stored_task(1)))
            mortal.kill(signal.SIGSTOP)
            opened.save(PutTask(task=stored_task(2)))
            problem = opened.problems.get(timeout=SECONDS)
            assert f"ZooKeeper cannot be reached: {mortal.address} does not answer within 2 s" in problem
            mortal.kill(signal.SIGCONT)
            end = time.monotonic() + SECONDS
            while opened.answers.empty() and opened.lost.empty() and time.monotonic() < end:
                time.sleep(0.05)
            if opened.lost.empty():
                assert opened.answer() == Saved(ticket=2)
                assert len(world.stored().tasks) == 2
            else:
                assert "has expired" in opened.lost.get()
                assert opened.answers.empty()
                assert world.stored().tasks[0] == stored_task(1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB, for ZooKeeper's data."""
    data = tmp_path / "zookeeper" / "data"
    data.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(data)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk wants root and the right to mount")
    try:
        yield data
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)


def test_a_full_disk_of_zookeeper_is_waited_out(small_disk: Path) -> None:
    """ZooKeeper ends when it cannot write its log; nothing that was answered is lost, what waits is stored later."""
    need(requirements.CLUSTER)
    directory = small_disk.parent
    with leased_subnet() as subnet:
        server = Daemon.create(directory, commands.zookeeper(directory, f"127.{subnet}.0.1:2181"))
        server.start().wait()
        ballast = small_disk / "ballast"
        try:
            with contextlib.closing(zookeeper_world(server.address, "/framework", session_seconds=30.0)) as world:
                opened = world.loaded()
                opened.saved(PutTask(task=stored_task(0)))
                with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(65536))
                # One in each node, more in all than the server's last page of log takes.
                tasks = [stored_task(64 * number, message=incompressible(200_000, number)) for number in range(1, 11)]
                for task in tasks:
                    opened.save(PutTask(task=task))
                assert "cannot be reached" in opened.problems.get(timeout=SECONDS)
                assert opened.answers.qsize() < len(tasks)
                server.kill()
                ballast.unlink()
                server.start().wait()
                for ticket in range(2, 12):
                    assert opened.answer() == Saved(ticket=ticket)
                assert opened.lost.empty()
                assert world.stored().tasks == (stored_task(0), *tasks)
        finally:
            server.kill()


class TestEdits:
    """Somebody changes nodes while a leader runs."""

    def lead(self, fire: Fire) -> Opened:
        opened = fire.world.loaded()
        opened.saved(
            PutFramework(framework_id=FrameworkId("f-1"), next_serial=100),
            PutVersion(version=stored_version(id=VERSION)),
            PutStack(stack=stored_stack()),
            PutTask(task=stored_task(1)),
        )
        return opened

    def test_a_fence_that_moved_ends_the_leader(self, fire: Fire, keeper: KazooClient) -> None:
        opened = self.lead(fire)
        keeper.set(f"{fire.root}/epoch", b'{"epoch": 1, "transaction": 9, "holder": "10.0.0.1:8080"}')
        opened.save(PutTask(task=stored_task(2)))
        assert f"{fire.root}/epoch in ZooKeeper is not as this scheduler left it" in opened.lost.get(timeout=SECONDS)
        assert opened.answers.empty()
        assert fire.direct.stored().tasks == (stored_task(1),)

    def test_a_fence_that_was_touched_without_a_change_is_no_reason_to_end(
        self, fire: Fire, keeper: KazooClient
    ) -> None:
        opened = self.lead(fire)
        keeper.set(f"{fire.root}/epoch", keeper.get(f"{fire.root}/epoch")[0])
        opened.saved(PutTask(task=stored_task(2)))

    def test_a_bucket_that_was_overwritten_is_healed_by_the_next_save_to_it(
        self, fire: Fire, keeper: KazooClient
    ) -> None:
        opened = self.lead(fire)
        keeper.set(f"{fire.root}/tasks/0", b"rubbish")
        found = snapshot.take(f"zk://{fire.proxy.address}{fire.root}", on_problem=lambda _: None)
        assert [finding.path for finding in found.report.damages] == ["/tasks/0"]
        opened.saved(PutTask(task=stored_task(2)))
        assert opened.store.load().tasks == (stored_task(1), stored_task(2))

    def test_a_version_that_is_gone_is_found_by_the_check(self, fire: Fire, keeper: KazooClient) -> None:
        self.lead(fire)
        keeper.delete(f"{fire.root}/versions/shop/{VERSION}")
        found = snapshot.take(f"zk://{fire.proxy.address}{fire.root}", on_problem=lambda _: None)
        assert {finding.path for finding in found.report.damages} == {"/stacks/shop"}

    def test_a_node_that_is_there_before_it_is_made_is_not_written_over(self, fire: Fire, keeper: KazooClient) -> None:
        opened = self.lead(fire)
        keeper.create(f"{fire.root}/tasks/1", b"mine")
        opened.save(PutTask(task=stored_task(64)))
        assert f"{fire.root}/tasks/1 in ZooKeeper is not as this scheduler" in opened.lost.get(timeout=SECONDS)
        assert keeper.get(f"{fire.root}/tasks/1")[0] == b"mine"

    def test_a_root_that_is_gone_is_not_made_again_by_who_led_there(self, fire: Fire, keeper: KazooClient) -> None:
        opened = self.lead(fire)
        keeper.delete(fire.root, recursive=True)
        opened.save(PutTask(task=stored_task(2)))
        assert "Nothing was written over it" in opened.lost.get(timeout=SECONDS)
        assert not keeper.exists(fire.root)

    def test_an_empty_root_is_an_empty_store(self, fire: Fire) -> None:
        assert fire.world.stored() == Stored()


def test_a_scheduler_that_cannot_use_its_store_ends_with_100_and_says_why(
    zookeeper: Daemon, keeper: KazooClient
) -> None:
    root = new_root()
    with contextlib.closing(zookeeper_world(zookeeper.address, root)) as world:
        world.loaded().saved(PutStack(stack=stored_stack()))
    newer = b'{"kind": "mesos-framework", "schema": 9}'
    for path, data, says in (
        ("", b"", f"stopping: the store lacks version {VERSION} of shop/web00000"),
        ("/schema", newer, f"{root}/schema has schema 9, and this program knows schemas up to 3: a newer framework"),
    ):
        if path:
            keeper.set(root + path, data)
        said = scheduler(f"zk://{zookeeper.address}{root}")
        assert said.returncode == 100, said.stderr
        assert says in said.stderr
    epoch = json.loads(keeper.get(f"{root}/epoch")[0])["epoch"]
    assert epoch == 2, "who cannot read the schema does not take the store"


def scheduler(zk: str) -> subprocess.CompletedProcess[str]:
    """A scheduler, run to its end, without a Mesos."""
    words = ["--zk", zk, "--master", "127.0.0.9:1", "--bind", "127.0.0.1:0", "--advertise", "127.0.0.1:9"]
    return subprocess.run(
        [sys.executable, "-m", "framework.cli.main", "scheduler", *words],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
