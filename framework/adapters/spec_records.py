"""Specs of stacks and their rollouts: model values <-> the bytes of a node. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from framework.adapters.packing import SCHEMA, RecordFault, canonical, fold, from_canonical, parse
from framework.core.model import GroupSpec, Rollouts, StackSpec
from specs import records_pb2 as pb
from specs.ids import GroupId, VersionId
from specs.model.autoscale import Autoscale
from specs.model.constraints import Mode, Rules
from specs.model.routes import Route
from specs.model.stack import Condition, Dependency, Keep, KillOrder, OnChange, Restart, Retry, Unreachable
from specs.model.update import Update

_NO_RULES = Rules()
_USUAL_UPDATE = Update()
_RETRY = Retry()
_DISTINCT = 3 * 4096
"""Limit on different rules, paces and bounds that are kept parsed: the groups of a service often have equal ones."""
_DISTINCT_GROUPS = 16_384
"""Limit on interned group ids: one value each, however many tasks they have."""
one_group = lru_cache(maxsize=_DISTINCT_GROUPS)(GroupId)


def stack_node(stack: StackSpec) -> bytes:
    """A stack's spec as a node holds it; raises ValueError for what no record can hold."""
    record = pb.StackRecord(
        schema=SCHEMA,
        name=stack.name,
        groups=[group_record(group) for group in stack.groups],
        index=stack.index,
        submitted_at=stack.submitted_at,
        submitted_by=stack.submitted_by,
        message=stack.message,
        removed=stack.is_removed,
    )
    return fold(record.SerializeToString())


def stack_of(data: bytes) -> StackSpec:
    """The way back; raises RecordFault."""
    record = parse(pb.StackRecord(), data)
    try:
        return StackSpec(
            name=record.name,
            groups=tuple(group_spec_of(record.name, group) for group in record.groups),
            index=record.index,
            submitted_at=record.submitted_at,
            submitted_by=record.submitted_by,
            message=record.message,
            is_removed=record.removed,
        )
    except RecordFault:
        raise
    except ValueError as error:
        raise RecordFault(f"has a word that no stack has: {error}") from error


def group_record(group: GroupSpec) -> pb.GroupRecord:
    """A group's spec; raises ValueError for what no record can hold."""
    return pb.GroupRecord(
        service=group.id.service,
        labels=group.id.labels,
        version=group.version,
        instances=group.instances,
        stopped=group.is_stopped,
        generation=group.generation,
        restart=group.restart.value,
        dependencies=[
            pb.DependencyRecord(
                service=each.service,
                condition=each.condition.value,
                on_change="" if each.on_change is OnChange.NONE else each.on_change.value,
                signal=each.signal,
            )
            for each in group.dependencies
        ],
        metadata=dict(group.metadata),
        mode="" if group.mode is Mode.REPLICATED else group.mode.value,
        rules_json=b"" if group.rules == _NO_RULES else _json(group.rules),
        replace_after_seconds=group.unreachable.replace_after_seconds,
        kill_order="" if group.kill_order is KillOrder.YOUNGEST else group.kill_order.value,
        keep="" if group.unreachable.keep is Keep.REPLACEMENT else group.unreachable.keep.value,
        update_json=b"" if group.update == _USUAL_UPDATE else _json(group.update),
        rollback_json=b"" if group.rollback is None else _json(group.rollback),
        autoscale_json=b"" if group.autoscale is None else _json(group.autoscale),
        retry=None if group.retry == _RETRY else _retry_record(group.retry),
        routes_json=canonical(group.routes) if group.routes else b"",
        signals=group.signals,
    )


def group_spec_of(stack: str, record: pb.GroupRecord) -> GroupSpec:
    """The way back; raises ValueError, RecordFault."""
    return GroupSpec(
        id=one_group(stack, record.service, tuple(record.labels)),
        version=VersionId(record.version),
        instances=record.instances,
        is_stopped=record.stopped,
        generation=record.generation,
        restart=Restart(record.restart),
        dependencies=tuple(
            Dependency(
                service=each.service,
                condition=Condition(each.condition),
                on_change=OnChange(each.on_change) if each.on_change else OnChange.NONE,
                signal=each.signal,
            )
            for each in record.dependencies
        ),
        metadata=tuple(sorted(record.metadata.items())),
        mode=Mode(record.mode) if record.mode else Mode.REPLICATED,
        rules=_of(Rules, record.rules_json, "rules") if record.rules_json else _NO_RULES,
        unreachable=Unreachable(
            replace_after_seconds=record.replace_after_seconds,
            keep=Keep(record.keep) if record.keep else Keep.REPLACEMENT,
        ),
        update=_of(Update, record.update_json, "paces") if record.update_json else _USUAL_UPDATE,
        rollback=_of(Update, record.rollback_json, "paces") if record.rollback_json else None,
        autoscale=_of(Autoscale, record.autoscale_json, "bounds of scaling") if record.autoscale_json else None,
        kill_order=KillOrder(record.kill_order) if record.kill_order else KillOrder.YOUNGEST,
        retry=_retry_of(record.retry) if record.HasField("retry") else _RETRY,
        routes=from_canonical(tuple[Route, ...], record.routes_json, "routes") if record.routes_json else (),
        signals=record.signals,
    )


def _retry_record(retry: Retry) -> pb.RetryRecord:
    return pb.RetryRecord(
        delay_seconds=retry.delay_seconds,
        factor=retry.factor,
        max_delay_seconds=retry.max_delay_seconds,
        attempts=retry.attempts,
        window_seconds=retry.window_seconds,
    )


def _retry_of(record: pb.RetryRecord) -> Retry:
    return Retry(
        delay_seconds=record.delay_seconds,
        factor=record.factor,
        max_delay_seconds=record.max_delay_seconds,
        attempts=record.attempts,
        window_seconds=record.window_seconds,
    )


@lru_cache(maxsize=_DISTINCT)
def _json(value: Rules | Update | Autoscale) -> bytes:
    """The canonical form; raises ValueError for what no record can hold. What is nothing but defaults is "{}"."""
    return canonical(value)


@lru_cache(maxsize=_DISTINCT)
def _of(kind: type, data: bytes, what: str) -> Any:
    """The way back, to one value of the kind for equal bytes; raises RecordFault."""
    return from_canonical(kind, data, what)


def rollouts_node(rollouts: Rollouts) -> bytes:
    """A stack's rollouts as a node holds them; raises ValueError for what no record can hold."""
    record = pb.RolloutsRecord(schema=SCHEMA, stack=rollouts.stack, json=canonical(rollouts))
    return fold(record.SerializeToString())


def rollouts_of(data: bytes) -> Rollouts:
    """The way back; raises RecordFault."""
    record = parse(pb.RolloutsRecord(), data)
    rollouts: Rollouts = from_canonical(Rollouts, record.json, "rollouts")
    return rollouts
