"""framework restart"""

from __future__ import annotations

from typing import Any

import click

from framework.cli.following import wait_for_change
from framework.cli.options import (
    Duration,
    complete_groups,
    who,
    with_labels,
    with_labels_in,
    with_message,
    with_retry,
    with_server,
)
from framework.cli.output import print_json
from framework.cli.server import Server
from framework.cli.waiting import echo_done

_NO_SECONDS = "-"


class _Wait(click.ParamType[float]):
    """The value of --wait: a duration in seconds, -1 where there is none."""

    name = "seconds"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        if value == _NO_SECONDS:
            return -1.0
        text = str(value)
        try:
            return Duration().convert(f"{text}s" if text.isdecimal() else text, parameter, context)
        except click.BadParameter as fault:
            self.fail(f"{fault.message}; where nothing is to stand after --wait, put it last", parameter, context)


@click.command()
@click.argument("pattern", metavar="PATTERN", shell_complete=complete_groups)
@with_labels
@with_message
@click.option(
    "--wait",
    type=_Wait(),
    is_flag=False,
    flag_value=_NO_SECONDS,
    metavar="[SECONDS]",
    help="Wait until it is done, and show how it goes. With SECONDS a new task has to be ready for so long before the"
    " next one is replaced.",
)
@click.option("--all-at-once", is_flag=True, help="All tasks at once, whatever serves meanwhile.")
@click.option("--timeout", type=Duration(), default="10m", show_default=True, help="How long --wait waits.")
@with_retry
@with_server
def restart(
    pattern: str,
    labels: str,
    message: str,
    wait: float | None,
    all_at_once: bool,
    timeout: float,
    server: Server,
    as_json: bool,
) -> None:
    """Replace the tasks of groups by new ones: a rollout of the same version, at the pace of each group.

    PATTERN is a stack, stack/service or stack/service[label,…], where * and ? stand for anything.
    """
    pattern = with_labels_in(pattern, labels)
    body: dict[str, Any] = {"pattern": pattern, "message": message, "by": who()}
    if wait is not None and wait >= 0:
        body["wait_seconds"] = wait
    if all_at_once:
        body["all_at_once"] = True
    answer = server.post("/v1/restart", body)
    if as_json:
        print_json(answer)
    else:
        echo_done(answer, f"restart {pattern}")
    if wait is not None:
        wait_for_change(server, answer, pattern, timeout)
