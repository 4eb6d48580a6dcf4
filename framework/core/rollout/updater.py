"""The updater: which running tasks of a group it replaces, in which order, and how many at a time.

It replaces a task whose version or generation is not the desired one, whose agent drains, or that violates a changed
constraint. Start-first, a surge task is launched beside the old one, and the old one is stopped once the new one is
ready. Stop-first, the old one is stopped, and a new one fills the empty slot. A task that is not ready is stopped
without waiting for a new one, as it serves nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from framework.core.groups.completion import slots_to_fill
from framework.core.groups.pace import WHAT_MOVES_IT, Pace, pace_of, update_of
from framework.core.groups.rollout_gate import (
    RolloutGate,
    active_rollout,
    gate_of,
    previous_spec,
    rollout_of,
    spec_for_refill,
)
from framework.core.launch.global_groups import fits_somewhere
from framework.core.launch.placement_request import spec_to_launch
from framework.core.model import GroupSpec, Instant, Task
from framework.core.stacks.dependants import restart_cause
from framework.core.state.context import Context
from framework.core.state.group_index import GroupIndex, Replacement
from framework.core.state.timers import Timer
from framework.core.volatile import Connection
from placement.occupancy import Occupancy
from placement.violations import violations
from specs.ids import AgentId, GroupId, VersionId, is_same_container
from specs.model.constraints import STICKY_ALWAYS, Mode
from specs.model.update import Order
from specs.states import Goal, Health, TaskState

UNPROVED = "it has never passed its new check"
"""Why a task is replaced that counts as ready only because it was ready before its check changed."""


def advance(context: Context, group: GroupId) -> None:
    """Replaces tasks of a group, as many as its pace and its rollout allow now."""
    index, spec = context.state.group(group), context.state.specs.get(group)
    if spec is None or spec.is_stopped:
        for slot in list(index.replacements):
            context.call_off(group, slot)
        index.violating = {}  # a stopped group has no task to replace, and its rollout waits for none
        context.violating.pop(group, None)
        _store_stall(context, index, "")
        return
    violating = _violations(context, spec)
    index.violating = {**dict.fromkeys(index.failed_probation, UNPROVED), **violating}
    if violating:
        context.violating[group] = None
    else:
        context.violating.pop(group, None)
    draining = {} if is_pinned(spec) else index.draining
    if draining or index.outdated or index.violating or index.surge or index.replacements:
        _Updater(context, spec, index).advance()
    else:
        _store_stall(context, index, "")


def _violations(context: Context, spec: GroupSpec) -> dict[int, str]:
    """The held slots of a group whose task violates its constraints, with the reasons; none unless the current rollout
    changed the constraints.

    Attributes that an agent gets later replace no task: constraints are checked when a task is placed.
    """
    active = active_rollout(context, spec.id)
    was = active.rollout.was(spec.id) if active is not None and not active.part.is_done else None
    if was is None or was.rules == spec.rules:
        return {}
    state, index = context.state, context.state.group(spec.id)
    held: dict[int, AgentId] = {
        slot: state.tasks[id].agent_id for slot, id in index.holders.items() if state.tasks[id].goal is Goal.RUN
    }
    occupancy = Occupancy(counts=state.counts, apart=state.apart)
    return violations(spec.id, spec.rules, held, context.agents.cluster, occupancy)


def pace_now(context: Context, spec: GroupSpec) -> Pace:
    """The pace at which a group is changed now. Slots that have finished do not count: they never become ready."""
    state, rollout = context.state, rollout_of(context, spec.id.stack)
    container = state.versions[spec.id.stack, spec.version].container
    return pace_of(update_of(spec, rollout), rollout, slots_to_fill(state, spec), container)


def why_replaced(context: Context, spec: GroupSpec, slot: int) -> str:
    """Why the task that holds a slot must be replaced, as the beginning of a sentence."""
    state, index = context.state, context.state.group(spec.id)
    task = state.tasks[index.holders[slot]]
    if slot in index.draining and not is_pinned(spec):
        return f"its agent {task.hostname} is draining"
    if slot not in index.outdated:
        return index.violating[slot]
    if not is_same_container(task.version, spec.version):
        return f"replaced by version {spec.version}"
    return restart_cause(spec, rollout_of(context, spec.id.stack))


def has_taken_over(context: Context, group: GroupId, slot: int) -> None:
    """Clears `beside` of the task that holds the slot: the task that it was launched beside has left."""
    id = context.state.group(group).holders.get(slot)
    task = context.state.tasks[id] if id is not None else None
    if task is not None and task.beside is not None:
        context.put(replace(task, beside=None))


def is_pinned(spec: GroupSpec) -> bool:
    """Whether each slot belongs to one agent, so that a draining agent's task cannot go elsewhere."""
    return spec.mode is Mode.GLOBAL or spec.rules.sticky_wait_seconds == STICKY_ALWAYS


