"""The story of each task: everything that happened to it and that this leader has seen. Volatile, and bounded."""

from __future__ import annotations

from dataclasses import dataclass

from framework.core.model import Instant, Task
from specs.ids import TaskId

MOST_ENTRIES = 20
"""Limit on the entries of a story: of a longer one the beginning and the newest are kept."""
_KEPT_OF_BEGINNING = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened to a task."""

    at: Instant
    #: The kind of the event in the event stream, as TaskRunning.
    kind: str
    text: str


class TaskStories:
    """The stories of the tasks that are in the state."""

    def __init__(self) -> None:
        self._entries: dict[TaskId, tuple[Entry, ...]] = {}

    def note(self, id: TaskId, kind: str, text: str, at: Instant) -> None:
        """Adds an entry to a story, unless it is the same as the last one."""
        before = self._entries.get(id, ())
        if before and (before[-1].kind, before[-1].text) == (kind, text):
            return
        if len(before) >= MOST_ENTRIES:
            before = before[:_KEPT_OF_BEGINNING] + before[_KEPT_OF_BEGINNING + 1 :]
        self._entries[id] = (*before, Entry(at, kind, text))

    def of(self, id: TaskId) -> tuple[Entry, ...]:
        """The entries of a task's story, oldest first."""
        return self._entries.get(id, ())

    def forget(self, id: TaskId) -> None:
        """Drops the story of a task that is no longer in the state."""
        self._entries.pop(id, None)


def whole_story(task: Task, seen: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The whole story of a task: the times of its stored record, then everything that this leader has `seen`."""
    kinds = {entry.kind for entry in seen}
    begin = seen[0].at if seen else float("inf")
    known = (
        Entry(task.launched_at, "TaskLaunched", f"{task.id} was launched on {task.hostname}"),
        Entry(task.running_since, "TaskRunning", f"{task.id} ran on {task.hostname}"),
        Entry(task.ended_at, "TaskEnded", f"{task.id} ended: {task.state.value}: {task.message or task.reason}"),
    )
    before = tuple(entry for entry in known if 0 < entry.at < begin and entry.kind not in kinds)
    return (*before, *seen)
