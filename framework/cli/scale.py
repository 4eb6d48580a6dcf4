"""framework scale"""

from __future__ import annotations

import re

import click

from framework.cli.asking import change_groups
from framework.cli.options import complete_groups, with_labels, with_labels_in, with_server, with_wait
from framework.cli.server import Server

_MOST = 100_000


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("pattern", metavar="GROUP", shell_complete=complete_groups)
@click.argument("count", metavar="N|+N|-N|xF")
@with_labels
@with_wait
@with_server
def scale(pattern: str, count: str, labels: str, wait: bool, timeout: float, server: Server, as_json: bool) -> None:
    """Change how many tasks a group has: to N, by +N or -N, or times F (x2, x0.5).

    GROUP is stack/service or stack/service[label,…]; a pattern changes every group that matches.
    """
    pattern = with_labels_in(pattern, labels)
    change_groups(server, "scale", pattern, _amount(count), as_json=as_json, wait=wait, timeout_seconds=timeout)


def _amount(count: str) -> dict[str, int | float]:
    if re.fullmatch(r"[0-9]{1,9}", count) and int(count) <= _MOST:
        return {"instances": int(count)}
    if re.fullmatch(r"[+-][0-9]{1,9}", count) and abs(int(count)) <= _MOST:
        return {"delta": int(count)}
    if re.fullmatch(r"[x*][0-9]{1,4}(\.[0-9]{1,3})?", count) and float(count[1:]) <= 1000:
        return {"factor": float(count[1:])}
    raise click.UsageError(
        f"wanted how many: a number up to {_MOST:,} (4), more or fewer (+1, -1), or a factor up to 1000 (x2); "
        f"got {count!r}."
    )
