"""Checks a store and reports its damages in sentences. Pure: the caller hands in the nodes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from framework.adapters import marks, nodes, records, spec_records
from framework.adapters.histories import history_of
from framework.adapters.packing import NewerSchema, RecordFault
from framework.core.commands import PutFramework
from framework.core.model import History, KnownAgent, Rollouts, StackSpec, Task, Version
from specs.ids import AgentId, GroupId, VersionId
from specs.states import Goal, TaskState

_T = TypeVar("_T")

LARGE_SHARE = 0.8
"""A node of more than this share of what one may hold is spoken of."""
MOST_NAMES_BYTES = 1_000_000
"""ZooKeeper tells all names below a node in one answer, which may be no larger than a request."""
_NAME_BYTES = 4
"""Bytes of that answer for each name, beside its letters."""


class Severity(StrEnum):
    """DAMAGE: no scheduler starts with it. FAULT: one starts, and may do the wrong thing. NOTE: harmless."""

    DAMAGE = "damage"
    FAULT = "fault"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about the node at `path`; `text` is a sentence that begins with the path."""

    severity: Severity
    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much there is, as far as it could be read. `living` are the tasks that have not ended; sizes are in bytes."""

    stacks: int = 0
    versions: int = 0
    tasks: int = 0
    living: int = 0
    agents: int = 0
    nodes: int = 0
    bytes: int = 0
    largest_path: str = ""
    largest_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The contents of a store and its damages, the worst first. `schema` and `epoch` are 0 where unreadable."""

    schema: int
    epoch: int
    framework_id: str
    next_serial: int
    highest_serial: int
    counts: Counts
    findings: tuple[Finding, ...]

    @property
    def is_good(self) -> bool:
        """Whether there is nothing worse than a note."""
        return all(finding.severity is Severity.NOTE for finding in self.findings)

    @property
    def damages(self) -> tuple[Finding, ...]:
        """The damages that keep a scheduler from starting."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.DAMAGE)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever stored, or all of it is gone again."""
        counts = self.counts
        nothing = not (counts.stacks or counts.versions or counts.tasks or counts.agents or self.framework_id)
        return nothing and not self.damages


def check(found: Mapping[str, bytes]) -> Report:
    """Reads all nodes of a store: `found` are their contents by path below the root, directories included."""
    return _Checker(found).report()


