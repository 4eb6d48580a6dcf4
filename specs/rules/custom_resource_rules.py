"""Rules for resources that an operator invents: their names, and the items of sets."""

from __future__ import annotations

import re

from specs.model.limits import MAX_CUSTOM_ITEMS

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_ITEM = re.compile(r"[^\s,{}\x00-\x1f\x7f]{1,100}")
_OTHERWISE = {
    **dict.fromkeys(("cpus", "cpu"), "resources: {cpus: 0.5}"),
    **dict.fromkeys(("mem", "memory"), "resources: {memory: 256M}"),
    "disk": "resources: {disk: 1G}",
    **dict.fromkeys(("gpus", "gpu"), "resources: {gpus: 1}"),
    **dict.fromkeys(("ports", "port"), "ports: {http: 80}"),
}


def resource_name_fault(name: str) -> str:
    """The fault of `name` as the name of a custom resource; "" for none."""
    if name.lower() in _OTHERWISE:
        return f"{name} is no custom resource: write {_OTHERWISE[name.lower()]}"
    if not _NAME.fullmatch(name):
        return f"wanted a resource's name of letters, digits, '_', '-' and '.', at most 100; got {name[:100]!r}"
    return ""


def items_fault(items: tuple[str, ...]) -> str:
    """The fault of `items` as those of a set; "" for none."""
    if not items or list(items) != sorted(set(items)):
        return "wanted items in order, each once, at least one"
    if len(items) > MAX_CUSTOM_ITEMS:
        return f"wanted at most {MAX_CUSTOM_ITEMS} items; got {len(items):,}"
    wrong = next((item for item in items if not _ITEM.fullmatch(item)), None)
    return (
        ""
        if wrong is None
        else f"wanted items of 1 to 100 characters without spaces, commas, braces; got {wrong[:100]!r}"
    )
