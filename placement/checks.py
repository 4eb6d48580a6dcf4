"""One rule each, as it stands to every agent now: for the candidates, for the reasons, and for the table of explain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from placement.bits import bits_of, numbers_in
from placement.cluster import DIMENSIONS, Cluster, take_custom
from placement.counting import CountingRule, GroupBy, HardSpread
from placement.free_resources import FreeResources, Need
from specs.ids import AgentId
from specs.model.constraints import Constraint
from specs.model.operators import Operator
from specs.model.resources import Resources, format_cpus

_SHOWN_VALUES = 3


class Check(Protocol):
    """A rule of a request."""

    #: Short name: a field or a resource.
    rule: str
    #: The demand in words.
    wanted: str

    def passing(self, among: int) -> int:
        """The agents among these that pass now."""

    def detail(self, bad: int, /) -> str:
        """The words in brackets of a refusal, about agents that fail."""

    def got(self, number: int) -> str:
        """The agent's value, in words."""


class Trait:
    """A rule about what an agent is, whoever runs on it."""

    def __init__(self, rule: str, wanted: str, bits: int, got: Callable[[int], str]) -> None:
        self.rule, self.wanted, self._bits, self._got = rule, wanted, bits, got

    def passing(self, among: int) -> int:
        return among & self._bits

    def detail(self, _bad: int) -> str:
        return f"wanted {self.wanted}"

    def got(self, number: int) -> str:
        return self._got(number)


class Availability:
    """Agents that are drained, or in maintenance."""

    rule = "unavailable"
    wanted = "available"

    def __init__(self, cluster: Cluster, unavailable: Mapping[AgentId, str]) -> None:
        self._cluster, self._unavailable = cluster, unavailable
        self._bad = cluster.bits_of(unavailable)

    def passing(self, among: int) -> int:
        return among & ~self._bad

    def detail(self, bad: int) -> str:
        return shown(self.got(number) for number in numbers_in(bad))

    def got(self, number: int) -> str:
        return self._unavailable.get(self._cluster.agents[number].id, "available")


class Counts:
    """A rule that depends on where tasks are."""

    def __init__(self, rule: str, wanted: str, state: CountingRule, got: Callable[[int], str]) -> None:
        self.rule, self.wanted, self._state, self._got = rule, wanted, state, got

    def passing(self, among: int) -> int:
        return among & self._state.allowed

    def detail(self, bad: int) -> str:
        state = self._state
        if isinstance(state, GroupBy | HardSpread) and state.levels.having & bad:
            return f"wanted {self.wanted}: {state.levels.emptiest()}"
        return f"wanted {self.wanted}"

    def got(self, number: int) -> str:
        return self._got(number)


class Amount:
    """An amount of cpus, mem, disk or gpus."""

    def __init__(self, free: FreeResources, dimension: int, amount: int) -> None:
        self._free, self._dimension, self._amount = free, dimension, amount
        self.rule = DIMENSIONS[dimension]
        self.wanted = amount_text(self.rule, amount)

    def passing(self, among: int) -> int:
        return among & self._free.fitting(self._dimension, self._amount)

    def detail(self, bad: int) -> str:
        return f"wanted {self.wanted}, best {amount_text(self.rule, self._free.best(self._dimension, bad))}"

    def got(self, number: int) -> str:
        amount = self._free.amounts[self._dimension][number]
        return amount_text(self.rule, max(amount, 0)) if self._free.is_known(number) else "unknown"


class HostPorts:
    """Any ports, by number, and each of the named ones."""

    def __init__(self, free: FreeResources, need: Need, port: int | None) -> None:
        self._free, self._port, self._count = free, port, len(need.host_ports)
        self.rule = "ports" if port is None else f"host port {port}"
        self.wanted = str(self._count) if port is None else "free"

    def passing(self, among: int) -> int:
        return bits_of((number for number in numbers_in(among) if self._is_met(number)), self._free.size)

    def _is_met(self, number: int) -> bool:
        if not self._free.is_known(number):
            return True
        ports = self._free.ports(number)
        return ports.count >= self._count if self._port is None else ports.has(self._port)

    def detail(self, bad: int) -> str:
        if self._port is not None:
            return "taken or not offered"
        return f"wanted {self.wanted}, best {max(self._free.ports(number).count for number in numbers_in(bad))}"

    def got(self, number: int) -> str:
        if not self._free.is_known(number):
            return "unknown"
        if self._port is None:
            return str(self._free.ports(number).count)
        return "free" if self._is_met(number) else "taken or not offered"


class Custom:
    """A custom scalar, or items of a set."""

    def __init__(self, free: FreeResources, name: str, want: Resources) -> None:
        self._free, self._want = free, want
        self.rule = name
        self.wanted = custom_text(want)

    def passing(self, among: int) -> int:
        return bits_of((number for number in numbers_in(among) if self._is_met(number)), self._free.size)

    def _is_met(self, number: int) -> bool:
        return not self._free.is_known(number) or take_custom(self._free.custom(number), self._want) is not None

    def detail(self, bad: int) -> str:
        return f"wanted {self.wanted}, there is {shown(self.got(number) for number in numbers_in(bad))}"

    def got(self, number: int) -> str:
        if not self._free.is_known(number):
            return "unknown"
        has = self._free.custom(number)
        return custom_text(
            Resources(
                scalars=tuple(pair for pair in has.scalars if pair[0] == self.rule),
                sets=tuple(pair for pair in has.sets if pair[0] == self.rule),
            )
        )


class Offered:
    """Whether the agent is offered to us now; the last check, and what is left over by all others."""

    rule = "offer"
    wanted = "offered"

    def __init__(self, free: FreeResources) -> None:
        self._free = free

    def passing(self, among: int) -> int:
        return among & self._free.offered

    def detail(self, _bad: int) -> str:
        return "not offered now"

    def got(self, number: int) -> str:
        return "offered" if self._free.offered >> number & 1 else "not offered now"


def amount_text(rule: str, amount: int) -> str:
    """An amount of a dimension for people: 0.5, 256 MiB, 2."""
    if rule == "cpus":
        return format_cpus(amount)
    return f"{amount} MiB" if rule in ("mem", "disk") else str(amount)


def custom_text(amount: Resources) -> str:
    """Custom scalars and sets for people, without their names."""
    parts = [format_cpus(milli) for _, milli in amount.scalars]
    parts += ["{" + ",".join(items) + "}" for _, items in amount.sets]
    return " and ".join(parts) or "none"


def shown(texts: Iterable[str]) -> str:
    """The first few different texts, in order."""
    different = list(dict.fromkeys(texts))
    more = f" and {len(different) - _SHOWN_VALUES} more" if len(different) > _SHOWN_VALUES else ""
    return ", ".join(different[:_SHOWN_VALUES]) + more


def rule_name(rule: Constraint) -> str:
    """The name of a constraint in a sentence: its field."""
    return rule.operator.value if rule.declared.is_combining else rule.field


def rule_wanted(rule: Constraint) -> str:
    """The demand of a constraint on its field: `r1`, `LIKE us-.*`, `UNIQUE`."""
    if rule.declared.is_combining:
        joint = {Operator.ANY: " or ", Operator.ALL: " and ", Operator.NOT: ""}[rule.operator]
        words = joint.join(f"{rule_name(part)} {rule_wanted(part)}".strip() for part in rule.parts)
        return f"not ({words})" if rule.operator is Operator.NOT else words
    if rule.declared.is_implied and rule.values:
        return rule.values[0]
    return str(rule).removeprefix(rule.field).strip()
