"""Mesos's resources counted from the JSON, independently of the code under test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]
Amounts = Counter[str]
"""Thousandths of each scalar by its name, and one of each port by `port:31000`."""


def counted(resources: Iterable[Json]) -> Amounts:
    """The sum of Mesos's resources."""
    found: Amounts = Counter()
    for each in resources:
        if each["type"] == "SCALAR":
            found[each["name"]] += round(each["scalar"]["value"] * 1000)
        elif each["type"] == "RANGES":
            for one in each["ranges"]["range"]:
                for port in range(one["begin"], one["end"] + 1):
                    found[f"port:{port}"] += 1
        else:
            raise ValueError(f"resource {each['name']}: wanted SCALAR or RANGES, got {each['type']}")
    return found


def less(some: Amounts, other: Amounts) -> Amounts:
    """The rest of `some` without `other`; raises ValueError if there is less."""
    missing = {name: amount for name, amount in other.items() if some[name] < amount}
    if missing:
        raise ValueError(f"wanted {missing}, got { ({name: some[name] for name in missing}) }")
    return some - other


def written(amounts: Amounts, role: str) -> list[Json]:
    """The amounts as Mesos writes them, allocated to the role."""
    more = {"allocation_info": {"role": role}}
    found: list[Json] = [
        {"name": name, "type": "SCALAR", "scalar": {"value": amount / 1000}, **more}
        for name, amount in sorted(amounts.items())
        if amount and not name.startswith("port:")
    ]
    numbers = sorted(int(name[5:]) for name, amount in amounts.items() if amount and name.startswith("port:"))
    ranges: list[dict[str, int]] = []
    for number in numbers:
        if ranges and ranges[-1]["end"] == number - 1:
            ranges[-1]["end"] = number
        else:
            ranges.append({"begin": number, "end": number})
    if ranges:
        found.append({"name": "ports", "type": "RANGES", "ranges": {"range": ranges}, **more})
    return found
