"""framework kill"""

from __future__ import annotations

import click

from framework.cli.options import complete_tasks, who, with_message, with_retry, with_server
from framework.cli.output import print_json
from framework.cli.server import Server
from framework.cli.waiting import echo_done


@click.command()
@click.argument("tasks", metavar="TASK…", nargs=-1, required=True, shell_complete=complete_tasks)
@click.option("--scale", is_flag=True, help="Give their slots up: their groups have so many fewer instances.")
@with_message
@with_retry
@with_server
def kill(tasks: tuple[str, ...], scale: bool, message: str, server: Server, as_json: bool) -> None:
    """Stop tasks; others take their places, unless --scale.

    TASK is a task's id, or the number at its end. They are told to stop, and have their group's grace for it.
    """
    answer = server.post("/v1/kill", {"tasks": list(tasks), "scale": scale, "message": message, "by": who()})
    if as_json:
        print_json(answer)
    else:
        echo_done(answer, f"kill {', '.join(tasks)}")
