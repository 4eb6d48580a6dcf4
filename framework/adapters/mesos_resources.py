"""Mesos's resources to ours and back, reserved or not; pure.

What Mesos writes of a resource's reservations, a list of them from the outer role to the inner, is kept as canonical
JSON: the text names a pool of resources, and is written back as it came.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from placement.offer import ReservationPool
from specs.model.resources import PortRanges, Resources

Json = dict[str, Any]

OWN_SCALARS = ("cpus", "mem", "disk", "gpus")
_MOST = 1e15
"""Limit on an amount: an agent that says it has more counts as one that has so much. Mesos itself counts no further."""


class Tally:
    """Resources of one reservation, added up.

    Amounts are rounded to what Mesos counts in, thousandths, before they are added; memory and disk are cut to whole
    MiB, gpus to whole ones, in the end.
    """

    def __init__(self) -> None:
        self._milli: dict[str, int] = {}
        self._ranges: list[tuple[int, int]] = []
        self._sets: dict[str, set[str]] = {}

    def add(self, resource: Json) -> None:
        """Adds a resource; raises KeyError for one that is of another shape than its type says."""
        name, kind = resource["name"], resource["type"]
        if kind == "SCALAR":
            self._milli[name] = self._milli.get(name, 0) + round(min(resource["scalar"]["value"], _MOST) * 1000)
        elif kind == "SET":
            self._sets.setdefault(name, set()).update(resource["set"].get("item", ()))
        elif name == "ports":
            self._ranges += [(each["begin"], each["end"]) for each in resource["ranges"].get("range", ())]

    def take(self, other: Tally) -> None:
        """Takes away what `other` has; what is not here is not missed."""
        for name, amount in other._milli.items():
            self._milli[name] = max(0, self._milli.get(name, 0) - amount)
        for name, items in other._sets.items():
            self._sets[name] = self._sets.get(name, set()) - items
        self._ranges = list((PortRanges.of(self._ranges) - PortRanges.of(other._ranges)).ranges)

    def resources(self) -> Resources:
        """The sum."""
        milli = self._milli
        custom = [(name, amount) for name, amount in milli.items() if amount and name not in OWN_SCALARS]
        return Resources(
            cpus_milli=milli.get("cpus", 0),
            mem_mib=milli.get("mem", 0) // 1000,
            disk_mib=milli.get("disk", 0) // 1000,
            gpus=milli.get("gpus", 0) // 1000,
            ports=PortRanges.of(self._ranges),
            scalars=tuple(sorted(custom)),
            sets=tuple([(name, tuple(sorted(items))) for name, items in sorted(self._sets.items()) if items]),
        )


def pools(resources: Iterable[Json], role: str) -> tuple[ReservationPool, ...]:
    """The pools of offered resources that `role` may use: unreserved resources first, then a pool for each
    reservation; the first alone where nothing is reserved."""
    return _pools(_tallies(resources, role, is_offer=True))


def usable(resources: Iterable[Json], role: str) -> Resources:
    """The resources of an agent that `role` may use."""
    return total(_pools(_tallies(resources, role, is_offer=False)))


def free(resources: Iterable[Json], allocated: Iterable[Json], role: str) -> Resources:
    """The part of that which nobody uses: `allocated` is what all frameworks have, whatever their role."""
    tallies = _tallies(resources, role, is_offer=False)
    for reservation, used in _tallies(allocated, role, is_offer=False).items():
        if reservation in tallies:
            tallies[reservation].take(used)
    return total(_pools(tallies))


def total(parts: tuple[ReservationPool, ...]) -> Resources:
    """The sum of pools."""
    amount = parts[0].resources
    for part in parts[1:]:
        amount = amount + part.resources
    return amount


def written(amount: Resources, role: str, reservation: str = "") -> list[Json]:
    """Resources with this reservation, allocated to `role`, as Mesos writes them since reservations can be refined."""
    more: Json = {"allocation_info": {"role": role}}
    if reservation:
        more["reservations"] = orjson.Fragment(reservation)
    scalars = (
        ("cpus", amount.cpus_milli / 1000),
        ("mem", amount.mem_mib),
        ("disk", amount.disk_mib),
        ("gpus", amount.gpus),
        *((name, milli / 1000) for name, milli in amount.scalars),
    )
    found: list[Json] = [
        {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more} for name, value in scalars if value
    ]
    if amount.ports.ranges:
        ranges = [{"begin": begin, "end": end} for begin, end in amount.ports.ranges]
        found.append({"name": "ports", "type": "RANGES", "ranges": {"range": ranges}, **more})
    found += [{"name": name, "type": "SET", "set": {"item": [*items]}, **more} for name, items in amount.sets]
    return found


def _tallies(resources: Iterable[Json], role: str, *, is_offer: bool) -> dict[str, Tally]:
    """The usable amounts by reservation, "" always among them."""
    tallies = {"": Tally()}
    for each in resources:
        if is_offer and each.get("allocation_info", {}).get("role", role) != role:
            continue
        reservation = _reservation(each, role)
        if reservation is None or not _is_plain(each):
            continue
        if reservation not in tallies:
            tallies[reservation] = Tally()
        tallies[reservation].add(each)
    return tallies


def _pools(tallies: dict[str, Tally]) -> tuple[ReservationPool, ...]:
    first = ReservationPool(resources=tallies[""].resources())
    if len(tallies) == 1:
        return (first,)
    others = (
        ReservationPool(reservation=text, resources=tally.resources())
        for text, tally in sorted(tallies.items())
        if text
    )
    return (first, *(pool for pool in others if pool.resources != Resources()))


def _reservation(resource: Json, role: str) -> str | None:
    """The reservation as a pool has it, None where it is another role's.

    What is reserved for a role is offered to those below it, too. The last of the list is the one that counts.
    """
    stack = resource.get("reservations")
    if stack:
        holder = stack[-1]["role"]
        is_ours = role == holder or role.startswith(f"{holder}/")
        return orjson.dumps(stack, option=orjson.OPT_SORT_KEYS).decode() if is_ours else None
    is_free = resource.get("role", "*") == "*" and "reservation" not in resource
    return "" if is_free else None


def _is_plain(resource: Json) -> bool:
    """Whether it is there for good, for one task alone, and neither a volume nor a resource provider's."""
    return not ("revocable" in resource or "shared" in resource or "provider_id" in resource or resource.get("disk"))
