"""Dependants of a change: groups that are restarted, or get a signal, when a service they depend on is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from specs.ids import GroupId
from specs.model.stack import Dependency, OnChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependant:
    """The reaction of a group, RESTART or SIGNAL, to the change of another service of its stack."""

    on_change: OnChange
    service: str


def dependants_of(
    dependencies: Mapping[GroupId, tuple[Dependency, ...]], changed: Iterable[GroupId]
) -> dict[GroupId, Dependant]:
    """The groups that follow, directly or through others that are restarted, of those whose `dependencies` these are;
    none that is among the `changed` itself. Who is restarted needs no signal."""
    moved = dict.fromkeys(changed)
    left = list(dict.fromkeys(id.service for id in moved))
    found: dict[GroupId, Dependant] = {}
    for service in left:
        for id, needs in dependencies.items():
            how = next((each.on_change for each in needs if each.service == service), OnChange.NONE)
            known = found.get(id)
            if id in moved or how is OnChange.NONE or (known is not None and known.on_change is OnChange.RESTART):
                continue
            if known is None or how is OnChange.RESTART:
                found[id] = Dependant(on_change=how, service=service)
            if how is OnChange.RESTART and id.service not in left:
                left.append(id.service)
    return found
