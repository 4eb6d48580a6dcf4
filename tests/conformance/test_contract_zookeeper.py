"""The exam of ZooKeeper, as the store uses it: asked of the real one and of the simulation's model alike."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from kazoo.exceptions import (
    BadVersionError,
    ConnectionLoss,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)

from framework.adapters.ensemble import UNCERTAIN, Ensemble, SessionLost
from framework.local.daemon import Daemon
from specs.urls import parse_url
from tests.kit.cluster import running_zookeeper
from tests.simulation.zookeeper import Session, Tree

ROOT = "/exam"


class ZooKeeper(Protocol):
    """One tree of nodes. Sessions have the calls of framework.adapters.ensemble.Ensemble."""

    def session(self) -> Any:
        """A new session."""

    def unheard(self, act: Callable[[], object]) -> None:
        """Does what sends a transaction, of which the answer does not come."""


class Model:
    """The simulation's."""

    def __init__(self) -> None:
        self._tree = Tree()
        self._fate = "done"

    def session(self) -> Session:
        return Session(self._tree, lambda: self._fate)

    def unheard(self, act: Callable[[], object]) -> None:
        self._fate = "unheard"
        try:
            act()
        finally:
            self._fate = "done"


class Real:
    """A server of the exam's own."""

    def __init__(self, server: Daemon) -> None:
        self._server = server
        self._open: list[Ensemble] = []

    def session(self) -> Ensemble:
        url = parse_url(f"zk://{self._server.address}{ROOT}", "zk")
        found = Ensemble(url, on_problem=lambda _: None, on_lost=lambda: None, session_seconds=4.0)
        self._open.append(found)
        found.wait()
        return found

    def unheard(self, act: Callable[[], object]) -> None:
        self._server.kill(signal.SIGSTOP)
        try:
            act()
        finally:
            self._server.kill(signal.SIGCONT)

    def tidy(self) -> None:
        for each in self._open:
            each.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running_zookeeper(tmp_path_factory.mktemp("zookeeper")) as found:
        yield found


@pytest.fixture(params=["model", pytest.param("real", marks=pytest.mark.zookeeper)])
def zookeeper(request: pytest.FixtureRequest) -> Iterator[ZooKeeper]:
    if request.param == "model":
        yield Model()
        return
    found = Real(request.getfixturevalue("server"))
    yield found
    found.tidy()


@pytest.fixture
def root(request: pytest.FixtureRequest, zookeeper: ZooKeeper) -> str:
    """A node of the test's own."""
    path = f"{ROOT}/{request.node.originalname}"
    zookeeper.session().ensure_path(path)
    return path


def kinds(results: list[Any]) -> list[Any]:
    """The classes of those that are exceptions, the others as they are."""
    return [type(each) if isinstance(each, Exception) else each for each in results]


def send(session: Any, *operations: tuple[Any, ...]) -> list[Any]:
    """A transaction of (name, arguments...)."""
    transaction = session.transaction()
    for name, *arguments in operations:
        getattr(transaction, name)(*arguments)
    found: list[Any] = session.send(transaction)
    return found


def test_a_transaction_answers_each_of_its_operations(zookeeper: ZooKeeper, root: str) -> None:
    session = zookeeper.session()
    created, *_ = send(session, ("create", f"{root}/a", b"1"), ("create", f"{root}/b", b"2"))
    assert created == f"{root}/a"
    done = send(session, ("check", f"{root}/a", 0), ("set_data", f"{root}/a", b"3"), ("delete", f"{root}/b"))
    assert done[0] is True and done[1].version == 1 and done[2] is True
    assert session.get(f"{root}/a") == (b"3", 1)
    assert session.children(root) == ["a"]


