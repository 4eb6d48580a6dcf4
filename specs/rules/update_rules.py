"""Rules for a group's update and rollback: shares within bounds, and a pace at which something can move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from specs.model.constraints import Mode
from specs.model.limits import MAX_INSTANCES, MAX_SECONDS, MAX_STEPS
from specs.model.stack import Container, Group
from specs.model.update import OnFailure, Order, Share, Step, Update
from specs.rules.broken import Broken

_ALL = Share(percent=100)
_WORDS = {"wait_seconds": "wait", "monitor_seconds": "monitor", "deadline_seconds": "deadline"}


def broken(group: Group) -> Iterator[Broken]:
    """Every rule that the update or the rollback of the group breaks."""
    instances = group.instances if group.mode is Mode.REPLICATED else 0
    yield from _pace("update", group.update, instances, group.container)
    if group.rollback is None:
        return
    yield from _pace("rollback", group.rollback, instances, group.container)
    if group.rollback.steps:
        yield _one("rollback.steps", "wanted no steps: going back goes at the pace of parallelism")
    if group.rollback.on_failure is OnFailure.ROLLBACK:
        yield _one("rollback.on_failure", "wanted pause or continue: a rollback that fails cannot be rolled back")


def settled(update: Update, container: Container) -> Update:
    """The update with its order where what it says leaves only one: without a task more than there are instances the
    old one stops first; where all are to stay ready the new one starts first, on another agent if it wants a port of
    its own. Two that write to one place are not started beside each other unless that is said.
    """
    if update.order is not None:
        return update
    if update.max_surge == Share():
        return replace(update, order=Order.STOP_FIRST)
    if update.min_healthy == _ALL and not _written_to(container):
        return replace(update, order=Order.START_FIRST)
    return update


def _written_to(container: Container) -> str:
    """A place that all tasks of the container write to; "" where there is none."""
    return next((volume.target for volume in container.volumes if volume.source and not volume.is_read_only), "")


def _pace(target: str, update: Update, instances: int, container: Container) -> Iterator[Broken]:
    """`instances` is 0 where how many there will be is not known, or none are."""
    alone = [*_shares(target, update), *_times(target, update), *_steps(target, update.steps, instances)]
    yield from alone
    if not alone:
        yield from _stuck(target, settled(update, container), instances, container)


def _one(field: str, message: str, about: tuple[str, ...] = ()) -> Broken:
    return Broken(message=message, where=(field,), about=(field.partition(".")[0], *about))


def _of_instances(field: str, message: str) -> Broken:
    return _one(field, message, ("instances", "mode"))


def _shares(target: str, update: Update) -> Iterator[Broken]:
    for name in ("parallelism", "min_healthy", "max_surge", "max_failures"):
        share: Share | None = getattr(update, name)
        if share is not None and (fault := _share_fault(share)):
            yield _one(f"{target}.{name}", fault)


def _share_fault(share: Share) -> str:
    if share.count and share.percent:
        return f"wanted a number of tasks or per cent; got both, {share.count} and {share.percent}%"
    if not 0 <= share.percent <= 100:
        return f"wanted at most 100%; got {share.percent:,}%"
    if not 0 <= share.count <= MAX_INSTANCES:
        return f"wanted a number of tasks from 0 to {MAX_INSTANCES:,}; got {share.count:,}"
    return ""


def _times(target: str, update: Update) -> Iterator[Broken]:
    for name, word in _WORDS.items():
        seconds: float = getattr(update, name)
        if not 0 <= seconds <= MAX_SECONDS:
            yield _one(f"{target}.{name}", f"wanted {word} from 0s to 7d; got {seconds:,g} s")
    watched = max(update.wait_seconds, update.monitor_seconds)
    if 0 < update.deadline_seconds <= watched:
        word = "wait" if watched == update.wait_seconds else "monitor"
        message = (
            f"a new task is watched for {watched:g} s ({word}), and after {update.deadline_seconds:g} s without "
            f"progress the rollout has failed: it could never succeed; raise deadline above {word}, or make it 0s"
        )
        yield _one(f"{target}.deadline_seconds", message)


def _steps(target: str, steps: tuple[Step, ...], instances: int) -> Iterator[Broken]:
    if len(steps) > MAX_STEPS:
        yield _one(f"{target}.steps", f"wanted at most {MAX_STEPS} steps; got {len(steps):,}")
        return
    reached: Share | None = None
    for index, step in enumerate(steps):
        fault, of_instances = _step_fault(step, reached, instances)
        if fault:
            about = ("instances", "mode") if of_instances else ()
            yield Broken(message=fault, where=(f"{target}.steps", index), about=(target, *about))
        elif step.until is not None:
            reached = step.until


def _step_fault(step: Step, reached: Share | None, instances: int) -> tuple[str, bool]:
    """The fault of a step, "" for none; and whether it rests on the number of instances."""
    if step.until is None:
        if not 0 <= step.hold_seconds <= MAX_SECONDS:
            return f"wanted a pause of at most 7d; got {step.hold_seconds:,g} s", False
        return "", False
    if step.hold_seconds:
        return f"wanted an amount or a pause; got both, {step.until} and {step.hold_seconds:g} s", False
    if fault := _share_fault(step.until) or ("wanted at least one task, or 1%" if step.until == Share() else ""):
        return fault, False
    if instances and step.until.count > instances:
        return f"wanted at most the {instances:,} instances of the group; got {step.until.count:,} tasks", True
    if reached is None:
        return "", False
    wanted = f"wanted more than the {reached} of the step before; got {step.until}"
    if bool(reached.count) is bool(step.until.count):
        return (wanted if (step.until.count, step.until.percent) <= (reached.count, reached.percent) else ""), False
    before, after = reached.ceil(instances), step.until.ceil(instances)
    if instances and after < before:
        return f"{wanted}: of {instances:,} instances these are {before:,} and {after:,}", True
    return "", False


def _stuck(target: str, update: Update, instances: int, container: Container) -> Iterator[Broken]:
    """The paces at which nothing can ever be changed, as far as that is certain."""
    is_start_first = update.order is Order.START_FIRST
    if is_start_first and update.max_surge == Share():
        message = "start-first needs a task more than there are instances; wanted at least 1, or order: stop-first"
        yield _one(f"{target}.max_surge", message)
    if update.min_healthy is None:
        return
    kept = update.min_healthy.ceil(instances)
    if instances and kept > instances:
        message = f"wanted at most as many as there are instances, {instances:,}; got {kept:,}"
        yield _of_instances(f"{target}.min_healthy", message)
        return
    why = _why_stop_first(update, container)
    if why and (update.min_healthy == _ALL or (instances and kept == instances)):
        whole = "all tasks are" if update.min_healthy == _ALL else f"{kept:,} of {instances:,} are"
        message = (
            f"{whole} to stay ready, and {why}, so that there is one fewer until the new one is: nothing could ever be "
            "changed; lower it, or write order: start-first, with a max_surge"
        )
        yield _one(f"{target}.min_healthy", message, ("instances", "mode", "container.ports", "volumes"))


def _why_stop_first(update: Update, container: Container) -> str:
    """Why an old task stops before the new one starts, "" where that is not so."""
    if update.order is Order.STOP_FIRST:
        return (
            "stop-first stops the old task first"
            if update.max_surge != Share()
            else "without max_surge the old one stops first"
        )
    if update.order is Order.START_FIRST:
        return ""
    if place := _written_to(container):
        return f"as both would write to {place} the old task is stopped first"
    port = next((port.host_port for port in container.ports if port.host_port is not None), None)
    return f"as both want port {port} of the agent the old task is stopped first" if port is not None else ""
