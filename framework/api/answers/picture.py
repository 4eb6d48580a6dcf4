"""A View as plain values for JSON. Times are seconds since 1970, None where something has not happened.

framework/api/shapes.py describes the same for the OpenAPI page; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from framework.api.answers.rollout_picture import progress_plain
from framework.core.model import Backoff, Task
from framework.core.read.gone_agents import why_not_over
from framework.core.views import (
    GroupState,
    GroupView,
    StackView,
    View,
    Waiting,
)
from framework.core.volatile import Scaling
from placement.agent import AgentState
from specs.ids import is_same_container
from specs.model.autoscale import Autoscale
from specs.model.constraints import Rules, Strategy
from specs.model.resources import Resources
from specs.model.stack import Restart, Retry
from specs.states import Goal, TaskState

Plain = dict[str, Any]

_STATES_BY_URGENCY = (
    GroupState.FAILED,
    GroupState.WAITING,
    GroupState.CHANGING,
    GroupState.REMOVING,
    GroupState.RUNNING,
    GroupState.FINISHED,
    GroupState.STOPPED,
)


_UNANSWERED = frozenset({TaskState.INTENT, TaskState.STAGING, TaskState.STARTING, TaskState.KILLING})
"""States in which the agent owes an answer."""


def groups_of(view: View, pattern: str = "") -> Iterator[GroupView]:
    """The groups that the pattern means, all where it is empty, in the order of their ids."""
    for name in sorted(view.stacks):
        for group in view.stacks[name].groups:
            if not pattern or group.spec.id.matches(pattern):
                yield group


def find_task(view: View, task_id: str) -> tuple[GroupView, Task] | None:
    """The task with this id, or with this number at the end of its id, and its group; be it live or ended."""
    stack = view.stacks.get(task_id.partition(".")[0])
    groups = tuple(groups_of(view)) if task_id.isdecimal() else stack.groups if stack else ()
    for group in groups:
        for task in (*group.tasks, *group.ended):
            if task_id in (task.id, task.id.rpartition(".")[2]):
                return group, task
    return None


def standing(view: View) -> Plain:
    """When the picture was made and whether the scheduler can work: goes with every list."""
    return {"at": view.at, "connection": view.connection.value, "problem": view.problem}


def stack_plain(stack: StackView) -> Plain:
    """A stack in a line."""
    spec = stack.spec
    return {
        "name": spec.name,
        "state": stack_state(stack).value,
        "ready": sum(group.ready for group in stack.groups),
        "wanted": sum(group.wanted for group in stack.groups),
        "groups": len(stack.groups),
        "index": spec.index,
        "submitted_at": spec.submitted_at,
        "submitted_by": spec.submitted_by,
        "message": spec.message,
        "is_removed": spec.is_removed,
        "awaited": next(filter(None, map(why_not_over, stack.groups)), ""),
    }


def stack_state(stack: StackView) -> GroupState:
    """The state of the group that most needs to be looked at."""
    states = {group.state for group in stack.groups}
    if stack.spec.is_removed:
        return GroupState.REMOVING
    return next((state for state in _STATES_BY_URGENCY if state in states), GroupState.RUNNING)


def group_plain(view: View, group: GroupView) -> Plain:
    """A group without its tasks, small however many there are: what a wait has to look at."""
    spec = group.spec
    return {
        "group": str(spec.id),
        "stack": spec.id.stack,
        "service": spec.id.service,
        "labels": list(spec.id.labels),
        "state": group.state.value,
        "instances": spec.instances,
        "autoscale": autoscale_plain(spec.autoscale, group.scaling) if spec.autoscale else None,
        "wanted": group.wanted,
        "mode": spec.mode.value,
        "rules": list(rules_texts(spec.rules)),
        "ready": group.ready,
        "live": len(group.tasks),
        "outdated": group.outdated,
        "stopping": group.stopping,
        "applying": group.applying,
        "on_probation": group.on_probation,
        "stall": group.stall,
        "awaited": why_not_over(group),
        "rollout": progress_plain(group.progress) if group.progress else None,
        "index": view.stacks[spec.id.stack].spec.index,
        "version": spec.version,
        "generation": spec.generation,
        "is_stopped": spec.is_stopped,
        "restart": spec.restart.value,
        "unreachable": {
            "replace_after_seconds": spec.unreachable.replace_after_seconds,
            "keep": spec.unreachable.keep.value,
        },
        "retry": retry_plain(spec.retry),
        "image": group.container.image,
        "command": list(group.container.command) if group.container.command is not None else None,
        "cpus": group.resources.cpus_milli / 1000,
        "mem_mib": group.resources.mem_mib,
        "disk_mib": group.resources.disk_mib,
        "gpus": group.resources.gpus,
        "custom": custom_plain(group.resources),
        "depends_on": [
            {
                "service": dependency.service,
                "condition": dependency.condition.value,
                "on_change": dependency.on_change.value,
                "signal": dependency.signal,
            }
            for dependency in spec.dependencies
        ],
        "states": group.states,
        "waiting": _causes(group),
        "progress": list(_progress(view, group.tasks)),
        "last_end": _last_end(group),
        "failed": _failed(group),
        "finished": len({task.slot for task in group.ended if task.state is TaskState.FINISHED}),
    }


def autoscale_plain(bounds: Autoscale, scaling: Scaling | None) -> Plain:
    """By what a group is scaled, and what was last thought of its number."""
    return {
        "min": bounds.min,
        "max": bounds.max,
        "targets": str(bounds),
        "at": scaling.at if scaling else None,
        "wants": scaling.wants if scaling else None,
        "sentence": scaling.sentence if scaling else "was not measured yet",
    }


def scaling_plain(groups: Iterable[GroupView]) -> list[Plain]:
    """Of the groups that are scaled by their load, what was last thought of their number."""
    return [
        {"group": str(group.spec.id), **autoscale_plain(group.spec.autoscale, group.scaling)}
        for group in groups
        if group.spec.autoscale and not group.spec.is_stopped
    ]


def task_plain(view: View, group: GroupView, task: Task) -> Plain:
    """All there is to say of a task."""
    progress = view.progress.get(task.id)
    return {
        "id": task.id,
        "group": str(task.group),
        "stack": task.group.stack,
        "service": task.group.service,
        "labels": list(task.group.labels),
        "slot": task.slot,
        "attempt": task.attempt,
        "state": task.state.value,
        "health": task.health.value,
        "readiness": task.readiness.value,
        "goal": task.goal.value,
        "is_ready": task.is_ready,
        "is_outdated": group.is_outdated(task),
        "is_applying": group.is_applying(task),
        "is_on_probation": task.is_on_probation and task.is_ready,
        "replaces": task.beside or "",
        "agent_id": task.agent_id,
        "agent": task.hostname,
        "address": task.address,
        "ports": list(_ports(group, task)),
        "endpoints": [] if task.state.is_terminal else [_endpoint(task, port) for port in task.host_ports],
        "addresses": list(task.addresses),
        "version": task.version,
        "since": task.state_since,
        "launched_at": task.launched_at or None,
        "running_since": task.running_since or None,
        "ended_at": task.ended_at or None,
        "reason": task.reason,
        "message": task.message,
        "exit_code": task.exit_code,
        "permanent": task.permanent,
        "failures": task.failures,
        "stop_cause": task.stop_cause,
        "waits": group.waits.get(task.id, ""),
        "executor_id": task.executor_id,
        "container_id": task.container_id,
        "progress": (
            {"stage": progress.stage, "done_bytes": progress.done_bytes, "total_bytes": progress.total_bytes}
            if progress
            else None
        ),
        "held_up": _held_up(view, task),
    }


def _held_up(view: View, task: Task) -> str:
    """The reason why the agent does not answer where it owes an answer; "" where none is known."""
    if task.state not in _UNANSWERED or task.agent_id is None:
        return ""
    there = view.agents.get(task.agent_id)
    if there is not None and there.agent.state is not AgentState.DISCONNECTED:
        return ""
    why = "is disconnected" if there else "is not registered with the master"
    return f"agent {task.hostname or task.agent_id} {why}: nothing happens before it is back"


def endpoint_plain(group: GroupView, task: Task) -> Plain:
    """Where a task can be reached."""
    return {
        "id": task.id,
        "group": str(task.group),
        "stack": task.group.stack,
        "service": task.group.service,
        "labels": list(task.group.labels),
        "slot": task.slot,
        "version": task.version,
        "agent": task.hostname,
        "address": task.address,
        "ports": list(_ports(group, task)),
        "endpoints": [_endpoint(task, port) for port in task.host_ports],
        "addresses": list(task.addresses),
    }


def waiting_plain(group: GroupView) -> Iterator[Plain]:
    """The slots of a group that are not filled, and why."""
    for waiting in group.waiting:
        yield {
            "group": str(group.spec.id),
            "stack": group.spec.id.stack,
            "service": group.spec.id.service,
            "labels": list(group.spec.id.labels),
            "slot": waiting.slot,
            "cause": waiting.cause,
            "until": waiting.until or None,
            "is_final": waiting.is_final,
            "is_unplaced": waiting.is_unplaced,
            "backoff": backoff_plain(waiting.backoff),
        }


def backoff_plain(backoff: Backoff | None) -> Plain | None:
    """A wait after failures."""
    if backoff is None:
        return None
    return {
        "until": backoff.until,
        "delay_seconds": backoff.delay_seconds,
        "failures": backoff.failures,
        "cause": backoff.cause,
    }


def retry_plain(retry: Retry) -> Plain:
    """How ended tasks are followed by others."""
    return {
        "delay_seconds": retry.delay_seconds,
        "factor": retry.factor,
        "max_delay_seconds": retry.max_delay_seconds,
        "attempts": retry.attempts,
        "window_seconds": retry.window_seconds,
    }


def amounts_plain(resources: Resources) -> Plain:
    """Resources, in the units of the API."""
    return {
        "cpus": resources.cpus_milli / 1000,
        "mem_mib": resources.mem_mib,
        "disk_mib": resources.disk_mib,
        "gpus": resources.gpus,
        "ports": ",".join(f"{a}-{b}" if a != b else f"{a}" for a, b in resources.ports.ranges),
        "custom": custom_plain(resources),
    }


def custom_plain(resources: Resources) -> Plain:
    """Custom resources by name: the amount of a scalar, the items of a set."""
    scalars: Plain = {name: amount / 1000 for name, amount in resources.scalars}
    return scalars | {name: list(items) for name, items in resources.sets}


def rules_texts(rules: Rules) -> Iterator[str]:
    """What a group asks of its agents, a text for each rule, as they may be written in a stack file."""
    yield from (str(rule) for rule in rules.constraints)
    yield from (f"{spread}{_weight(spread.weight)}" for spread in rules.spread)
    yield from (f"near {neighbour}{_weight(neighbour.weight)}" for neighbour in rules.near)
    yield from (f"apart from {neighbour}{_weight(neighbour.weight)}" for neighbour in rules.apart)
    yield from (f"prefer {preference.rule}{_weight(preference.weight)}" for preference in rules.prefer)
    if rules.strategy is not Strategy.SPREAD:
        yield f"strategy {rules.strategy.value}"
    if rules.sticky:
        yield "sticky"


def _weight(weight: int) -> str:
    return f" ({weight:+d} points)" if weight else ""


def _endpoint(task: Task, port: int) -> str:
    return f"[{task.address}]:{port}" if ":" in task.address else f"{task.address}:{port}"


def _ports(group: GroupView, task: Task) -> Iterator[Plain]:
    ports = group.container.ports if is_same_container(task.version, group.spec.version) else ()
    for position, host_port in enumerate(task.host_ports):
        port = ports[position] if position < len(ports) else None
        yield {
            "name": port.name if port else f"port{position}",
            "host_port": host_port,
            "container_port": (port.container_port or host_port) if port else None,
            "protocol": port.protocol.value if port else None,
        }


def _causes(group: GroupView) -> list[Plain]:
    """Unfilled slots by cause: hundreds of slots mostly wait for one thing."""
    slots: dict[str, list[Waiting]] = {}
    for waiting in group.waiting:
        slots.setdefault(waiting.cause, []).append(waiting)
    return [
        {
            "cause": cause,
            "slots": [one.slot for one in alike],
            "until": min((one.until for one in alike if one.until), default=None),
            "is_final": alike[0].is_final,
            "is_unplaced": alike[0].is_unplaced,
            "backoff": backoff_plain(alike[0].backoff),
        }
        for cause, alike in slots.items()
    ]


def _progress(view: View, tasks: Iterable[Task]) -> Iterator[Plain]:
    for task in tasks:
        progress = view.progress.get(task.id)
        if progress:
            yield {
                "task": task.id,
                "stage": progress.stage,
                "done_bytes": progress.done_bytes,
                "total_bytes": progress.total_bytes,
            }


def _failed(group: GroupView) -> int:
    """How many slots failed for good: their last task did not finish, and no other follows."""
    final = sum(waiting.is_final for waiting in group.waiting)
    if group.spec.restart is Restart.ALWAYS:
        return final
    pending = {task.slot for task in group.tasks} | {waiting.slot for waiting in group.waiting}
    last: dict[int, Task] = {}
    for task in group.ended:
        if task.slot not in pending and not group.is_outdated(task):
            last.setdefault(task.slot, task)
    return final + sum(task.state is not TaskState.FINISHED and task.goal is Goal.RUN for task in last.values())


def _last_end(group: GroupView) -> Plain | None:
    if not group.ended:
        return None
    task = group.ended[0]
    return {
        "task": task.id,
        "slot": task.slot,
        "state": task.state.value,
        "message": task.message or task.reason,
        "exit_code": task.exit_code,
        "at": task.ended_at or task.state_since,
        "is_outdated": group.is_outdated(task),
    }
