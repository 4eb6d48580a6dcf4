"""framework scale"""

from __future__ import annotations

import re

import click

from framework.cli.asking import change_groups
from framework.cli.options import (
    complete_groups,
    with_labels,
    with_labels_in,
    with_message,
    with_retry,
    with_server,
    with_wait,
)
from framework.cli.server import Server

_MOST = 100_000


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("pattern", metavar="GROUP", shell_complete=complete_groups)
@click.argument("count", metavar="N|+N|-N|xF")
@click.option(
    "--oldest-first/--youngest-first",
    "oldest_first",
    default=None,
    help="Which tasks go first, of those that are worth the same; else the group's kill_order says so.",
)
@with_labels
@with_message
@with_wait
@with_retry
@with_server
def scale(
    pattern: str,
    count: str,
    oldest_first: bool | None,
    labels: str,
    message: str,
    wait: bool,
    timeout: float,
    server: Server,
    as_json: bool,
) -> None:
    """Change how many tasks a group has: to N, by +N or -N, or times F (x2, x0.5).

    GROUP is stack/service or stack/service[label,…]; a pattern changes every group that matches. Fewer: unhealthy tasks
    go first, then unreachable ones, then those that are starting, then such that leave the group evenly spread.
    """
    pattern = with_labels_in(pattern, labels)
    more: dict[str, int | float | str] = {**_amount(count)}
    if oldest_first is not None:
        more["order"] = "oldest" if oldest_first else "youngest"
    change_groups(server, "scale", pattern, more, message=message, as_json=as_json, wait=wait, timeout_seconds=timeout)


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
