"""Why a slot has no task, or why its task is where it is, told from a view. Nobody pays for it who does not ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from framework.core.model import Task
from framework.core.read.gone_agents import why_not_over
from framework.core.read.plan import group_of, needs_replacement, problem_of, remembered, snapshot_of
from framework.core.views import GroupState, GroupView, View
from placement.cluster_snapshot import ClusterSnapshot
from placement.explain import explain as explain_request
from placement.explanation import AgentVerdicts, Explanation
from placement.request import Request
from placement.scoring import FAILED
from placement.simulation import missing, request_of
from specs.ids import AgentId, GroupId, TaskId
from specs.model.constraints import Mode
from specs.model.resources import PortRanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Where a slot stands. `sentences` are for people, the first is the answer; `fits` says whether the slot has a task
    or would get one now. `slot` is None where it is about one task more than a group wants; `task` is the one in the
    slot and `agent_id` its agent, None where there is none."""

    group: GroupId
    slot: int | None
    fits: bool
    sentences: tuple[str, ...]
    explanation: Explanation
    task: TaskId | None = None
    agent_id: AgentId | None = None


def slot_fault(group: GroupView, slot: int) -> str:
    """Why there is nothing to tell of a slot; "" where there is."""
    slots = sorted({task.slot for task in (*group.tasks, *group.ended)} | {waiting.slot for waiting in group.waiting})
    if slot in slots:
        return ""
    if not slots:
        return f"{group.spec.id} has no slots now"
    return f"{group.spec.id} has no slot {slot}; it has {_ranges(slots)}"


def explain(view: View, group: GroupView, slot: int | None = None) -> Told:
    """Why a slot has no task, or why its task is where it is; without a slot the first that waits and does not fit,
    or else where one task more would go. A slot of which `slot_fault` says something is not to be asked for."""
    waiting = tuple(sorted(one.slot for one in group.waiting))
    holders = {task.slot: task for task in group.tasks if not needs_replacement(task)}
    if slot is None and not group.wanted and group.waiting:
        return _told_of_more(view, group, None, group.waiting[0].cause)  # its tasks wait to stop
    if slot is None:
        told = _told_of_waiting(view, group, waiting) if waiting else _told_of_more(view, group)
        return replace(told, sentences=(*told.sentences, *_replacing(group), *_scaled(group)))
    if slot in holders:
        return _told_of_task(view, group, holders[slot])
    if slot in waiting:
        return _told_of_waiting(view, group, (slot,))
    ended = next((task for task in group.ended if task.slot == slot), None)
    return _told_of_more(view, group, slot, *([_end(ended)] if ended else []))


def _request(view: View, group: GroupView, slots: tuple[int, ...], snapshot: ClusterSnapshot) -> Request:
    request = request_of(group_of(group), slots, instances=group.wanted)
    if group.spec.mode is Mode.GLOBAL:
        kept = {task.slot: task.agent_id for task in group.tasks if not needs_replacement(task)}
        others = missing(group_of(group), snapshot, kept).pins
        # The slots that wait belong, from the lowest on, to the agents without a task.
        waiting = sorted(one.slot for one in group.waiting)
        agents = [others[each] for each in sorted(others)]
        request = replace(request, pins={at: agent for at, agent in zip(waiting, agents, strict=False) if at in slots})
    return remembered(request, view, group)


def _told_of_waiting(view: View, group: GroupView, slots: tuple[int, ...]) -> Told:
    """Explains the first of the slots that does not fit, or else the first."""
    snapshot = snapshot_of(view)
    explanation = explain_request(_request(view, group, slots, snapshot), snapshot)
    slot = explanation.refused.slots[0] if explanation.refused else slots[0]
    waiting = next(one for one in group.waiting if one.slot == slot)
    cause = waiting.sentence(view.at)
    now = _now(explanation)
    # A cause that is a placement's own sentence is told anew, as of now.
    sentences = [now] if waiting.is_unplaced else [cause] if waiting.is_final else [cause, now]
    return Told(
        group=group.spec.id,
        slot=slot,
        fits=explanation.refused is None and not waiting.is_final,
        sentences=(*sentences, *_agents_problem(view)),
        explanation=explanation,
    )


def _told_of_more(view: View, group: GroupView, slot: int | None = None, *first: str) -> Told:
    """Explains a group that waits for nothing: its state, and the agent for one task more."""
    snapshot = snapshot_of(view)
    taken = dict.fromkeys(task.slot for task in group.tasks)
    at = next(number for number in range(len(taken) + 1) if number not in taken) if slot is None else slot
    explanation = explain_request(_request(view, group, (at,), snapshot), snapshot)
    sentences: tuple[str, ...] = first or (_summary(group),)
    fits = True
    if group.spec.mode is Mode.GLOBAL:
        if not group.wanted and group.state is GroupState.WAITING:
            sentences, fits = (_now(explanation),), explanation.refused is None
        else:
            sentences += ("it has one on every agent on which it can run",)
    else:
        best = next((row for row in explanation.rows if row.rank == 1), None)
        sentences += (f"one more would {f'go to {best.hostname}' if best else f'not fit: {_now(explanation)}'}",)
    return Told(
        group=group.spec.id,
        slot=slot,
        fits=fits,
        sentences=(*sentences, *_agents_problem(view)),
        explanation=explanation,
    )


