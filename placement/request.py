"""What is to be placed: slots of groups, all slots of a group alike."""

from __future__ import annotations

from dataclasses import dataclass

from specs.ids import GroupId
from specs.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Slots of one group that want a place, in the order in which they get one.

    `resources.ports` is empty; `host_ports` has an entry for each port: a number, or None for any port of the offer.
    """

    group: GroupId
    slots: tuple[int, ...]
    resources: Resources
    host_ports: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A slot put on an offer. `host_ports` are in the order of the request's."""

    group: GroupId
    slot: int
    offer_index: int
    host_ports: tuple[int, ...]
