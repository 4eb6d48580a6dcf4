"""The value that every rule yields: which field breaks it, and why."""

from __future__ import annotations

from dataclasses import dataclass

Where = tuple[str | int, ...]
"""A field of a group in the model, perhaps one item of it: ("container.ports", 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A broken rule: the field or an item of it, the fields looked at, a second place that the message ends with."""

    message: str
    where: Where
    about: tuple[str, ...] = ()
    other: Where | None = None