def _store_stall(context: Context, index: GroupIndex, sentence: str) -> None:
    if index.stall != sentence:
        index.stall = sentence
        context.state.touched[index.id] = None


class _Updater:
    """One pass over a group. It acts, and collects why it cannot do more."""

    def __init__(self, context: Context, spec: GroupSpec, index: GroupIndex) -> None:
        self._context, self._spec, self._index = context, spec, index
        self._pace: Pace = pace_now(context, spec)
        self._gate: RolloutGate = gate_of(context, spec)
        self._previous = previous_spec(context, spec)
        #: Slots to vacate because their agent drains. Empty where slots belong to agents.
        self._draining: dict[int, None] = {} if is_pinned(spec) else index.draining
        #: Why the pace allows no further replacement now, a sentence.
        self._stall = ""
        #: Why the rollout gate allows none. Tasks of draining agents do not pass the gate.
        self._forbidden = ""
        #: When the group must be looked at again; None where only an event can change anything.
        self._again_at: Instant | None = None

    def advance(self) -> None:
        """Does all that is allowed now, and stores why no more in the index."""
        self._stop_unwanted_surge()
        self._stop_replaced()
        self._replace_unready()
        self._start_replacing()
        _store_stall(self._context, self._index, "; ".join(filter(None, (self._forbidden, self._stall))))
        if self._again_at is not None:
            self._context.wake_group(Timer.ROLLOUT_STEP, self._spec.id, self._again_at)

    # ---- replacements under way -------------------------------------------------

    def _stop_unwanted_surge(self) -> None:
        """Stops surge tasks that no longer replace anything, or have the wrong version; cancels such launches."""
        context, index = self._context, self._index
        for slot, id in list(index.surge.items()):
            task = context.state.tasks[id]
            if slot not in index.wanted:
                context.stop(task, "its slot is no longer wanted")
            elif task.state is TaskState.UNREACHABLE:
                context.stop(task, f"agent {task.hostname} is unreachable: another task takes its slot")
            elif not self._must_go(slot):
                context.stop(task, "the task that it should replace stays")
            elif not self._is_desired(task):
                context.stop(task, f"replaced by version {self._spec.version}")
        for slot, replacement in list(index.replacements.items()):
            is_open = slot in index.holders and slot not in index.surge and slot in index.wanted
            is_allowed = self._must_go(slot) and (slot in self._draining or not self._gate.cause)
            if not (is_open and is_allowed and is_same_container(replacement.version, self._version_for(slot))):
                context.call_off(self._spec.id, slot)

    def _stop_replaced(self) -> None:
        """Stops old tasks whose surge task has been ready for long enough."""
        context, index = self._context, self._index
        for slot, id in sorted(index.surge.items()):
            task, old = context.state.tasks[id], context.state.tasks[index.holders[slot]]
            if not task.is_ready:
                continue
            since = task.ready_since + self._pace.wait_seconds
            if self._context.now < since:
                self._look_again_at(since)
            elif slot in index.ready and self._ready_count() - 1 < self._pace.ready_after_swap:
                self._note_stall(self._too_few(self._pace.ready_after_swap))
            else:
                makes_way = is_same_container(task.version, self._spec.version)
                cause = f"{self._cause(slot)}: {id} has taken its place"
                context.stop(old, cause, makes_way=makes_way)
                has_taken_over(context, self._spec.id, slot)

    def _replace_unready(self) -> None:
        """Stops tasks that must be replaced and are not ready, as far as the gate allows: they serve nobody."""
        index = self._index
        for slot in sorted(slot for slot in {**index.useless, **index.violating} if slot not in index.ready):
            task = self._context.state.tasks[index.holders[slot]]
            if slot in index.surge or not self._must_go(slot) or not self._may_begin(slot):
                continue
            if task.state is TaskState.KILLING:
                self._replace_beside(slot)  # Mesos is ending it, as on an agent that drains: no need to wait for that
            else:
                self._stop(slot)

    # ---- new replacements -------------------------------------------------------

    def _start_replacing(self) -> None:
        """Starts to replace ready tasks, until `parallelism` slots are being changed."""
        index, pace = self._index, self._pace
        for slot in list(index.replacements):
            self._fall_back_to_stop_first(slot)
        under_way = self._under_way_count()
        for slot in self._candidates():
            if under_way >= pace.parallelism:
                if self._gate.cause and slot not in self._draining:
                    self._forbidden = self._gate.cause  # a pause lasts longer than the replacements under way
                else:
                    self._note_stall(
                        f"{under_way} of {len(index.wanted)} are being changed, as many as may be at a time"
                    )
                return
            if slot in index.surge or slot in index.replacements or slot not in index.ready:
                continue
            if not self._may_begin(slot):
                continue
            if pace.order is Order.STOP_FIRST:
                if not self._may_stop_first(slot):
                    continue
                if not self._stop_first(slot):
                    return
            elif self._task_count() < pace.most:
                self._replace_beside(slot)
            else:
                self._note_stall(f"there are {self._task_count()} tasks, and max_surge allows {pace.most}")
                return
            under_way += 1

    def _stop_first(self, slot: int) -> bool:
        if self._ready_count() - 1 < self._pace.ready_after_stop:
            cure = f": {WHAT_MOVES_IT}" if self._pace.is_frozen else ""
            self._note_stall(self._too_few(self._pace.ready_after_stop) + cure)
            return False
        self._stop(slot)
        return True

    def _may_stop_first(self, slot: int) -> bool:
        """Whether an old task may stop before a new one is ready. It may not where only a changed check speaks against
        it and that check stops no task: the check may be wrong."""
        index, task = self._index, self._context.state.tasks[self._index.holders[slot]]
        if slot not in index.failed_probation or slot in self._draining or slot in index.outdated:
            return True
        check = self._context.state.versions[task.group.stack, task.version].container.health
        if check is not None and check.failures and task.health is Health.UNHEALTHY:
            return True
        self._note_stall(f"{task.id}: {UNPROVED}, and no task is stopped for that before another has passed it")
        return False

    def _stop(self, slot: int) -> None:
        """Stops a slot's task before there is a new one."""
        context, index = self._context, self._index
        makes_way = is_same_container(self._version_for(slot), self._spec.version)
        context.call_off(self._spec.id, slot)
        task = context.state.tasks[index.holders[slot]]
        context.stop(task, self._cause(slot), makes_way=makes_way)
        if slot not in index.holders and slot in index.wanted:
            context.want(self._spec.id, slot)  # an unreachable task leaves its slot at once: the kill cannot reach it

    def _fall_back_to_stop_first(self, slot: int) -> None:
        """Stops the old task where no agent has room for a new one beside it, if the pace allows and it can help."""
        context, settings = self._context, self._context.settings
        if not self._pace.may_fall_back or slot not in self._index.ready or not self._may_stop_first(slot):
            return
        replacement = self._index.replacements[slot]
        due = replacement.since + settings.no_place_seconds
        if self._context.now < due:
            self._look_again_at(due)
            return
        is_refused = context.placing.refused_at.get(self._spec.id, 0.0) > replacement.since
        as_spec = spec_to_launch(context, self._spec, slot)
        if context.connection is Connection.SUBSCRIBED and is_refused and fits_somewhere(context, as_spec):
            self._stop_first(slot)

    def _replace_beside(self, slot: int) -> None:
        index = self._index
        if slot not in index.replacements:
            index.replacements[slot] = Replacement(version=self._version_for(slot), since=self._context.now)
            self._context.want(self._spec.id, slot)
            if self._pace.may_fall_back:
                self._look_again_at(self._context.now + self._context.settings.no_place_seconds)

    # ---- questions ----------------------------------------------------------------

    def _candidates(self) -> Iterator[int]:
        """The held slots whose task must be replaced, most urgent first; a slot may be listed twice."""
        index = self._index
        for slots in (self._draining, index.outdated, index.violating):
            yield from list(slots)

    def _must_go(self, slot: int) -> bool:
        return slot in self._draining or slot in self._index.outdated or slot in self._index.violating

    def _is_desired(self, task: Task) -> bool:
        """Whether a surge task is still useful: it has the desired version, or the previous one on leaving an agent."""
        spec = self._spec
        if is_same_container(task.version, spec.version):
            return task.generation >= spec.generation
        is_previous = self._previous is not None and is_same_container(task.version, self._previous.version)
        return is_previous and task.slot in self._draining

    def _version_for(self, slot: int) -> VersionId:
        """The version of the task that replaces a slot's task."""
        is_previous = self._previous is not None and slot in self._index.outdated and not self._may_change(slot)
        return self._previous.version if is_previous and self._previous is not None else self._spec.version

    def _may_begin(self, slot: int) -> bool:
        return slot in self._draining or self._may_change(slot)

    def _may_change(self, slot: int) -> bool:
        """Whether the gate allows the slot to become new."""
        gate = self._gate
        if gate.cause:
            self._forbidden = gate.cause
            return False
        is_free = gate.most_new is None or slot not in self._index.outdated or self._becomes_new(slot)
        if not is_free and gate.most_new is not None and self._new_count() >= gate.most_new:
            self._forbidden = gate.sentence
            return False
        return True

    def _becomes_new(self, slot: int) -> bool:
        """Whether a new task of the desired version is there beside the old one, or will be launched."""
        index = self._index
        if (surge := index.surge.get(slot)) is not None:
            return is_same_container(self._context.state.tasks[surge].version, self._spec.version)
        replacement = index.replacements.get(slot)
        return replacement is not None and is_same_container(replacement.version, self._spec.version)

    def _new_count(self) -> int:
        """The number of slots that are new, or are becoming new."""
        index = self._index
        old = sum(not self._becomes_new(slot) for slot in index.outdated)
        empty = (slot for slot in self._context.pending.get(self._spec.id, ()) if slot not in index.holders)
        desired = self._spec.version
        kept = sum(
            not is_same_container(spec_for_refill(self._context, self._spec, slot).version, desired) for slot in empty
        )
        return len(index.wanted) - old - kept

    def _empty_count(self) -> int:
        return len(self._context.pending.get(self._spec.id, ())) - len(self._index.replacements)

    def _under_way_count(self) -> int:
        """The number of slots being changed: empty, not ready, being replaced, or not ready for long enough."""
        index = self._index
        replacing = sum(slot in index.ready for slot in (*index.surge, *index.replacements))
        busy = self._empty_count() + len(index.holders) - len(index.ready) + replacing
        return busy + self._still_proving() if busy < self._pace.parallelism else busy

    def _still_proving(self) -> int:
        """The number of slots with a new task that has not been ready for `wait`."""
        index, tasks = self._index, self._context.state.tasks
        count = 0
        for slot in list(index.fresh):
            until = tasks[index.holders[slot]].ready_since + self._pace.wait_seconds
            if self._context.now >= until:
                del index.fresh[slot]
            elif slot not in index.outdated and slot not in index.surge:
                count += 1
                self._look_again_at(until)
        return count

    def _ready_count(self) -> int:
        index, tasks = self._index, self._context.state.tasks
        return len(index.ready) + sum(tasks[id].is_ready for id in index.surge.values())

    def _task_count(self) -> int:
        """The number of tasks for max_surge: those that run, will be launched, or are being stopped."""
        index, tasks = self._index, self._context.state.tasks
        outgoing = (tasks[id] for id in index.outgoing)
        stopping = sum(task.state is not TaskState.UNREACHABLE and not task.sweeps for task in outgoing)
        return len(index.holders) + self._empty_count() + len(index.surge) + len(index.replacements) + stopping

    def _too_few(self, least: int) -> str:
        return f"{self._ready_count()} of {len(self._index.wanted)} are ready, and {least} must stay so"

    def _cause(self, slot: int) -> str:
        return why_replaced(self._context, self._spec, slot)

    def _note_stall(self, sentence: str) -> None:
        self._stall = self._stall or sentence

    def _look_again_at(self, at: Instant) -> None:
        self._again_at = at if self._again_at is None else min(self._again_at, at)
