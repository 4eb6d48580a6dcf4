"""The common part of scale, restart, stop, start and reset-backoff: request a change, report its outcome, wait."""

from __future__ import annotations

from collections.abc import Mapping

from framework.cli.options import who
from framework.cli.output import print_json
from framework.cli.server import Server
from framework.cli.waiting import Wait, echo_done


def change_groups(
    server: Server,
    verb: str,
    pattern: str,
    more: Mapping[str, int | float | str],
    *,
    message: str,
    as_json: bool,
    wait: bool,
    timeout_seconds: float,
) -> None:
    """Asks the scheduler for `verb` on the groups of the pattern."""
    answer = server.post(f"/v1/{verb}", {"pattern": pattern, "message": message, "by": who(), **more})
    if as_json:
        print_json(answer)
    else:
        echo_done(answer, f"{verb} {pattern}")
    if wait:
        # An index is of one stack: with several, what changed is in the scheduler's picture when it answers.
        stacks = {group.partition("/")[0] for group in answer["changed"]}
        index = answer["index"] if len(stacks) == 1 else 0
        Wait(server=server, pattern=pattern, index=index, timeout_seconds=timeout_seconds).run()
