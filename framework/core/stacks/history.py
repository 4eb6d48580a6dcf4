"""The history of a stack: the changes that it keeps, how they are described, and how a rollback goes back. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from framework.core.commands import Refused
from framework.core.model import GroupSpec, History, Revision, StackSpec
from specs.ids import GroupId, VersionId, container_hash
from specs.model.canonical import to_plain
from specs.model.constraints import Mode

MOST_CHANGES = 100
"""Limit on the changes without a definition in the history of a stack."""
MOST_BYTES = 900_000
"""Limit on the size of a history: less than a node of the store holds, however badly it can be compressed."""
MOST_REMOVED = 10
"""Limit on the removed stacks whose history is kept: the ones that were removed last."""
DEFINING = ("submit", "rollback")
"""The commands that give a stack its definition; any other changes what it has."""
_TEXT_LENGTH = 400
_NAMED = 3
_REVISION_BYTES = 100
_REFERENCE_BYTES = 5
"""The sizes of a revision beside its texts, and of a group that it shares with another revision."""


# ---- remembering ------------------------------------------------------------------------


def revised(history: History | None, before: StackSpec | None, made: Revision, stack: str, most: int) -> History:
    """The history with one more revision; it keeps at most `most` definitions. `before` is the spec before the change:
    a history that is empty begins with it."""
    known = history.revisions if history else ()
    if not known and before is not None:
        known = (_beginning(before),)
    return History(stack=stack, revisions=bounded((*known, made), most))


def _beginning(stack: StackSpec) -> Revision:
    return Revision(
        number=stack.index,
        at=stack.submitted_at,
        command="submit",
        text="as it was when its history began",
        by=stack.submitted_by,
        message=stack.message,
        services=services_of(spec.id for spec in stack.groups),
        groups=stack.groups,
    )


def bounded(revisions: Sequence[Revision], most: int) -> tuple[Revision, ...]:
    """The newest of the revisions, in their order: at most `most` definitions, MOST_CHANGES without one, and MOST_BYTES
    in all. A revision whose definition does not fit is kept without it."""
    kept: list[Revision] = []
    definitions, changes, room = 0, 0, MOST_BYTES
    counted: dict[GroupSpec, None] = {}
    for revision in reversed(revisions):
        new: dict[GroupSpec, None] = {}
        room -= _text_bytes(revision)
        if revision.groups is not None:
            new = {spec: None for spec in revision.groups if spec not in counted}
            size = sum(map(_group_bytes, new)) + _REFERENCE_BYTES * len(revision.groups)
            if definitions < most and size <= room:
                definitions += 1
                room -= size
                counted |= new
            else:
                revision = replace(revision, groups=None)
                definitions = most  # older ones are not kept in its stead
        changes += revision.groups is None
        if room < 0:
            break
        if revision.groups is not None or changes <= MOST_CHANGES:
            kept.append(revision)
    return tuple(reversed(kept))


def _text_bytes(revision: Revision) -> int:
    texts = (revision.by, revision.message, revision.text, revision.command, *revision.services)
    return sum(len(text.encode("utf-8", "surrogatepass")) + _REFERENCE_BYTES for text in texts) + _REVISION_BYTES


@lru_cache(maxsize=16_384)
def _group_bytes(spec: GroupSpec) -> int:
    """An upper bound of the size of its record: JSON names its fields, a record numbers them."""
    return len(json.dumps(to_plain(spec)))


def tidied(history: History, stack: StackSpec | None, versions: Collection[tuple[str, VersionId]]) -> History:
    """The history without the parts that match nothing in the store: a save that broke off may have left a revision
    that the stack does not have, or a definition without its versions."""
    newest = None if stack is None else stack.index
    revisions = tuple(
        revision
        if revision.groups is None or all((history.stack, spec.version) in versions for spec in revision.groups)
        else replace(revision, groups=None)
        for revision in history.revisions
        if newest is None or revision.number <= newest
    )
    return history if revisions == history.revisions else replace(history, revisions=revisions)


def superfluous(histories: Mapping[str, History], stacks: Mapping[str, StackSpec]) -> tuple[str, ...]:
    """The removed stacks whose history is dropped."""
    removed = [history for name, history in histories.items() if name not in stacks]
    removed.sort(key=lambda history: (history.revisions[-1].at if history.revisions else 0.0, history.stack))
    return tuple(history.stack for history in removed[: max(len(removed) - MOST_REMOVED, 0)])


# ---- describing -------------------------------------------------------------------------


def describe(before: Iterable[GroupSpec], after: Iterable[GroupSpec]) -> tuple[str, tuple[str, ...]]:
    """The difference as a phrase ("scaled web[prod] 4 → 6"), and the services of the changed groups."""
    old, new = {spec.id: spec for spec in before}, {spec.id: spec for spec in after}
    said: dict[str, list[str]] = {}
    changed = []
    for id in sorted({*old, *new}):
        was, shall = old.get(id), new.get(id)
        if was != shall:
            changed.append(id)
            said.setdefault(_verb(was, shall), []).append(_name(id) + _numbers(was, shall))
    phrases = (f"{verb} {_listed(said[verb])}" for verb in _VERBS if verb in said)
    return "; ".join(phrases)[:_TEXT_LENGTH], services_of(changed)


def services_of(groups: Iterable[GroupId]) -> tuple[str, ...]:
    """The names of the groups' services, each once, sorted."""
    return tuple(sorted({group.service for group in groups}))