def test_another_session_sees_what_was_done(zookeeper: ZooKeeper, root: str) -> None:
    first, second = zookeeper.session(), zookeeper.session()
    send(first, ("create", f"{root}/b", b"2"), ("create", f"{root}/a", b"1"))
    assert second.children(root) == ["a", "b"]
    assert second.get_all([f"{root}/b", f"{root}/a"]) == [b"2", b"1"]
    assert second.children_of_all([root, f"{root}/a"]) == [["a", "b"], []]


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (("create", "a", b""), NodeExistsError),
        (("create", "none/below", b""), NoNodeError),
        (("set_data", "none", b""), NoNodeError),
        (("delete", "none"), NoNodeError),
        (("check", "none", 0), NoNodeError),
        (("set_data", "a", b"", 7), BadVersionError),
        (("delete", "a", 7), BadVersionError),
        (("check", "a", 7), BadVersionError),
        (("delete", "full"), NotEmptyError),
    ],
    ids=lambda each: f"{each[0]}-{each[1].replace('/', '-')}" if isinstance(each, tuple) else each.__name__,
)
def test_all_of_it_or_nothing(zookeeper: ZooKeeper, operation: tuple[Any, ...], error: type[Exception]) -> None:
    session = zookeeper.session()
    base = f"{ROOT}/{operation[0]}-{operation[1].replace('/', '-')}-{error.__name__}"
    session.ensure_path(f"{base}/full/child")
    send(session, ("create", f"{base}/a", b"old"))
    name, path, *rest = operation
    answer = send(
        session,
        ("set_data", f"{base}/a", b"new"),
        (name, f"{base}/{path}", *rest),
        ("create", f"{base}/after", b""),
    )
    assert kinds(answer) == [RolledBackError, error, RuntimeInconsistency]
    assert session.get(f"{base}/a") == (b"old", 0)
    assert session.children(base) == ["a", "full"]


def test_what_came_before_counts_within_a_transaction(zookeeper: ZooKeeper, root: str) -> None:
    session = zookeeper.session()
    send(session, ("create", f"{root}/a", b"1"), ("create", f"{root}/a/b", b"2"), ("set_data", f"{root}/a", b"3", 0))
    assert session.get(f"{root}/a") == (b"3", 1)
    answer = send(session, ("set_data", f"{root}/a", b"4", 1), ("set_data", f"{root}/a", b"5", 1))
    assert kinds(answer) == [RolledBackError, BadVersionError]
    send(session, ("delete", f"{root}/a/b"), ("delete", f"{root}/a"), ("create", f"{root}/a", b"6"))
    assert session.get(f"{root}/a") == (b"6", 0), "one that is made anew begins at version 0"


def test_what_is_not_there_is_said(zookeeper: ZooKeeper, root: str) -> None:
    session = zookeeper.session()
    for ask in (session.get, session.children, lambda path: session.get_all([root, path])):
        with pytest.raises(NoNodeError):
            ask(f"{root}/none")


def test_a_path_is_made_once(zookeeper: ZooKeeper, root: str) -> None:
    session = zookeeper.session()
    session.ensure_path(f"{root}/a/b")
    send(session, ("set_data", f"{root}/a/b", b"1"))
    session.ensure_path(f"{root}/a/b")
    assert session.get(f"{root}/a/b") == (b"1", 1)
    assert session.children(root) == ["a"]


def test_what_is_too_large_breaks_the_connection(zookeeper: ZooKeeper, root: str) -> None:
    session = zookeeper.session()
    with pytest.raises(ConnectionLoss):
        send(session, ("create", f"{root}/a", b"x" * 1_100_000))
    assert session.children(root) == []


def test_one_whose_answer_is_lost_may_have_happened_and_reading_tells(zookeeper: ZooKeeper, root: str) -> None:
    session = zookeeper.session()

    def act() -> None:
        with pytest.raises(UNCERTAIN):
            send(session, ("create", f"{root}/a", b"1"), ("create", f"{root}/b", b"2"))

    worker = threading.Thread(target=lambda: zookeeper.unheard(act))
    worker.start()
    worker.join(60.0)
    assert not worker.is_alive()
    assert zookeeper.session().children(root) in ([], ["a", "b"])


def test_a_session_that_is_over_says_so(zookeeper: ZooKeeper, root: str) -> None:
    session = zookeeper.session()
    session.close()
    with pytest.raises(SessionLost):
        session.get(root)
    with pytest.raises(SessionLost):
        send(session, ("create", f"{root}/a", b"1"))
    assert zookeeper.session().children(root) == []
