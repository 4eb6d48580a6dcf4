"""Prometheus's text format, version 0.0.4: pages are written, and those of tasks read. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_LABELS = 64
"""Limit on the labels of one sample."""

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_STARTS = re.compile(_NAME)
_TIME = re.compile(r"-?[0-9]+")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(,|$)')
_KINDS = ("counter", "gauge", "histogram", "summary", "untyped")
_PLAIN = ("counter", "gauge", "untyped")
_PARTS = ("_bucket", "_sum", "_count")


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: `labels` as they are written between braces, "" for none."""

    name: str
    labels: str
    value: float


@dataclass(slots=True)
class Family:
    """The samples of one metric; `help` as it is written, escapes included."""

    name: str
    kind: str = "untyped"
    help: str = ""
    samples: list[Sample] = field(default_factory=list)


class Page:
    """Families by name, in the order in which they came: each is written once, whoever contributes to it."""

    def __init__(self) -> None:
        self.families: dict[str, Family] = {}

    def add(self, name: str, kind: str, what: str, labels: str, value: float | None, suffix: str = "") -> None:
        """One more sample, of `name` and `suffix`; none where the value is None. What was said first of a family
        stays."""
        if value is not None:
            family = self.families.setdefault(name, Family(name, kind, what))
            family.samples.append(Sample(name + suffix, labels, value))

    def text(self) -> bytes:
        """The page."""
        lines: list[str] = []
        for family in self.families.values():
            if family.help:
                lines.append(f"# HELP {family.name} {family.help}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            for sample in family.samples:
                labels = f"{{{sample.labels}}}" if sample.labels else ""
                lines.append(f"{sample.name}{labels} {number(sample.value)}")
        lines.append("")
        return "\n".join(lines).encode()


def labels_text(labels: Iterable[tuple[str, str]]) -> str:
    """Labels as they are written between braces."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def number(value: float) -> str:
    """A value as it is written: whole numbers without a point."""
    if isinstance(value, int):
        return str(value)
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def parse(text: str, own: Mapping[str, str], most_samples: int) -> tuple[Family, ...]:
    """The families of a page, each sample with the labels `own`; a label that is called the same gets `exported_`
    before its name. Times of samples are left out.

    Raises ValueError, naming the line, where this is no such page, or one with more samples than that.
    """
    families: dict[str, Family] = {}
    mine, count = labels_text(own.items()), 0
    for place, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if stripped.startswith("#"):
            _describe(families, stripped, place)
        elif stripped:
            count += 1
            if count > most_samples:
                raise ValueError(f"more than {most_samples} samples")
            sample = _sample(stripped, place, own, mine)
            _family_of(families, sample.name).samples.append(sample)
    return tuple(family for family in families.values() if family.samples)


def plain_values(families: Iterable[Family]) -> dict[str, float]:
    """For each plain gauge and counter the sum over all its labels; values that are no numbers are left out."""
    values: dict[str, float] = {}
    for family in families:
        numbers = [sample.value for sample in family.samples if math.isfinite(sample.value)]
        if family.kind in _PLAIN and numbers:
            values[family.name] = sum(numbers)
    return values


def _describe(families: dict[str, Family], line: str, place: int) -> None:
    word, _, rest = line[1:].strip().partition(" ")
    name, _, said = rest.strip().partition(" ")
    if word not in ("HELP", "TYPE"):
        return
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"line {place}: wanted # {word} and a metric's name, got {line[:60]!r}")
    family = families.setdefault(name, Family(name))
    if word == "HELP":
        family.help = said.strip()
    elif said.strip() in _KINDS:
        family.kind = said.strip()


def _sample(line: str, place: int, own: Mapping[str, str], mine: str) -> Sample:
    # Taken apart without a regular expression: one for all of it takes hours for a long line of braces, and meanwhile
    # no other thread runs.
    found = _STARTS.match(line)
    rest = line[found.end() :].lstrip() if found else ""
    text = brace = ""
    if rest.startswith("{"):
        text, brace, rest = rest[1:].rpartition("}")
    words = rest.split(maxsplit=2)
    is_open = not brace and "{" in line
    if found is None or is_open or len(words) not in (1, 2) or not (len(words) == 1 or _TIME.fullmatch(words[1])):
        raise ValueError(f"line {place}: wanted a metric's name, labels in braces and a number, got {line[:60]!r}")
    try:
        value = float(words[0])
    except ValueError:
        raise ValueError(f"line {place}: wanted a number, got {words[0][:60]!r}") from None
    labels = _renamed(text, place, own) if text else ""
    return Sample(found[0], f"{mine},{labels}" if mine and labels else mine or labels, value)


def _renamed(text: str, place: int, own: Mapping[str, str]) -> str:
    """The labels between braces, none of which is called as one of `own`."""
    labels, at = list[str](), 0
    text = text.strip()
    while at < len(text):
        found = _LABEL.match(text, at)
        if found is None or len(labels) == MOST_LABELS:
            raise ValueError(f'line {place}: wanted labels as a="b", {MOST_LABELS} at most, got {text[:60]!r}')
        name = f"exported_{found[1]}" if found[1] in own else found[1]
        labels.append(f'{name}="{found[2]}"')
        at = found.end()
    return ",".join(labels)


def _family_of(families: dict[str, Family], name: str) -> Family:
    """The family of a sample: histograms and summaries have several names."""
    for part in _PARTS:
        whole = families.get(name.removesuffix(part)) if name.endswith(part) else None
        if whole is not None and whole.kind in ("histogram", "summary"):
            return whole
    return families.setdefault(name, Family(name))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
