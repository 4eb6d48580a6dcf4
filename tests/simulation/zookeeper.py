"""A ZooKeeper of one tree, and sessions with it that break at the worst moment.

The real ZooKeeperStore runs on it, without its thread: its writer works when the simulation says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from unittest.mock import patch

from kazoo.exceptions import (
    BadVersionError,
    ConnectionLoss,
    KazooException,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)

from framework.adapters import marks, nodes, records, spec_records
from framework.adapters.ensemble import SessionLost
from framework.adapters.zookeeper import ZooKeeperStore
from framework.core.events import Event
from framework.core.model import Rollouts, StackSpec, Task
from specs.ids import GroupId, TaskId
from specs.model.stack import Unreachable
from specs.states import TaskState

URL = "zk://simulated:2181/framework"
ROOT = "/framework"
LIMIT_BYTES = 1_048_575


class Stat(NamedTuple):
    """The answer to a write."""

    version: int


class Transaction:
    """Collects operations as kazoo's does."""

    def __init__(self) -> None:
        self.operations: list[tuple[str, str, bytes, int]] = []

    def set_data(self, path: str, data: bytes, version: int = -1) -> None:
        self.operations.append(("set", path, data, version))

    def create(self, path: str, data: bytes = b"") -> None:
        self.operations.append(("create", path, data, -1))

    def delete(self, path: str, version: int = -1) -> None:
        self.operations.append(("delete", path, b"", version))

    def check(self, path: str, version: int) -> None:
        self.operations.append(("check", path, b"", version))


class Tree:
    """The nodes, and what they mean: `tasks`, `stacks` and `rollouts` are decoded from them after every transaction."""

    def __init__(self) -> None:
        self.nodes: dict[str, tuple[bytes, int]] = {"/": (b"", 0)}
        self.tasks: dict[TaskId, Task] = {}
        self.stacks: dict[str, StackSpec] = {}
        self.rollouts: dict[str, Rollouts] = {}
        self.last_words: dict[TaskId, Task] = {}
        """Every task that was ever stored, as it was stored last."""
        self.were_away: dict[TaskId, None] = {}
        """Tasks that were unreachable once: those may come back when others have their slots."""
        self.transactions = 0
        self.epoch = 0
        self.deposed_writes = 0
        """How many transactions were of a term that was over."""
        self.patience: dict[GroupId, tuple[Unreachable, ...]] = {}
        """How long each group's slots wait for unreachable tasks, and who stays: as it is desired, and was before."""
        self.changed: list[tuple[Task, Task]] = []
        """The tasks that the last transaction changed, each before and after it."""
        self._by_bucket: dict[str, list[TaskId]] = {}
        self.watch: Callable[[], None] = lambda: None
        """Called after each transaction."""

    def commit(self, operations: Sequence[tuple[str, str, bytes, int]]) -> list[Any]:
        """Does all of it or nothing; answers as kazoo does."""
        before = dict(self.nodes)
        results: list[Any] = []
        for position, operation in enumerate(operations):
            try:
                results.append(self._do(*operation))
            except KazooException as error:
                self.nodes = before
                rest = len(operations) - position - 1
                return [*(RolledBackError() for _ in results), error, *(RuntimeInconsistency() for _ in range(rest))]
        self.transactions += 1
        self.changed = []
        for path in dict.fromkeys(operation[1] for operation in operations):
            self._decode(path.removeprefix(ROOT))
        self.watch()
        return results

    def _do(self, kind: str, path: str, data: bytes, version: int) -> Any:
        if kind == "create":
            if path in self.nodes:
                raise NodeExistsError
            if path.rpartition("/")[0] not in self.nodes and path.count("/") > 1:
                raise NoNodeError
            self.nodes[path] = (data, 0)
            return path
        if path not in self.nodes:
            raise NoNodeError
        has = self.nodes[path][1]
        if version not in (-1, has):
            raise BadVersionError
        if kind == "delete":
            if self.children(path):
                raise NotEmptyError
            del self.nodes[path]
            return True
        if kind == "set":
            self.nodes[path] = (data, has + 1)
            return Stat(has + 1)
        return True

    def children(self, path: str) -> list[str]:
        """The names below a node, sorted."""
        begin = path.rstrip("/") + "/"
        return sorted(
            each[len(begin) :] for each in self.nodes if each.startswith(begin) and "/" not in each[len(begin) :]
        )

    def _decode(self, path: str) -> None:
        directory, _, name = path.rpartition("/")
        data, _ = self.nodes.get(ROOT + path, (None, 0))
        if path == nodes.EPOCH_NODE and data is not None:
            number = marks.epoch_of(data).number
            self.deposed_writes += number < self.epoch
            self.epoch = max(number, self.epoch)
        elif directory == nodes.TASKS_NODE:
            for id in self._by_bucket.pop(name, []):
                self.tasks.pop(id, None)
            found = [] if data is None else [task for task, _ in records.bucket_of(data)]
            self._by_bucket[name] = [task.id for task in found]
            for task in found:
                if (before := self.last_words.get(task.id)) not in (None, task):
                    self.changed.append((before, task))
                self.tasks[task.id] = self.last_words[task.id] = task
                if task.state is TaskState.UNREACHABLE:
                    self.were_away[task.id] = None
        elif directory == nodes.ROLLOUTS_NODE:
            self.rollouts.pop(name, None)
            if data is not None:
                self.rollouts[name] = spec_records.rollouts_of(data)
        elif directory == nodes.STACKS_NODE:
            self.stacks.pop(name, None)
            if data is not None:
                self.stacks[name] = spec_records.stack_of(data)
                for spec in self.stacks[name].groups:
                    known = self.patience.get(spec.id, ())
                    if known[:1] != (spec.unreachable,):
                        self.patience[spec.id] = (spec.unreachable, *known[:1])