def _told_of_task(view: View, group: GroupView, task: Task) -> Told:
    snapshot = snapshot_of(view, without=task)
    request = replace(_request(view, group, (task.slot,), snapshot), pins={})
    explanation = explain_request(request, snapshot)
    return Told(
        group=group.spec.id,
        slot=task.slot,
        fits=True,
        sentences=(*_why_there(task, explanation), *_waits(group, task.slot), *_agents_problem(view)),
        explanation=explanation,
        task=task.id,
        agent_id=task.agent_id,
    )


def _why_there(task: Task, explanation: Explanation) -> Iterator[str]:
    fitting = [row for row in explanation.rows if row.fits]
    best = next((row for row in fitting if row.rank == 1), None)
    own = next((row for row in explanation.rows if row.agent_id == task.agent_id), None)
    if own is None:
        yield f"on {task.hostname}, of which nothing is known now"
    elif not own.fits:
        unmet = ", ".join(f"{v.rule} (wanted {v.wanted}, got {v.got})" for v in own.verdicts if not v.is_met)
        yield f"on {own.hostname}, which would not be taken now: {unmet}"
    elif own.rank == 1:
        of = f"the best of {len(fitting)} agents that fit" if len(fitting) > 1 else "the only agent that fits"
        yield f"on {own.hostname}: {of}: {_merits(own)}"
    else:
        yield f"on {own.hostname}: it is number {own.rank} of {len(fitting)} agents that fit now: {_merits(own)}"
    if best is not None and best is not own:
        yield f"{best.hostname} would be chosen now: {_merits(best)}"
        if own is not None and own.fits and best.tasks < own.tasks:
            yield (
                f"the group is not even: {own.hostname} has {_tasks(own.tasks)} of it beside this one, {best.hostname}"
                f" has {_tasks(best.tasks)}; the next rollout, restart or scale evens that"
            )
    if best is not None and _has_failed(best) and any(row.points > best.points for row in fitting):
        yield (
            f"{best.hostname} comes first although it failed the group lately: a few failures decide only among agents"
            " with which the group is as even"
        )


def _has_failed(row: AgentVerdicts) -> bool:
    return any(reason == FAILED for reason, _ in row.worth)


def _tasks(count: int) -> str:
    return f"{count} {'task' if count == 1 else 'tasks'}" if count else "none"


def _now(explanation: Explanation) -> str:
    if explanation.refused is not None:
        return explanation.refused.sentence()
    fitting = sum(row.fits for row in explanation.rows)
    best = next(row for row in explanation.rows if row.rank == 1)
    return f"{fitting}/{len(explanation.rows)} agents fit now; the next is {best.hostname}: {_merits(best)}"


def _merits(row: AgentVerdicts) -> str:
    parts = []
    if len(row.worth) == 1:
        parts.append(f"{row.points} points ({row.worth[0][0]})")
    elif row.worth:
        parts.append(f"{row.points} points ({', '.join(f'{reason} {points:+d}' for reason, points in row.worth)})")
    parts.append(f"{row.tasks} {'task' if row.tasks == 1 else 'tasks'} of the group")
    return ", ".join([*parts, f"{round(100 * row.free_share)} % free"])


def _scaled(group: GroupView) -> Iterator[str]:
    """The last decision about the number of a group that is scaled by its load."""
    if group.spec.autoscale and not group.spec.is_stopped:
        said = group.scaling.sentence if group.scaling else "was not measured yet"
        yield f"scaled by its load, {group.spec.autoscale}: {said}"


def _replacing(group: GroupView) -> Iterator[str]:
    """Why the replacing of its tasks does not go on, or what it waits for."""
    progress = group.progress
    if progress is not None and progress.cause:
        yield (
            f"rollout {progress.number} ({progress.kind.value}) is {progress.state.value}, {progress.changed} of"
            f" {progress.total} are changed: {progress.cause}"
        )
    elif group.waits:
        first, more = next(iter(group.waits)), len(group.waits) - 1
        yield f"{first} {group.waits[first]}" + (f"; {more} more are to go" if more else "")


def _waits(group: GroupView, slot: int) -> Iterator[str]:
    """Says what a slot's task that is to go waits for; another one may run beside it."""
    for task in group.tasks:
        if task.slot == slot and task.id in group.waits:
            yield f"{task.id} {group.waits[task.id]}"


def _summary(group: GroupView) -> str:
    if group.spec.is_stopped and (said := why_not_over(group)):
        return f"it is stopped, and {said}"
    if group.spec.is_stopped:
        return f"it is stopped: `framework start {group.spec.id}` starts it"
    if group.state is GroupState.REMOVING:
        said = why_not_over(group)
        return f"it is being removed, and {said}" if said else "it is being removed"
    if group.state is GroupState.FINISHED:
        return "all its tasks have finished"
    count = len(group.tasks)
    return (
        "its slot has a task" if count == 1 else f"all its {count} slots have a task" if count else "it wants no task"
    )


def _end(task: Task) -> str:
    said = task.message or task.reason
    return f"{task.id} was the last in the slot; it is {task.state.value}{f': {said}' if said else ''}"


def _agents_problem(view: View) -> Iterator[str]:
    problem = problem_of(view)
    if problem:
        yield problem


def _ranges(slots: list[int]) -> str:
    text = str(PortRanges.single(slots))
    return f"slot {text}" if len(slots) == 1 else f"the slots {text}"
