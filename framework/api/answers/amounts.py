"""Amounts of resources in answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from framework.api.answers.base import Shape
from specs.model.resources import Resources

CustomAmounts = dict[str, float | list[str]]


class Amounts(Shape):
    """Resources; `custom` are scalars (a number) and sets (a list of items) by name."""

    cpus: Annotated[float, Field(examples=[3.5])]
    mem_mib: Annotated[int, Field(examples=[4096])]
    disk_mib: Annotated[int, Field(examples=[10_000])]
    gpus: int
    ports: Annotated[str, Field(examples=["31000-32000"])]
    custom: Annotated[CustomAmounts, Field(examples=[{"bandwidth": 100.0, "fpga": ["a", "b"]}])]


def amounts(resources: Resources) -> Amounts:
    """Resources, in the units of the API."""
    return {
        "cpus": resources.cpus_milli / 1000,
        "mem_mib": resources.mem_mib,
        "disk_mib": resources.disk_mib,
        "gpus": resources.gpus,
        "ports": ",".join(f"{a}-{b}" if a != b else f"{a}" for a, b in resources.ports.ranges),
        "custom": custom_amounts(resources),
    }


def custom_amounts(resources: Resources) -> CustomAmounts:
    """Custom resources by name: the amount of a scalar, the items of a set."""
    scalars: CustomAmounts = {name: amount / 1000 for name, amount in resources.scalars}
    return scalars | {name: list(items) for name, items in resources.sets}
