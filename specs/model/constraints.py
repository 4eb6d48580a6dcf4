"""The model of what a group asks of the agents it runs on: hard rules, spreads, neighbours, preferences.

A field is `hostname`, `@region`, `@zone`, `@id`, `@gpus` (how many an agent has), or else the name of an agent's
attribute. Values are compared as text in the form in which Marathon compares them ("0.5", "[1-2,5-6]", "{a,b}"),
where an operator does not say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from specs.model.operators import DECLARED, CountingKind, Operator, OperatorDeclaration

HOSTNAME = "hostname"
REGION = "@region"
ZONE = "@zone"
ID = "@id"
GPUS = "@gpus"
DEDICATED = "dedicated"
"""An agent that has this attribute takes only tasks whose constraints speak of it."""
REST = "*"
"""In the targets of a spread: every domain that is not named."""


class GroupByMode(StrEnum):
    """The two meanings that GROUP_BY has had in Marathon.

    MINIMUM (until 1.10): a value that no task has yet, or, once n values have tasks, one that has the fewest.
    QUOTA (since): at most n values, each with instances div n tasks, and instances mod n of them with one more.
    """

    MINIMUM = "minimum"
    QUOTA = "quota"


class Counted(StrEnum):
    """The tasks of the group that a counting rule counts: all that live, or those of the version that is placed.

    The second is Marathon's way: during a change old and new tasks may share what they may not share among themselves.
    """

    ALL = "all"
    VERSION = "version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A hard rule. `parts` are those of ANY and ALL (one or more) and of NOT (exactly one); else there is a field.

    How many `values` there are is declared by the operator (`Takes`).
    """

    operator: Operator
    field: str = ""
    values: tuple[str, ...] = ()
    mode: GroupByMode = GroupByMode.MINIMUM
    counts: Counted = Counted.ALL
    parts: tuple[Constraint, ...] = ()

    @property
    def declared(self) -> OperatorDeclaration:
        """The declaration of its operator."""
        return DECLARED[self.operator]

    @property
    def counting(self) -> CountingKind | None:
        """Its own way to count tasks, None where it does not count. Its parts do not matter here."""
        declared = DECLARED[self.operator]
        return None if declared.counts_without_value and self.values else declared.counting

    @property
    def most(self) -> int:
        """The limit on tasks of one domain, of a rule that counts AT_MOST."""
        return int(self.values[0]) if self.values else 1

    @property
    def is_counting(self) -> bool:
        """Whether it depends on where tasks of the group are, itself or by a part."""
        if self.declared.is_combining:
            return any(part.is_counting for part in self.parts)
        return self.counting is not None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields it speaks of, itself or by its parts; sorted."""
        own = [self.field] if self.field else []
        return tuple(sorted({*own, *(name for part in self.parts for name in part.fields)}))

    def __str__(self) -> str:
        """As it is written in a stack file: `rack GROUP_BY 3`, `not (zone == a)`, `any (a == 1; b == 2)`."""
        if self.declared.is_combining:
            return f"{self.operator.value} ({'; '.join(str(part) for part in self.parts)})"
        joint = ", " if self.declared.takes.is_several else " "
        words = [self.field, self.operator.value, joint.join(self.values)]
        words += [self.mode.value] if self.counting is CountingKind.EVENLY and self.mode is GroupByMode.QUOTA else []
        words += ["of its version"] if self.counts is Counted.VERSION else []
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Tasks of the group are to be spread over the values of `over`, the domains.

    Compared are domains that agree in the fields `within` (the outer levels of a nested spread), and only those in
    which the group could run at all. `weight` 0 is a hard rule: no domain gets more than `max_skew` tasks more than the
    one with the fewest, which counts as 0 while there are fewer than `min_domains`. Another weight is a preference:
    each task more than in the domain with the fewest costs so many points. With `targets`, (value, per cent) pairs of
    the wanted instances, a domain is to have that share instead; REST stands for each value that is not named.
    """

    over: str
    within: tuple[str, ...] = ()
    max_skew: int = 1
    min_domains: int = 0
    targets: tuple[tuple[str, int], ...] = ()
    weight: int = 0

    def __str__(self) -> str:
        words = [f"{self.over} SPREAD"]
        words += [f"within {', '.join(self.within)}"] if self.within else []
        if self.targets:
            words.append(", ".join(f"{value} {percent}%" for value, percent in self.targets))
        elif not self.weight:
            words.append(str(self.max_skew))
        words += [f"min {self.min_domains} domains"] if self.min_domains else []
        return " ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Groups: `stack` "" is the own one, "*" every one; `service` may have * and ?; `labels` must all be there."""

    stack: str = ""
    service: str = "*"
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        labels = f"[{','.join(self.labels)}]" if self.labels else ""
        return f"{self.stack}/{self.service}{labels}" if self.stack else f"{self.service}{labels}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Near, or apart from, the tasks of other groups: where `field` has the value that it has on one of their agents.

    `weight` 0 is a hard rule; another one is a preference worth that many points. A hard "apart" holds both ways: the
    others keep away too.
    """

    to: Selector
    field: str = HOSTNAME
    weight: int = 0

    def __str__(self) -> str:
        return f"{self.to} on {self.field}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """An agent for which `rule` (not a counting one) holds is worth `weight` points more; -100 to 100, not 0."""

    rule: Constraint
    weight: int = 50


class Strategy(StrEnum):
    """Among agents that are worth the same: the one with the fewest tasks of the group and then the most room; or
    rather one of as few agents as will do, the fullest ones first."""

    SPREAD = "spread"
    PACK = "pack"


class Mode(StrEnum):
    """A number of instances, or one on every agent on which the group can run."""

    REPLICATED = "replicated"
    GLOBAL = "global"


STICKY_ALWAYS = -1.0
STICKY_POINTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All that a group asks of the agents it runs on, beside resources.

    `sticky`: a slot's next task is worth STICKY_POINTS more on the agent of its last one, and `sticky_wait_seconds` is
    how long after that one's end no other agent is asked; STICKY_ALWAYS: none ever is.
    """

    constraints: tuple[Constraint, ...] = ()
    spread: tuple[Spread, ...] = ()
    near: tuple[Neighbour, ...] = ()
    apart: tuple[Neighbour, ...] = ()
    prefer: tuple[Preference, ...] = ()
    strategy: Strategy = Strategy.SPREAD
    sticky: bool = False
    sticky_wait_seconds: float = 0.0

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that its hard rules speak of, sorted."""
        return tuple(sorted({name for rule in self.constraints for name in rule.fields}))
