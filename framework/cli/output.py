"""How commands print: JSON, tables, durations."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from specs.plain_text import plain_line
from specs.states import TaskState

_NO_LETTERS = re.compile(r"[\x7f-\x9f\ud800-\udfff]")
_COLOURS = {
    "RUNNING": "green",
    "HEALTHY": "green",
    "running": "green",
    "finished": "green",
    "FINISHED": "green",
    "waiting": "yellow",
    "changing": "yellow",
    "WAITING": "yellow",
    "LAUNCHING": "yellow",
    "STAGING": "yellow",
    "STARTING": "yellow",
    "KILLING": "yellow",
    "removing": "yellow",
    "failed": "red",
    "UNREACHABLE": "red",
    "UNHEALTHY": "red",
    "FAILED": "red",
    "ERROR": "red",
    "LOST": "red",
    "DROPPED": "red",
    "GONE": "red",
}


def print_json(value: Any) -> None:
    """One JSON document, indented."""
    click.echo(json_text(value, indent=2))


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON with everybody's letters as they are. Control characters and halves of characters are escaped: JSON wants
    that of some alone, and a terminal obeys others (U+009B begins a sequence as ESC [ does)."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _NO_LETTERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def state_text(state: str) -> str:
    """The state of a task as people read it. A newer scheduler can send a state that we do not know."""
    return TaskState.INTENT.shown if state == TaskState.INTENT else state


def note(text: str) -> None:
    """Something for people, on standard error, so that standard output stays what was asked for."""
    click.echo(text, err=True)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns with two spaces between; on a terminal the last one is cut to its width, elsewhere nothing is."""
    rows = [[cell(content) for content in row] for row in rows]
    widths = [max(len(row[column]) for row in [headers, *rows]) for column in range(len(headers))]
    is_terminal = sys.stdout.isatty()
    room = max(10, shutil.get_terminal_size().columns - sum(width + 2 for width in widths[:-1])) if is_terminal else 0
    for row in [headers, *rows]:
        cells = [_coloured(content, width) for content, width in zip(row, widths, strict=True)]
        last = row[-1]
        cells[-1] = last[: room - 1] + "…" if is_terminal and len(last) > room else last
        click.echo("  ".join(cells).rstrip())


def cell(text: str) -> str:
    """The text in one line, harmless for a terminal; "-" where it is empty."""
    return plain_line(" ".join(text.split())) or "-"


def since(seconds: float) -> str:
    """A duration in one unit, as people want it in a table: 45s, 12m, 30h, 9d."""
    seconds = max(0.0, seconds)
    for limit, unit, size in ((120, "s", 1), (7200, "m", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds // 86400)}d"


def size(count: int) -> str:
    """Bytes as people write them: 12.5 MiB."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def moment(seconds: float | None) -> str:
    """An instant in the local time zone, "-" where there is none."""
    if not seconds:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def plural(count: int, word: str) -> str:
    """1 group, 2 groups."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _coloured(text: str, width: int) -> str:
    colour = "red" if text.endswith("\N{BALLOT X}") else _COLOURS.get(text)
    padded = text.ljust(width)
    return click.style(padded, fg=colour) if colour and sys.stdout.isatty() else padded
