"""A store in memory, for tests: it answers late or with failure on demand, and loses its place as the real one does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from framework.adapters import nodes
from framework.adapters.nodes import Unstorable
from framework.adapters.records import serial_of
from framework.core.commands import (
    DeleteAgent,
    DeleteAnswer,
    DeleteHistory,
    DeleteRollouts,
    DeleteStack,
    DeleteTask,
    DeleteVersion,
    PutAgent,
    PutAnswer,
    PutFramework,
    PutHistory,
    PutRollouts,
    PutStack,
    PutTask,
    PutVersion,
    Save,
    Write,
)
from framework.core.events import Saved, SaveFailed
from framework.core.model import Answered, History, KnownAgent, Rollouts, StackSpec, Stored, Task, Version
from framework.ports import Post
from specs.ids import AgentId, FrameworkId, TaskId, VersionId


@dataclass(slots=True)
class Shelf:
    """The content that outlives a store, and its epoch. Several stores can share one."""

    framework_id: FrameworkId | None = None
    next_serial: int = 1
    stacks: dict[str, StackSpec] = field(default_factory=dict)
    histories: dict[str, History] = field(default_factory=dict)
    versions: dict[tuple[str, VersionId], Version] = field(default_factory=dict)
    tasks: dict[TaskId, Task] = field(default_factory=dict)
    agents: dict[AgentId, KnownAgent] = field(default_factory=dict)
    rollouts: dict[str, Rollouts] = field(default_factory=dict)
    answers: dict[int, Answered] = field(default_factory=dict)
    epoch: int = 0
    saves: int = 0
    """How many saves have happened."""

    @property
    def stored(self) -> Stored:
        """All of it, in the order in which the real store tells it."""
        return Stored(
            framework_id=self.framework_id,
            next_serial=self.next_serial,
            stacks=tuple(self.stacks[name] for name in sorted(self.stacks)),
            versions=tuple(self.versions[key] for key in sorted(self.versions)),
            tasks=tuple(sorted(self.tasks.values(), key=lambda task: serial_of(task.id))),
            agents=tuple(self.agents[agent] for agent in sorted(self.agents)),
            rollouts=tuple(self.rollouts[stack] for stack in sorted(self.rollouts)),
            histories=tuple(self.histories[name] for name in sorted(self.histories)),
            answers=tuple(self.answers[number] for number in sorted(self.answers)),
        )

    def perform(self, write: Write) -> None:
        """Does one write; deleting what is not there is nothing."""
        match write:
            case PutFramework():
                self.framework_id, self.next_serial = write.framework_id, write.next_serial
            case PutStack():
                self.stacks[write.stack.name] = write.stack
            case DeleteStack():
                self.stacks.pop(write.name, None)
            case PutHistory():
                self.histories[write.history.stack] = write.history
            case DeleteHistory():
                self.histories.pop(write.stack, None)
            case PutVersion():
                self.versions[write.version.stack, write.version.id] = write.version
            case DeleteVersion():
                self.versions.pop((write.stack, write.id), None)
            case PutTask():
                self.tasks[write.task.id] = write.task
            case DeleteTask():
                self.tasks.pop(write.id, None)
            case PutAgent():
                self.agents[write.agent.id] = write.agent
            case DeleteAgent():
                self.agents.pop(write.id, None)
            case PutRollouts():
                self.rollouts[write.rollouts.stack] = write.rollouts
            case DeleteRollouts():
                self.rollouts.pop(write.stack, None)
            case PutAnswer():
                self.answers[write.answer.number] = write.answer
            case DeleteAnswer():
                self.answers.pop(write.number, None)
            case _:
                assert_never(write)


class MemoryStore:
    """framework.ports.Store on a shelf. Runs on the caller's thread: a save is answered before `save` returns,
    unless `hold` was called."""

    def __init__(self, shelf: Shelf, post: Post, *, on_lost: Callable[[str], None] | None = None) -> None:
        self.shelf = shelf
        self.is_deposed = False
        self._post = post
        self._on_lost = on_lost
        self._epoch = 0
        self._waiting: deque[Save] = deque()
        self._failures: deque[str] = deque()
        self._is_held = False
        self._is_over = False

    # ---- framework.ports.Store -----------------------------------------------------

    def load(self) -> Stored:
        """All that is stored, after taking the store over."""
        if not self._epoch:
            self.acquire()
        return self.shelf.stored

    def save(self, command: Save) -> None:
        """Takes a save; Saved or SaveFailed is posted in the order of the saves."""
        if not self._epoch:
            raise RuntimeError(f"save {command.ticket}: wanted load() to be called first")
        self._waiting.append(command)
        if not self._is_held:
            self.release()

    def close(self) -> None:
        """Saves that are held do not happen."""
        self._is_over = True
        self._waiting.clear()

    # ---- what tests want -----------------------------------------------------------

    def acquire(self) -> int:
        """Takes the shelf: whoever had it writes nothing more. Returns the number of our epoch."""
        self.shelf.epoch += 1
        self._epoch = self.shelf.epoch
        return self._epoch

    def hold(self) -> None:
        """From now on saves neither happen nor are answered."""
        self._is_held = True

    def release(self, count: int | None = None) -> None:
        """Performs and answers the first `count` of the held saves; all, and those to come, where it is None."""
        if count is None:
            self._is_held = False
        left = len(self._waiting) if count is None else count
        while self._waiting and left > 0 and not self._is_over:
            left -= 1
            self._perform(self._waiting.popleft())

    def fail_next(self, problem: str) -> None:
        """The next save that has not happened yet is answered with SaveFailed; asked n times, the next n are."""
        self._failures.append(problem)

    @property
    def held(self) -> tuple[Save, ...]:
        """The saves that wait."""
        return tuple(self._waiting)

    def _perform(self, save: Save) -> None:
        if self.shelf.epoch != self._epoch:
            self._is_over = self.is_deposed = True
            if self._on_lost:
                self._on_lost("This scheduler was deposed: the store was taken over by another.")
            return
        if self._failures:
            self._post(SaveFailed(ticket=save.ticket, problem=self._failures.popleft()))
            return
        try:
            for write in save.writes:
                nodes.check_write(write)
        except Unstorable as error:
            self._post(SaveFailed(ticket=save.ticket, problem=str(error)))
            return
        for write in save.writes:
            self.shelf.perform(write)
        self.shelf.saves += 1
        self._post(Saved(ticket=save.ticket))
