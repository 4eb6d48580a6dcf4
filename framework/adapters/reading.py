"""Reads a store's nodes in ZooKeeper, and makes them where a root is new."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from kazoo.client import TransactionRequest
from kazoo.exceptions import KazooException, NodeExistsError

from framework.adapters import marks, nodes, packing, records, spec_records
from framework.adapters.ensemble import UNCERTAIN, Ensemble
from framework.adapters.histories import history_of
from framework.adapters.image import Image
from framework.adapters.marks import BeingRestored, Epoch
from framework.adapters.packing import NewerSchema, RecordFault
from framework.core.commands import PutFramework
from framework.core.model import Answered, History, KnownAgent, Rollouts, StackSpec, Stored, Task, Version
from specs.ids import VersionId
from specs.urls import Url

_T = TypeVar("_T")


def prepare(ensemble: Ensemble, url: Url) -> None:
    """Sees to it that the root is one of ours: makes it where there is nothing. Raises RecordFault where it is not."""
    ensemble.ensure_path(url.root)
    while True:
        names = ensemble.children(url.root)
        if nodes.SCHEMA_NODE.strip("/") in names:
            data, _ = ensemble.get(url.root + nodes.SCHEMA_NODE)
            _decoded(url, nodes.SCHEMA_NODE, marks.schema_of, data)
            return
        if names := [name for name in names if f"/{name}" not in nodes.PASSING]:
            raise RecordFault(
                f"{url} holds what is not ours ({', '.join(names[:3])}{', …' if names[3:] else ''}): name another root"
            )
        _make(ensemble, url)


def _make(ensemble: Ensemble, url: Url) -> None:
    """Makes the nodes of an empty root, all or none; another scheduler may be doing the same."""
    transaction = ensemble.transaction()
    transaction.create(url.root + nodes.SCHEMA_NODE, marks.schema_node())
    transaction.create(url.root + nodes.EPOCH_NODE, marks.epoch_node(Epoch()))
    for path in nodes.DIRECTORIES:
        transaction.create(url.root + path, b"")
    try:
        results = ensemble.send(transaction)
    except UNCERTAIN:
        return
    if isinstance(results[0], KazooException) and not isinstance(results[0], NodeExistsError):
        raise next((each for each in results if isinstance(each, KazooException)), results[0])


def raise_schema(ensemble: Ensemble, url: Url, transaction: TransactionRequest) -> None:
    """Adds to the transaction what makes an older root one of our schema. Raises NoNodeError, RecordFault.

    From then on an older program refuses to start: it would drop what it does not know.
    """
    data, version = ensemble.get(url.root + nodes.SCHEMA_NODE)
    if _decoded(url, nodes.SCHEMA_NODE, marks.schema_of, data) == packing.SCHEMA:
        return
    transaction.set_data(url.root + nodes.SCHEMA_NODE, marks.schema_node(), version)
    there = ensemble.children(url.root)
    for path in nodes.BEGAN_WITH:
        if path.strip("/") not in there:
            transaction.create(url.root + path, b"")


def epoch(ensemble: Ensemble, url: Url) -> tuple[Epoch, int]:
    """The epoch, and the version of its node. Raises NoNodeError, RecordFault."""
    data, version = ensemble.get(url.root + nodes.EPOCH_NODE)
    return _decoded(url, nodes.EPOCH_NODE, marks.epoch_of, data), version


def read(ensemble: Ensemble, url: Url) -> tuple[Stored, Image]:
    """All that is stored, and the picture of its nodes. Raises RecordFault, NoNodeError, SessionLost."""
    with _no_collections():
        return _read(ensemble, url)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Looking for garbage among 100,000 tasks that all stay would take a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read(ensemble: Ensemble, url: Url) -> tuple[Stored, Image]:
    stack_names, version_stacks, buckets, agent_buckets, rollout_names, history_names = ensemble.children_of_all(
        [url.root + path for path in nodes.DIRECTORIES]
    )
    image = Image(stacks=set(stack_names), rollouts=set(rollout_names), histories=set(history_names))
    above = ensemble.children(url.root)
    framework = _framework(ensemble, url, above)
    image.has_framework = framework is not None
    versions = _versions(ensemble, url, version_stacks, image)
    tasks = _tasks(ensemble, url, buckets, image)
    agents = _agents(ensemble, url, agent_buckets, image)
    answers = _answers(ensemble, url, above, image)
    stored = Stored(
        framework_id=framework.framework_id if framework else None,
        next_serial=framework.next_serial if framework else 1,
        stacks=_named(ensemble, url, nodes.STACKS_NODE, stack_names, _stack),
        versions=versions,
        tasks=tasks,
        agents=agents,
        rollouts=_named(ensemble, url, nodes.ROLLOUTS_NODE, rollout_names, _rollouts),
        histories=_named(ensemble, url, nodes.HISTORY_NODE, history_names, _history),
        answers=answers,
    )
    return stored, image


def _framework(ensemble: Ensemble, url: Url, above: Sequence[str]) -> PutFramework | None:
    if nodes.FRAMEWORK_NODE.strip("/") not in above:
        return None
    data, _ = ensemble.get(url.root + nodes.FRAMEWORK_NODE)
    return _decoded(url, nodes.FRAMEWORK_NODE, records.framework_of, data)


def _named(
    ensemble: Ensemble, url: Url, node: str, names: Sequence[str], decode: Callable[[bytes], tuple[str, _T]]
) -> tuple[_T, ...]:
    """The values of the nodes below `node`, each named like the stack of which it tells; `decode` finds both."""
    paths = [f"{node}/{name}" for name in names]
    found = []
    for name, path, data in zip(names, paths, _get_all(ensemble, url, paths), strict=True):
        stack, value = _decoded(url, path, decode, data)
        _check(url, path, stack == name, f"names stack {stack!r}")
        found.append(value)
    return tuple(found)


def _stack(data: bytes) -> tuple[str, StackSpec]:
    stack = spec_records.stack_of(data)
    return stack.name, stack


def _rollouts(data: bytes) -> tuple[str, Rollouts]:
    rollouts = spec_records.rollouts_of(data)
    return rollouts.stack, rollouts


def _history(data: bytes) -> tuple[str, History]:
    history = history_of(data)
    return history.stack, history


def _versions(ensemble: Ensemble, url: Url, stacks: Sequence[str], image: Image) -> tuple[Version, ...]:
    parents = [f"{nodes.VERSIONS_NODE}/{stack}" for stack in stacks]
    names_of = ensemble.children_of_all([url.root + parent for parent in parents])
    places = [(stack, name) for stack, names in zip(stacks, names_of, strict=True) for name in names]
    paths = [f"{nodes.VERSIONS_NODE}/{stack}/{name}" for stack, name in places]
    found = []
    for place, path, data in zip(places, paths, _get_all(ensemble, url, paths), strict=True):
        version = _decoded(url, path, records.version_of, data)
        _check(url, path, (version.stack, version.id) == place, f"names {version.stack!r}, {version.id!r}")
        found.append(version)
    for stack, names in zip(stacks, names_of, strict=True):
        image.versions[stack] = {VersionId(name) for name in names}
    return tuple(found)


def _tasks(ensemble: Ensemble, url: Url, names: Sequence[str], image: Image) -> tuple[Task, ...]:
    paths = [f"{nodes.TASKS_NODE}/{name}" for name in names]
    found: dict[int, Task] = {}
    for name, path, data in zip(names, paths, _get_all(ensemble, url, paths), strict=True):
        tasks = _decoded(url, path, _bucket, data)
        places = {serial // nodes.TASKS_PER_BUCKET for serial in tasks}
        _check(url, path, [str(place) for place in places] == [name], "has tasks of another bucket")
        image.tasks.contents[int(name)] = {task.id: record for task, record in tasks.values()}
        image.tasks.sizes[int(name)] = len(data)
        found.update((serial, task) for serial, (task, _) in tasks.items())
    return tuple(found[serial] for serial in sorted(found))


def _bucket(data: bytes) -> dict[int, tuple[Task, bytes]]:
    """The tasks of a bucket with their records, by serial number. Raises RecordFault."""
    tasks = records.bucket_of(data)
    try:
        found = {records.serial_of(task.id): (task, record) for task, record in tasks}
    except ValueError as error:
        raise RecordFault(f"has a {error}") from error
    if len(found) != len(tasks):
        raise RecordFault("has two tasks with one serial number")
    return found


def _agents(ensemble: Ensemble, url: Url, names: Sequence[str], image: Image) -> tuple[KnownAgent, ...]:
    paths = [f"{nodes.AGENTS_NODE}/{name}" for name in names]
    found: list[KnownAgent] = []
    for name, path, data in zip(names, paths, _get_all(ensemble, url, paths), strict=True):
        agents = _decoded(url, path, records.agents_of, data)
        places = {nodes.bucket_of_agent(agent.id) for agent, _ in agents}
        _check(url, path, [str(place) for place in places] == [name], "has agents of another bucket")
        content: dict[str, bytes] = {agent.id: record for agent, record in agents}
        _check(url, path, len(content) == len(agents), "has an agent twice")
        image.agents.contents[int(name)] = content
        image.agents.sizes[int(name)] = len(data)
        found += [agent for agent, _ in agents]
    return tuple(sorted(found, key=lambda agent: agent.id))


def _answers(ensemble: Ensemble, url: Url, above: Sequence[str], image: Image) -> tuple[Answered, ...]:
    image.has_answers = nodes.ANSWERS_NODE.strip("/") in above
    if not image.has_answers:
        return ()
    names = ensemble.children(url.root + nodes.ANSWERS_NODE)
    paths = [f"{nodes.ANSWERS_NODE}/{name}" for name in names]
    found: dict[int, Answered] = {}
    for name, path, data in zip(names, paths, _get_all(ensemble, url, paths), strict=True):
        answers = _decoded(url, path, records.answers_of, data)
        places = {answer.number // nodes.ANSWERS_PER_BUCKET for answer, _ in answers}
        _check(url, path, [str(place) for place in places] == [name], "has answers of another bucket")
        image.answers.contents[int(name)] = {str(answer.number): record for answer, record in answers}
        image.answers.sizes[int(name)] = len(data)
        found.update((answer.number, answer) for answer, _ in answers)
    return tuple(found[number] for number in sorted(found))


def _get_all(ensemble: Ensemble, url: Url, paths: Sequence[str]) -> list[bytes]:
    return ensemble.get_all([url.root + path for path in paths])


def _decoded(url: Url, path: str, decode: Callable[[bytes], _T], data: bytes) -> _T:
    """The decoded content of a node; the fault names the node and says what to do."""
    try:
        return decode(data)
    except NewerSchema as error:
        raise error.at(f"{url}{path}") from error
    except BeingRestored as error:
        raise RecordFault(f"{url}{path} {error}") from error
    except RecordFault as error:
        raise _damaged(url, path, str(error)) from error


def _check(url: Url, path: str, holds: bool, otherwise: str) -> None:
    if not holds:
        raise _damaged(url, path, otherwise)


def _damaged(url: Url, path: str, how: str) -> RecordFault:
    return RecordFault(
        f"{url}{path} {how}: it is not as a framework writes it. Restore what is below {url.root} from a backup, or"
        f" name another root; deleting {url.root}{path} forgets what was in it"
    )
