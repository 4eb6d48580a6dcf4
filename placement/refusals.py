"""Why a request was not put on an agent: one named refusal each, and one sentence over all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from specs.resources import format_cpus

NUMERIC = ("cpus", "mem", "disk", "gpus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The first rule by which `agent` did not do: what was wanted of it and what it had.

    Amounts are in the unit of the rule: thousandths for cpus, MiB for mem and disk, else counts or port numbers.
    """

    agent: str
    rule: str
    wanted: int
    got: int


def sentence(refusals: Iterable[Refusal], agents: int) -> str:
    """The refusals of one request in one sentence: `0/12 agents fit: 7 cpus (wanted 2, best 1.5), 5 ports (...)`."""
    by_rule: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        by_rule.setdefault(refusal.rule, []).append(refusal)
    parts = []
    for rule, members in sorted(by_rule.items(), key=lambda item: (-len(item[1]), item[0])):
        best = max(members, key=lambda refusal: refusal.got)
        parts.append(f"{len(members)} {rule} ({_detail(best)})")
    return f"0/{agents} agents fit: {', '.join(parts)}"


def _detail(refusal: Refusal) -> str:
    if refusal.rule == "host port":
        return f"wanted {refusal.wanted}, which is taken or not offered"
    if refusal.rule in NUMERIC:
        return f"wanted {_amount(refusal.rule, refusal.wanted)}, best {_amount(refusal.rule, refusal.got)}"
    return f"wanted {refusal.wanted}, best {refusal.got}"


def _amount(rule: str, value: int) -> str:
    if rule == "cpus":
        return format_cpus(value)
    return f"{value} MiB" if rule in ("mem", "disk") else str(value)
