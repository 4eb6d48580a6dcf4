"""Real ZooKeeper, Mesos and Docker for tests, started by the tests themselves and ended by them.

Fixtures (tests/conftest.py registers them): `docker_engine`, `images`, `zookeeper`, `real_cluster`, `new_cluster`.
Every ZooKeeper and every cluster has a subnet of its own, so that several runs on one machine do not meet.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from framework.local import commands, engine, requirements
from framework.local import images as local_images
from framework.local.cluster import Cluster
from framework.local.daemon import Daemon
from framework.local.paths import cache_home
from framework.local.ports import is_free
from framework.local.requirements import Requirement

FIRST_SUBNET = 101
LAST_SUBNET = 250

NewCluster = Callable[..., Cluster]


def need(required: Sequence[Requirement]) -> None:
    """Skips the test, saying what to install, when something is missing; in CI that is a failure instead."""
    absent = requirements.missing(required)
    if absent:
        words = f"missing: {', '.join(each.name for each in absent)}; {requirements.remedy(absent)}"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)


@contextlib.contextmanager
def leased_subnet() -> Iterator[int]:
    """A subnet that no other test on this machine uses, for as long as the context lasts."""
    directory = cache_home() / "subnets"
    directory.mkdir(parents=True, exist_ok=True)
    for subnet in range(FIRST_SUBNET, LAST_SUBNET + 1):
        with (directory / str(subnet)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if is_free(f"127.{subnet}.0.1:2181") and is_free(f"127.{subnet}.0.1:5050"):
                yield subnet
                return
    raise LookupError(f"no subnet from {FIRST_SUBNET} to {LAST_SUBNET} is free")


@contextlib.contextmanager
def running_cluster(directory: Path, **options: Any) -> Iterator[Cluster]:
    """A cluster on a subnet of its own; `options` are those of Cluster.up."""
    need(requirements.CLUSTER)
    with leased_subnet() as subnet:
        cluster = Cluster(directory, subnet=subnet)
        try:
            yield cluster.up(**options)
        finally:
            cluster.down()


@contextlib.contextmanager
def running_zookeeper(directory: Path) -> Iterator[Daemon]:
    """A ZooKeeper server on a subnet of its own."""
    need(requirements.CLUSTER)
    with leased_subnet() as subnet:
        server = Daemon.create(directory, commands.zookeeper(directory, f"127.{subnet}.0.1:2181"))
        try:
            yield server.start().wait()
        finally:
            server.kill()


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[None]:
    """A Docker engine that answers; one that was started for the tests ends with them."""
    if not engine.is_answering():
        need(requirements.ENGINE)
    own = engine.ensure()
    yield
    if own is not None:
        engine.stop(own)


@pytest.fixture(scope="session")
def images(docker_engine: None) -> None:
    """The images framework.local.images makes, named there: BUSYBOX, REDIS."""
    need(requirements.IMAGES)
    local_images.build()


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The session's ZooKeeper; who shares it takes a root of its own below it. `.address` is HOST:PORT."""
    with running_zookeeper(tmp_path_factory.mktemp("zookeeper")) as server:
        yield server


@pytest.fixture(scope="session")
def real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The session's cluster: 1 master, 3 agents, no scheduler; leave it as you found it."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def new_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewCluster]:
    """Starts clusters of the test's own, `new_cluster(masters=3, agents=1)`, which end with the test."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> Cluster:
            return stack.enter_context(running_cluster(tmp_path_factory.mktemp("cluster"), **options))

        yield start