_VERBS = (
    *("added", "removed", "replaced", "scaled", "restarted", "stopped", "started"),
    *("changed in place", "signalled", "changed settings of"),
)


def _verb(was: GroupSpec | None, shall: GroupSpec | None) -> str:
    if was is None or shall is None:
        return "added" if was is None else "removed"
    tests: tuple[tuple[str, Callable[[GroupSpec], object]], ...] = (
        ("replaced", lambda spec: container_hash(spec.version)),
        ("scaled", lambda spec: spec.instances),
        ("restarted", lambda spec: spec.generation),
        ("stopped" if shall.is_stopped else "started", lambda spec: spec.is_stopped),
        ("changed in place", lambda spec: spec.version),
        ("signalled", lambda spec: spec.signals),
    )
    return next((verb for verb, of in tests if of(was) != of(shall)), "changed settings of")


def _numbers(was: GroupSpec | None, shall: GroupSpec | None) -> str:
    if was is None or shall is None or was.instances == shall.instances:
        return ""
    return f" {was.instances} → {shall.instances}"


def _name(group: GroupId) -> str:
    return str(group).partition("/")[2]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


# ---- going back -------------------------------------------------------------------------


def definition(history: History, number: int) -> Revision | Refused:
    """The revision with the definition that the stack had at revision `number`: that one itself, or the last submit or
    rollback before it."""
    upto = [revision for revision in history.revisions if revision.number <= number]
    if not upto or upto[-1].number != number:
        return Refused(kind="not_found", message=f"{history.stack} has no revision {number}{_kept(history)}")
    found = next((revision for revision in reversed(upto) if revision.command in DEFINING), None)
    if found is None or found.groups is None:
        return Refused(
            kind="not_found",
            message=f"of revision {number} of {history.stack} the definition is no longer kept{_kept(history)}",
        )
    return found


def _kept(history: History) -> str:
    numbers = [str(revision.number) for revision in history.revisions if revision.groups is not None]
    if not numbers:
        return "; there is none to which one could go back"
    return f"; those with a definition are {', '.join(numbers)} (`framework history {history.stack}`)"


def returned(found: Revision, current: StackSpec | None, *, with_instances: bool) -> tuple[GroupSpec, ...]:
    """The specs after a rollback to a definition. A group that exists now keeps its number of instances (unless
    `with_instances`), and stays stopped if it is."""
    now = {spec.id: spec for spec in current.groups} if current else {}
    return tuple(_returned(spec, now.get(spec.id), with_instances) for spec in found.groups or ())


def _returned(spec: GroupSpec, now: GroupSpec | None, with_instances: bool) -> GroupSpec:
    if now is None:
        return replace(spec, is_stopped=False)
    keeps = not with_instances and spec.mode is now.mode is Mode.REPLICATED
    instances = now.instances if keeps else spec.instances
    instances, generation = spec.fitting(instances), now.generation
    return replace(spec, instances=instances, is_stopped=now.is_stopped, generation=generation, signals=now.signals)


def target(
    history: History | None, stack: StackSpec | None, name: str, to: int | None, *, with_instances: bool
) -> Revision | Refused:
    """The definition that a rollback goes to. That of revision `to`; without `to` the last one of a removed stack, or
    the newest earlier one that would change something."""
    current = None if stack is None or stack.is_removed else stack
    if history is None:
        if stack is None:
            message = f"there is no stack {name}, and no history of one; `framework ls` names those there are"
            return Refused(kind="not_found", message=message)
        return Refused(kind="conflict", message=f"{name} was not changed yet: there is nothing to go back to")
    if to is not None:
        return definition(history, to)
    earlier = [revision for revision in reversed(history.revisions) if revision.command in DEFINING]
    for revision in earlier if current is None else earlier[1:]:
        if revision.groups is None:
            break
        if current is None or returned(revision, current, with_instances=with_instances) != current.groups:
            return revision
    return Refused(
        kind="conflict",
        message=f"{name} has no earlier definition that differs from what it is now{_kept(history)}",
    )
