"""Replacing a group's tasks that run: which, in which order, and how many at a time.

A task is to be replaced where its version or generation is not the desired one, where its agent is to be left, or where
it breaks a rule that has changed. Start-first, a successor is launched beside it, and the old one is stopped once that
is ready; stop-first, the successor follows in the emptied slot. What serves nobody, as it is not ready, goes at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from framework.core.groups.completion import slots_to_fill
from framework.core.groups.constraint_violations import misplaced
from framework.core.groups.pace import WHAT_MOVES_IT, Pace, pace_of, update_of
from framework.core.groups.rollout_gate import RolloutGate, gate_of, previous_spec, rollout_of, spec_for_refill
from framework.core.launch.global_groups import fits_somewhere
from framework.core.launch.placement_request import spec_to_launch
from framework.core.model import GroupSpec, Instant, Task
from framework.core.stacks.dependants import cause_of
from framework.core.state.context import Context
from framework.core.state.group_index import GroupIndex, Succession
from framework.core.views import Connection
from specs.ids import GroupId, VersionId, is_same_make
from specs.model.constraints import STICKY_ALWAYS, Mode
from specs.model.update import Order
from specs.states import Health, TaskState

UNPROVED = "it has never passed its new check"
"""Why a task goes that serves only because it did before its check was changed."""


def advance(context: Context, group: GroupId, now: Instant) -> None:
    """Goes on with replacing tasks of a group, as far as its pace and its rollout allow now."""
    index, spec = context.state.group(group), context.state.specs.get(group)
    if spec is None or spec.is_stopped:
        for slot in list(index.succeeding):
            context.call_off(group, slot)
        index.misplaced = {}  # nothing of it is to be anywhere, and its rollout waits for no move
        context.astray.pop(group, None)
        _stall(context, index, "")
        return
    astray = misplaced(context, spec)
    index.misplaced = {**dict.fromkeys(index.unproved, UNPROVED), **astray}
    if astray:
        context.astray[group] = None
    else:
        context.astray.pop(group, None)
    draining = {} if is_pinned(spec) else index.draining
    if draining or index.outdated or index.misplaced or index.surge or index.succeeding:
        _Move(context, spec, index, now).advance()
    else:
        _stall(context, index, "")


def pace_now(context: Context, spec: GroupSpec) -> Pace:
    """The pace at which a group is changed now. What has finished is not to be ready, and keeps nobody waiting."""
    state, rollout = context.state, rollout_of(context, spec.id.stack)
    container = state.versions[spec.id.stack, spec.version].container
    return pace_of(update_of(spec, rollout), rollout, slots_to_fill(state, spec), container)


def why_replaced(context: Context, spec: GroupSpec, slot: int) -> str:
    """Why the task that holds a slot is to make room for another, as the beginning of a sentence."""
    state, index = context.state, context.state.group(spec.id)
    task = state.tasks[index.holders[slot]]
    if slot in index.draining and not is_pinned(spec):
        return f"agent {task.hostname} is to be left"
    if slot not in index.outdated:
        return index.misplaced[slot]
    if not is_same_make(task.version, spec.version):
        return f"replaced by version {spec.version}"
    return cause_of(spec, rollout_of(context, spec.id.stack))


def has_taken_over(context: Context, group: GroupId, slot: int) -> None:
    """Notes of a task that holds its slot that it is no longer beside another one."""
    id = context.state.group(group).holders.get(slot)
    task = context.state.tasks[id] if id is not None else None
    if task is not None and task.beside is not None:
        context.put(replace(task, beside=None))


def is_pinned(spec: GroupSpec) -> bool:
    """Whether its slots belong to their agents, so that leaving one is nothing that they can do."""
    return spec.mode is Mode.GLOBAL or spec.rules.sticky_wait_seconds == STICKY_ALWAYS


def _stall(context: Context, index: GroupIndex, sentence: str) -> None:
    if index.stall != sentence:
        index.stall = sentence
        context.state.touched[index.id] = None


class _Move:
    """One look at a group."""

    def __init__(self, context: Context, spec: GroupSpec, index: GroupIndex, now: Instant) -> None:
        self._context, self._spec, self._book, self._now = context, spec, index, now
        self._pace: Pace = pace_now(context, spec)
        self._gate: RolloutGate = gate_of(context, spec)
        self._previous = previous_spec(context, spec)
        self._draining: dict[int, None] = {} if is_pinned(spec) else index.draining
        """The slots whose agent is to be left; none of those that belong to their agent."""
        self._stall = ""
        """Why the pace stands still now."""
        self._forbidden = ""
        """Why the rollout stands still now; tasks that leave their agent do not ask it."""
        self._again: Instant | None = None

    def advance(self) -> None:
        """Does what may be done now, and notes why no more."""
        self._abandon()
        self._swap()
        self._replace_unready()
        self._begin()
        _stall(self._context, self._book, "; ".join(filter(None, (self._forbidden, self._stall))))
        if self._again is not None:
            self._context.wake_group("advance", self._spec.id, self._again)

    # ---- what is under way ------------------------------------------------------

    def _abandon(self) -> None:
        """Gives up successors that nothing asks for any more, or that are not what is desired now."""
        context, index, now = self._context, self._book, self._now
        for slot, id in list(index.surge.items()):
            task = context.state.tasks[id]
            if slot not in index.wanted:
                context.stop(task, "its slot is given up", now)
            elif task.state is TaskState.UNREACHABLE:
                context.stop(task, f"agent {task.hostname} is unreachable: another task takes its slot", now)
            elif not self._is_due(slot):
                context.stop(task, "the task that it was to replace stays", now)
            elif not self._is_desired(task):
                context.stop(task, f"replaced by version {self._spec.version}", now)
        for slot, succession in list(index.succeeding.items()):
            is_open = slot in index.holders and slot not in index.surge and slot in index.wanted
            is_due = self._is_due(slot) and (slot in self._draining or not self._gate.cause)
            if not (is_open and is_due and is_same_make(succession.version, self._version_for(slot))):
                context.call_off(self._spec.id, slot)

    def _swap(self) -> None:
        """Stops old tasks whose successors have been ready for long enough."""
        context, index = self._context, self._book
        for slot, id in sorted(index.surge.items()):
            task, old = context.state.tasks[id], context.state.tasks[index.holders[slot]]
            if not task.is_ready:
                continue
            since = task.ready_since + self._pace.wait_seconds
            if self._now < since:
                self._later(since)
            elif slot in index.ready and self._ready() - 1 < self._pace.ready_after_swap:
                self._note(self._too_few(self._pace.ready_after_swap))
            else:
                makes_way = is_same_make(task.version, self._spec.version)
                cause = f"{self._cause(slot)}: {id} has taken its place"
                context.stop(old, cause, self._now, makes_way=makes_way)
                has_taken_over(context, self._spec.id, slot)

    def _replace_unready(self) -> None:
        """What is to be replaced and is not ready serves nobody: it goes at once, as far as the rollout allows."""
        index = self._book
        for slot in sorted(slot for slot in {**index.useless, **index.misplaced} if slot not in index.ready):
            task = self._context.state.tasks[index.holders[slot]]
            if slot in index.surge or not self._is_due(slot) or not self._may_begin(slot):
                continue
            if task.state is TaskState.KILLING:
                self._succeed(slot)  # Mesos ends it, as it does where it drains an agent: its place is taken meanwhile
            else:
                self._stop(slot)

    # ---- what is begun ----------------------------------------------------------

    def _begin(self) -> None:
        """Begins to replace ready tasks, as many as there may be at a time."""
        index, pace = self._book, self._pace
        for slot in list(index.succeeding):
            self._fall_back(slot)
        under_way = self._under_way()
        for slot in self._candidates():
            if under_way >= pace.parallelism:
                if self._gate.cause and slot not in self._draining:
                    self._forbidden = self._gate.cause  # as of a pause, which outlasts what is under way
                else:
                    self._note(f"{under_way} of {len(index.wanted)} are being changed, as many as may be at a time")
                return
            if slot in index.surge or slot in index.succeeding or slot not in index.ready:
                continue
            if not self._may_begin(slot):
                continue
            if pace.order is Order.STOP_FIRST:
                if not self._may_stop_first(slot):
                    continue
                if not self._stop_first(slot):
                    return
            elif self._tasks() < pace.most:
                self._succeed(slot)
            else:
                self._note(f"there are {self._tasks()} tasks, and max_surge allows {pace.most}")
                return
            under_way += 1

    def _stop_first(self, slot: int) -> bool:
        if self._ready() - 1 < self._pace.ready_after_stop:
            cure = f": {WHAT_MOVES_IT}" if self._pace.is_frozen else ""
            self._note(self._too_few(self._pace.ready_after_stop) + cure)
            return False
        self._stop(slot)
        return True

    def _may_stop_first(self, slot: int) -> bool:
        """Whether an old task may stop before another is ready. One that goes only for a check that stops none may not,
        as that may be wrong."""
        index, task = self._book, self._context.state.tasks[self._book.holders[slot]]
        if slot not in index.unproved or slot in self._draining or slot in index.outdated:
            return True
        check = self._context.state.versions[task.group.stack, task.version].container.health
        if check is not None and check.failures and task.health is Health.UNHEALTHY:
            return True
        self._note(f"{task.id}: {UNPROVED}, and no task is stopped for that before another has passed it")
        return False

    def _stop(self, slot: int) -> None:
        """Stops a slot's task, without a successor yet."""
        context, index = self._context, self._book
        makes_way = is_same_make(self._version_for(slot), self._spec.version)
        context.call_off(self._spec.id, slot)
        task = context.state.tasks[index.holders[slot]]
        context.stop(task, self._cause(slot), self._now, makes_way=makes_way)
        if slot not in index.holders and slot in index.wanted:
            context.want(self._spec.id, slot)  # one that is unreachable leaves it at once: nobody hears the kill

    def _fall_back(self, slot: int) -> None:
        """Where a successor finds no place, the old task makes room for it, if that may be, and if it can help."""
        context, settings = self._context, self._context.settings
        if not self._pace.may_fall_back or slot not in self._book.ready or not self._may_stop_first(slot):
            return
        succession = self._book.succeeding[slot]
        due = succession.since + settings.no_place_seconds
        if self._now < due:
            self._later(due)
            return
        is_refused = context.refused_at.get(self._spec.id, 0.0) > succession.since
        as_spec = spec_to_launch(context, self._spec, slot)
        if context.connection is Connection.SUBSCRIBED and is_refused and fits_somewhere(context, as_spec):
            self._stop_first(slot)

    def _succeed(self, slot: int) -> None:
        index = self._book
        if slot not in index.succeeding:
            index.succeeding[slot] = Succession(version=self._version_for(slot), since=self._now)
            self._context.want(self._spec.id, slot)
            if self._pace.may_fall_back:
                self._later(self._now + self._context.settings.no_place_seconds)

    # ---- questions ----------------------------------------------------------------

    def _candidates(self) -> Iterator[int]:
        """The held slots whose task is to be replaced, those that must go soonest first; some may come twice."""
        index = self._book
        for slots in (self._draining, index.outdated, index.misplaced):
            yield from list(slots)

    def _is_due(self, slot: int) -> bool:
        return slot in self._draining or slot in self._book.outdated or slot in self._book.misplaced

    def _is_desired(self, task: Task) -> bool:
        """Whether a successor is one still: as is desired now, or as its slot is kept while it leaves an agent."""
        spec = self._spec
        if is_same_make(task.version, spec.version):
            return task.generation >= spec.generation
        is_previous = self._previous is not None and is_same_make(task.version, self._previous.version)
        return is_previous and task.slot in self._draining

    def _version_for(self, slot: int) -> VersionId:
        """What a held slot's successor is."""
        is_previous = self._previous is not None and slot in self._book.outdated and not self._may_change(slot)
        return self._previous.version if is_previous and self._previous is not None else self._spec.version

    def _may_begin(self, slot: int) -> bool:
        return slot in self._draining or self._may_change(slot)

    def _may_change(self, slot: int) -> bool:
        """Whether the slot may become new by where the rollout is."""
        gate = self._gate
        if gate.cause:
            self._forbidden = gate.cause
            return False
        is_free = gate.most_new is None or slot not in self._book.outdated or self._moves_to_new(slot)
        if not is_free and gate.most_new is not None and self._new() >= gate.most_new:
            self._forbidden = gate.sentence
            return False
        return True

    def _moves_to_new(self, slot: int) -> bool:
        """Whether a successor of the desired version is there, or is to be launched."""
        index = self._book
        if (coming := index.surge.get(slot)) is not None:
            return is_same_make(self._context.state.tasks[coming].version, self._spec.version)
        succession = index.succeeding.get(slot)
        return succession is not None and is_same_make(succession.version, self._spec.version)

    def _new(self) -> int:
        """How many slots are new, or are becoming so."""
        index = self._book
        old = sum(not self._moves_to_new(slot) for slot in index.outdated)
        vacant = (slot for slot in self._context.pending.get(self._spec.id, ()) if slot not in index.holders)
        desired = self._spec.version
        kept = sum(
            not is_same_make(spec_for_refill(self._context, self._spec, slot).version, desired) for slot in vacant
        )
        return len(index.wanted) - old - kept

    def _vacant(self) -> int:
        return len(self._context.pending.get(self._spec.id, ())) - len(self._book.succeeding)

    def _under_way(self) -> int:
        """How many slots are being changed: empty, not ready, with a successor, or not yet ready for long enough."""
        index = self._book
        moving = sum(slot in index.ready for slot in (*index.surge, *index.succeeding))
        busy = self._vacant() + len(index.holders) - len(index.ready) + moving
        return busy + self._fresh() if busy < self._pace.parallelism else busy

    def _fresh(self) -> int:
        """How many slots are as they shall be, and not yet ready for long enough."""
        index, tasks = self._book, self._context.state.tasks
        fresh = 0
        for slot in list(index.fresh):
            until = tasks[index.holders[slot]].ready_since + self._pace.wait_seconds
            if self._now >= until:
                del index.fresh[slot]
            elif slot not in index.outdated and slot not in index.surge:
                fresh += 1
                self._later(until)
        return fresh

    def _ready(self) -> int:
        index, tasks = self._book, self._context.state.tasks
        return len(index.ready) + sum(tasks[id].is_ready for id in index.surge.values())

    def _tasks(self) -> int:
        """How many tasks there are, will be, and are on their way out."""
        index, tasks = self._book, self._context.state.tasks
        left = (tasks[id] for id in index.outgoing)
        leaving = sum(task.state is not TaskState.UNREACHABLE and not task.sweeps for task in left)
        return len(index.holders) + self._vacant() + len(index.surge) + len(index.succeeding) + leaving

    def _too_few(self, least: int) -> str:
        return f"{self._ready()} of {len(self._book.wanted)} are ready, and {least} must stay so"

    def _cause(self, slot: int) -> str:
        return why_replaced(self._context, self._spec, slot)

    def _note(self, sentence: str) -> None:
        self._stall = self._stall or sentence

    def _later(self, at: Instant) -> None:
        self._again = at if self._again is None else min(self._again, at)