class _Checker:
    def __init__(self, found: Mapping[str, bytes]) -> None:
        self._nodes = found
        self._findings: list[Finding] = []
        self._stacks: list[StackSpec] = []
        self._rollouts: list[Rollouts] = []
        self._histories: list[History] = []
        self._versions: dict[tuple[str, VersionId], Version] = {}
        self._tasks: list[tuple[str, Task]] = []
        self._agents: list[KnownAgent] = []
        self._framework = PutFramework(framework_id=None, next_serial=1)
        self._unreadable_versions = 0

    def report(self) -> Report:
        """Looks at each node, then at what they say of each other."""
        schema = self._decode(nodes.SCHEMA_NODE, marks.schema_of) or 0
        epoch = self._decode(nodes.EPOCH_NODE, marks.epoch_of)
        if nodes.FRAMEWORK_NODE in self._nodes:
            self._framework = self._decode(nodes.FRAMEWORK_NODE, records.framework_of) or self._framework
        self._look_for_directories(schema)
        for path in sorted(self._nodes, key=_order):
            self._read(path)
            self._measure(path)
        self._compare_stacks()
        self._compare_tasks()
        highest = max((records.serial_of(task.id) for _, task in self._tasks), default=0)
        order = list(Severity)
        return Report(
            schema=schema,
            epoch=epoch.number if epoch else 0,
            framework_id=self._framework.framework_id or "",
            next_serial=self._framework.next_serial,
            highest_serial=highest,
            counts=self._counts(),
            findings=tuple(sorted(self._findings, key=lambda finding: order.index(finding.severity))),
        )

    # ---- each node by itself ---------------------------------------------------------

    def _look_for_directories(self, schema: int) -> None:
        for path in nodes.DIRECTORIES:
            is_later = schema < nodes.BEGAN_WITH.get(path, 1)
            if path not in self._nodes and not is_later:
                self._say(Severity.DAMAGE, path, "is not there: no scheduler can read this store")

    def _read(self, path: str) -> None:
        directory, _, name = path.rpartition("/")
        if not nodes.is_ours(path):
            self._say(Severity.NOTE, path, "is no node of a framework; nobody reads it, and no backup holds it")
        elif directory == nodes.STACKS_NODE:
            stack = self._decode(path, spec_records.stack_of)
            if stack and self._holds(path, stack.name == name, f"names stack {stack.name!r}"):
                self._stacks.append(stack)
        elif directory == nodes.ROLLOUTS_NODE:
            rollouts = self._decode(path, spec_records.rollouts_of)
            if rollouts and self._holds(path, rollouts.stack == name, f"names stack {rollouts.stack!r}"):
                self._rollouts.append(rollouts)
        elif directory == nodes.HISTORY_NODE:
            history = self._decode(path, history_of)
            if history and self._holds(path, history.stack == name, f"names stack {history.stack!r}"):
                self._histories.append(history)
        elif directory.startswith(f"{nodes.VERSIONS_NODE}/"):
            self._read_version(path, directory.rpartition("/")[2], name)
        elif directory == nodes.TASKS_NODE:
            self._read_tasks(path, int(name))
        elif directory == nodes.AGENTS_NODE:
            self._read_agents(path, int(name))
        elif directory == nodes.ANSWERS_NODE:
            for answer, _ in self._decode(path, records.answers_of) or []:
                is_here = answer.number // nodes.ANSWERS_PER_BUCKET == int(name)
                self._holds(path, is_here, f"has answer {answer.number} of another node")

    def _read_version(self, path: str, stack: str, name: str) -> None:
        version = self._decode(path, records.version_of)
        if version is None:
            self._unreadable_versions += 1
        elif self._holds(
            path, (version.stack, version.id) == (stack, name), f"names {version.stack!r}, {version.id!r}"
        ):
            self._versions[version.stack, version.id] = version

    def _read_tasks(self, path: str, bucket: int) -> None:
        seen: dict[int, None] = {}
        for task, _ in self._decode(path, records.bucket_of) or []:
            try:
                serial = records.serial_of(task.id)
            except ValueError as error:
                self._say(Severity.DAMAGE, path, f"has a {error}")
                continue
            if not self._holds(path, serial // nodes.TASKS_PER_BUCKET == bucket, f"has task {task.id} of another node"):
                continue
            if self._holds(path, serial not in seen, f"has two tasks with the serial number {serial}"):
                seen[serial] = None
                self._tasks.append((path, task))

    def _read_agents(self, path: str, bucket: int) -> None:
        seen: dict[str, None] = {}
        for agent, _ in self._decode(path, records.agents_of) or []:
            is_here = nodes.bucket_of_agent(agent.id) == bucket
            if self._holds(path, is_here, f"has agent {agent.id!r} of another node") and self._holds(
                path, agent.id not in seen, f"has agent {agent.id!r} twice"
            ):
                seen[agent.id] = None
                self._agents.append(agent)

    def _measure(self, path: str) -> None:
        size = len(self._nodes[path])
        if size > nodes.MAX_NODE_BYTES * LARGE_SHARE:
            how = "more than" if size > nodes.MAX_NODE_BYTES else "near"
            self._say(
                Severity.FAULT if size > nodes.MAX_NODE_BYTES else Severity.NOTE,
                path,
                f"has {size:,} bytes, {how} the limit of {nodes.MAX_NODE_BYTES:,}",
            )
        if path in nodes.DIRECTORIES:
            below = [each for each in self._nodes if each.rpartition("/")[0] == path]
            names = sum(len(each) - len(path) - 1 + _NAME_BYTES for each in below)
            if names > MOST_NAMES_BYTES * LARGE_SHARE:
                self._say(
                    Severity.FAULT,
                    path,
                    f"has {len(below):,} nodes below it, whose names take {names:,} bytes: ZooKeeper tells them in one"
                    f" answer of at most {MOST_NAMES_BYTES:,}",
                )

    # ---- what they say of each other -------------------------------------------------

    def _compare_stacks(self) -> None:
        used = {(task.group.stack, task.version) for _, task in self._tasks}
        for rollouts in self._rollouts:
            before = rollouts.current.before if rollouts.current else ()
            used |= {(rollouts.stack, spec.version) for spec in before}
        for stack in self._stacks:
            path = f"{nodes.STACKS_NODE}/{stack.name}"
            for spec in stack.groups:
                used.add((stack.name, spec.version))
                if (stack.name, spec.version) not in self._versions and not self._unreadable_versions:
                    where = f"{nodes.VERSIONS_NODE}/{stack.name}/{spec.version}"
                    self._say(
                        Severity.DAMAGE, path, f"says that {spec.id} is of version {spec.version}: {where} is not there"
                    )
        used |= self._compare_histories()
        for stack_name, version in sorted(self._versions):
            if (stack_name, version) not in used:
                path = f"{nodes.VERSIONS_NODE}/{stack_name}/{version}"
                self._say(
                    Severity.NOTE, path, "is used by no group, no task and no history; the next scheduler removes it"
                )

    def _compare_histories(self) -> set[tuple[str, VersionId]]:
        """Checks that the versions named by histories are stored."""
        used = {(history.stack, version) for history in self._histories for version in history.versions}
        lost = {(stack, version) for stack, version in used if (stack, version) not in self._versions}
        for history in self._histories:
            missing = [version for version in history.versions if (history.stack, version) in lost]
            if missing and not self._unreadable_versions:
                self._say(
                    Severity.NOTE,
                    f"{nodes.HISTORY_NODE}/{history.stack}",
                    f"names version {missing[0]}, which is not there; the next scheduler forgets that definition",
                )
        return used

    def _compare_tasks(self) -> None:
        known = {agent.id for agent in self._agents}
        holders: defaultdict[tuple[GroupId, int], list[Task]] = defaultdict(list)
        unknown: dict[AgentId, list[tuple[str, Task]]] = {}
        next_serial = self._framework.next_serial
        for path, task in self._tasks:
            if records.serial_of(task.id) >= next_serial:
                self._say(
                    Severity.NOTE,
                    path,
                    f"has task {task.id}, and {nodes.FRAMEWORK_NODE} says that {next_serial} is the next number; the"
                    " next scheduler goes on above the highest",
                )
            if not task.state.is_lively:
                continue
            if task.goal is Goal.RUN and task.state is not TaskState.UNREACHABLE:
                holders[task.group, task.slot].append(task)
            if (task.group.stack, task.version) not in self._versions and not self._unreadable_versions:
                where = f"{nodes.VERSIONS_NODE}/{task.group.stack}/{task.version}"
                self._say(Severity.FAULT, path, f"has task {task.id} of version {task.version}: {where} is not there")
            if task.agent_id not in known:
                unknown.setdefault(task.agent_id, []).append((path, task))
        for agent, homeless in unknown.items():
            path, task = homeless[0]
            others = f" and {len(homeless) - 1} others" if len(homeless) > 1 else ""
            text = f"has task {task.id}{others} on agent {agent}, of which nothing else is stored; the next scheduler"
            self._say(Severity.NOTE, path, f"{text} notes its name")
        for (group, slot), tasks in holders.items():
            if len(tasks) > 1:
                path = f"{nodes.TASKS_NODE}/{nodes.bucket_of(tasks[0].id)}"
                ids = " and ".join(task.id for task in tasks)
                self._say(Severity.FAULT, path, f"and others have {len(tasks)} tasks for slot {slot} of {group}: {ids}")
        living = sum(task.state.is_lively for _, task in self._tasks)
        if living and not self._framework.framework_id:
            self._say(
                Severity.DAMAGE,
                nodes.FRAMEWORK_NODE,
                f"has no framework id, yet {living} tasks live: a scheduler refuses to start them a second time as a"
                " new framework",
            )

    def _counts(self) -> Counts:
        sizes = Counter({path: len(data) for path, data in self._nodes.items()})
        largest = min(sizes, key=lambda path: (-sizes[path], path), default="")
        return Counts(
            stacks=len(self._stacks),
            versions=len(self._versions),
            tasks=len(self._tasks),
            living=sum(task.state.is_lively for _, task in self._tasks),
            agents=len(self._agents),
            nodes=len(self._nodes),
            bytes=sizes.total(),
            largest_path=largest,
            largest_bytes=sizes[largest],
        )

    # ---- small things ------------------------------------------------------------------

    def _decode(self, path: str, decode: Callable[[bytes], _T]) -> _T | None:
        if path not in self._nodes:
            self._say(Severity.DAMAGE, path, "is not there")
            return None
        try:
            return decode(self._nodes[path])
        except NewerSchema as error:
            self._say(Severity.DAMAGE, path, f"{error}: a newer framework wrote it, and only such a one reads it")
        except RecordFault as error:
            self._say(Severity.DAMAGE, path, str(error))
        return None

    def _holds(self, path: str, holds: bool, otherwise: str) -> bool:
        if not holds:
            self._say(Severity.DAMAGE, path, otherwise)
        return holds

    def _say(self, severity: Severity, path: str, text: str) -> None:
        self._findings.append(Finding(severity=severity, path=path, text=f"{path} {text}"))


def _order(path: str) -> tuple[str, int, str]:
    """Buckets by their number, all else by name."""
    directory, _, name = path.rpartition("/")
    return directory, int(name) if nodes.is_bucket_name(name) else 0, name
