"""Scales groups by their load: takes measurements, and requests another number as a user would."""

from __future__ import annotations

from collections.abc import Mapping

from framework.core.events import ScaleRequested, UsageMeasured
from framework.core.groups.rollout_gate import active_rollout
from framework.core.model import GroupSpec, Task, TaskUsage
from framework.core.state.context import Context
from framework.core.state.load_window import Reading, Scaler, reading
from framework.core.volatile import Scaling
from specs.ids import GroupId, TaskId
from specs.model.autoscale import Autoscale
from specs.model.resources import Resources
from specs.states import Goal

SETTLING_SECONDS = 15.0
"""Time since a task became ready from which on its use counts: what it took to start says nothing of the load."""
ASKED_BY = "autoscale"


def measure(context: Context, event: UsageMeasured) -> None:
    """Looks at every group that is scaled by its load, and requests another number where that is due."""
    usage = {each.task_id: each for each in event.tasks}
    scalers: dict[GroupId, Scaler] = {}
    for group, spec in context.state.specs.items():
        if spec.autoscale is not None and not spec.is_stopped:
            scaler = scalers[group] = context.scalers.get(group) or Scaler()
            _look(context, spec, spec.autoscale, scaler, usage)
    context.scalers = scalers


def _look(
    context: Context,
    spec: GroupSpec,
    bounds: Autoscale,
    scaler: Scaler,
    usage: Mapping[TaskId, TaskUsage],
) -> None:
    readings = readings_of(context, spec, bounds, usage)
    context.state.touched[spec.id] = None
    figures = ", ".join(map(str, readings))
    if not readings:
        text = "waits for what its tasks use: none that has been ready for long enough has told it"
        scaler.decision = Scaling(at=context.now, wants=spec.instances, sentence=text)
        return
    wants = max(each.wants for each in readings)
    shall = scaler.settle(bounds, spec.instances, bounds.bounded(wants), context.now)
    measured = min(each.measured for each in readings)
    figures += f", {measured} of {spec.instances} tasks measured" if measured < spec.instances else ""
    if shall < spec.instances and (why := _why_not_fewer(context, spec.id)):
        sentence = f"{wants} would do: {figures}; {why}"
    elif shall != spec.instances:
        sentence = f"from {spec.instances} to {shall}: {figures}"
        context.request(
            ScaleRequested(
                request_id=0, pattern=str(spec.id), only=spec.id, instances=shall, by=ASKED_BY, message=figures
            )
        )
    else:
        sentence = f"{_stays(bounds, spec.instances, wants)}: {figures}"
    scaler.decision = Scaling(at=context.now, wants=wants, sentence=sentence)


def _stays(bounds: Autoscale, instances: int, wants: int) -> str:
    if wants > instances:
        if instances == bounds.max:
            return f"{wants} are wanted, and max is {bounds.max}"
        return f"{wants} are wanted, which has to hold for {bounds.up_after_seconds:g} s"
    if wants < instances:
        if instances == bounds.min:
            return f"{wants} would do, and min is {bounds.min}"
        return f"{wants} would do, which has to hold for {bounds.cool_down_seconds:g} s"
    return f"{instances} are right"


def _why_not_fewer(context: Context, group: GroupId) -> str:
    """Why the group may not get fewer tasks now, "" where it may. While old and new tasks run beside each other, the
    load of one says little."""
    active = active_rollout(context, group)
    if active is None or active.part.is_done or active.rollout.state.is_over:
        return ""
    return f"rollout {active.rollout.number} is under way, and until it is done there are not fewer"


def readings_of(
    context: Context, spec: GroupSpec, bounds: Autoscale, usage: Mapping[TaskId, TaskUsage]
) -> list[Reading]:
    """The readings of the ready tasks, for each target that any of them has measured."""
    uses: dict[str, list[float]] = {}
    targets = {"cpu": float(bounds.cpu_percent), "memory": float(bounds.memory_percent)}
    own = {each.name: each.target for each in bounds.metrics}
    for task in _ready_tasks(context, spec.id):
        used = usage.get(task.id)
        if used is None:
            continue
        resources = context.state.versions[task.group.stack, task.version].resources
        for name, value in _shares(used, resources).items():
            if value is not None and targets[name]:
                uses.setdefault(name, []).append(value)
        for name, value in used.metrics:
            if name in own:
                uses.setdefault(f"metric {name}", []).append(value)
    readings = [reading(name, uses[name], target, spec.instances) for name, target in targets.items() if name in uses]
    return readings + [
        reading(name, uses[f"metric {name}"], target, spec.instances)
        for name, target in own.items()
        if f"metric {name}" in uses
    ]


def _ready_tasks(context: Context, group: GroupId) -> list[Task]:
    state, index = context.state, context.state.group(group)
    tasks = (state.tasks[id] for id in (*index.holders.values(), *index.surge.values()))
    return [
        task
        for task in tasks
        if task.goal is Goal.RUN and task.is_ready and context.now - task.ready_since >= SETTLING_SECONDS
    ]


def _shares(usage: TaskUsage, resources: Resources) -> dict[str, float | None]:
    """The use of a task in per cent of its resources; None for what was not measured."""
    cpus, mem = usage.cpus_milli, usage.mem_mib
    return {
        "cpu": None if cpus is None else 100 * cpus / max(resources.cpus_milli, 1),
        "memory": None if mem is None else 100 * mem / max(resources.mem_mib, 1),
    }
