"""Results of benches: rows, as a table for the terminal and as a section of docs/benchmarks.md."""

from __future__ import annotations

import re
import statistics
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"
PAGE_WIDTH = 140
HEADERS = ("what", "figure", "unit", "ratio", "aim", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. `ratio` is to what `name` says it is compared with.

    The aim is `at_least` or `at_most`, of the ratio where there is one, else of the figure.
    """

    name: str
    figure: float
    unit: str
    ratio: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is reached; None without an aim."""
        value = self.figure if self.ratio is None else self.ratio
        if self.at_least is not None:
            return value >= self.at_least
        return None if self.at_most is None else value <= self.at_most

    @property
    def cells(self) -> tuple[str, ...]:
        """As text, in the order of HEADERS."""
        aim = "" if self.at_least is None else f"≥ {self.at_least:g}"
        aim = aim if self.at_most is None else f"≤ {self.at_most:g}"
        verdict = {True: "reached", False: "missed", None: ""}[self.is_met]
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return (self.name, number(self.figure), self.unit, ratio, aim, verdict)


Findings = Sequence[Row] | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A bench: `method` tells in two sentences what is measured and how.

    `run` takes whether it shall be quick (small numbers, to see that it works) and returns rows, or lines of text; it
    may take `limit_seconds` in all, and ends everything it has started, also when an exception goes through it.
    """

    name: str
    title: str
    method: str
    run: Callable[[bool], Findings]
    limit_seconds: int


def number(value: float) -> str:
    """Three digits that count, and no more decimals than that."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def middle(values: Iterable[float]) -> float:
    """The median."""
    return statistics.median(values)


def table(rows: Findings) -> str:
    """For a terminal."""
    if isinstance(rows, str):
        return rows
    lines = [HEADERS, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADERS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in (1, 3) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def section(bench: Bench, rows: Findings, circumstances: str) -> str:
    """For the page: `circumstances` say when, and what else the machine did."""
    lines = [f"## {bench.title}", "", *textwrap.wrap(bench.method, PAGE_WIDTH), "", f"*{circumstances}*", ""]
    if isinstance(rows, str):
        lines += [f"    {line}" for line in rows.splitlines()]
    else:
        lines += [_line(HEADERS), "|---|--:|---|--:|---|---|", *(_line(row.cells) for row in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def write(machine: str, sections: dict[str, str], titles: Sequence[str], page: Path = PAGE) -> None:
    """Puts the machine and the sections, by title, between the page's markers.

    Sections of `titles` that were not measured now stay as they are there. Raises ValueError for a page without
    markers.
    """
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f'{page}: wanted the markers "{BEGIN}" and "{END}" with the figures between, got none')
    head, _, rest = text.partition(BEGIN)
    body, _, tail = rest.partition(END)
    parts = re.split(r"(?m)^(?=## )", body)
    kept = {
        part.partition("\n")[0].removeprefix("## ").strip(): part.strip() for part in parts if part.startswith("## ")
    }
    everything = {**kept, **sections}
    shown = [everything[title] for title in titles if title in everything]
    page.write_text("\n\n".join([head + BEGIN, machine, *shown, END]) + tail, encoding="utf-8")