class Session:
    """framework.adapters.ensemble.Ensemble on a Tree. `fate` says what becomes of the next transaction: done, unheard
    (done, and the answer is lost), lost (not done), late (not done before it is asked after)."""

    def __init__(self, tree: Tree, fate: Callable[[], str]) -> None:
        self._tree, self._fate = tree, fate
        self._late: list[tuple[str, str, bytes, int]] | None = None
        self.is_lost = False
        self.session = (1, b"")

    def transaction(self) -> Transaction:
        return Transaction()

    def send(self, transaction: Transaction) -> list[Any]:
        self._check()
        if self._late is not None:
            self._tree.commit(self._late)
            self._late = None
        fate = self._fate()
        if sum(len(data) for _, _, data, _ in transaction.operations) > LIMIT_BYTES:
            raise ConnectionLoss
        if fate == "lost":
            raise ConnectionLoss
        if fate == "late":
            self._late = transaction.operations
            raise ConnectionLoss
        results = self._tree.commit(transaction.operations)
        if fate == "unheard":
            raise ConnectionLoss
        return results

    def get(self, path: str) -> tuple[bytes, int]:
        self._check()
        if path not in self._tree.nodes:
            raise NoNodeError(path)
        return self._tree.nodes[path]

    def get_all(self, paths: Sequence[str]) -> list[bytes]:
        return [self.get(path)[0] for path in paths]

    def children(self, path: str) -> list[str]:
        self.get(path)
        return self._tree.children(path)

    def children_of_all(self, paths: Sequence[str]) -> list[list[str]]:
        return [self.children(path) for path in paths]

    def ensure_path(self, path: str) -> None:
        self._check()
        parts = path.split("/")
        for length in range(2, len(parts) + 1):
            self._tree.nodes.setdefault("/".join(parts[:length]), (b"", 0))

    def hold(self) -> None:
        self._check()

    def close(self) -> None:
        self.is_lost = True

    def _check(self) -> None:
        if self.is_lost:
            raise SessionLost("ZooKeeper expired the session")


class _NoThread:
    """Stands for the writer's thread: the simulation does its work."""

    def __init__(self, **_: Any) -> None:
        pass

    def start(self) -> None:
        pass

    def join(self) -> None:
        pass


class _Chosen:
    """Stands for the election: the world starts nobody to lead while another's session lives."""

    def __init__(self, *_: Any) -> None:
        self.is_leader = True

    def lead(self) -> None:
        pass


class SimulatedStore(ZooKeeperStore):
    """The real store, whose writer works when `work` is called."""

    @classmethod
    def of(
        cls, session: Session, post: Callable[[Event], None], on_lost: Callable[[str], None], holder: str
    ) -> SimulatedStore:
        """A store on the session, not loaded yet."""
        module = "framework.adapters.zookeeper"
        with (
            patch(f"{module}.Ensemble", lambda *_, **__: session),
            patch(f"{module}.Election", _Chosen),
            patch(f"{module}.threading.Thread", _NoThread),
        ):
            return cls(URL, post, on_problem=lambda _: None, on_lost=on_lost, holder=holder)

    @property
    def has_work(self) -> bool:
        """Whether saves wait."""
        return bool(self._waiting)

    def work(self) -> None:
        """The work of the writer's thread on the gathered saves; `on_lost` is called where it would end."""
        message = ""
        try:
            while self._waiting and (batch := self._next()) is not None:
                self._write(batch)
        except SessionLost:
            message = self._session_message()
        except Exception as error:
            if type(error).__name__ not in ("TermEnded", "Deposed"):
                raise
            message = str(error)
        if message:
            self._on_lost(message)
