"""framework executor ls, framework executor roll"""

from __future__ import annotations

import time

import click

from framework.cli.faults import CommandFault
from framework.cli.options import with_retry, with_server, with_wait
from framework.cli.output import cell, note, print_json, print_table
from framework.cli.retrying import NoScheduler
from framework.cli.server import Answer, Server
from framework.exits import CliExit

_LOOK_SECONDS = 0.5


@click.group()
def executor() -> None:
    """Show our executors on the agents; move tasks from older ones to the current one."""


@executor.command()
@with_server
def ls(server: Server, as_json: bool) -> None:
    """List the executors that have tasks, and which are not of the current version."""
    answer = server.get("/v1/executors")
    if as_json:
        print_json(answer)
        return
    if answer["problem"]:
        note(answer["problem"])
    if not answer["executors"]:
        note("No executor has a task.")
        return
    rows = [
        [one["agent"], one["executor_id"], "current" if one["is_current"] else "older", str(one["tasks"])]
        for one in answer["executors"]
    ]
    print_table(["AGENT", "EXECUTOR", "VERSION", "TASKS"], rows)
    for line in _standing(answer):
        click.echo(f"\n{line}")


@executor.command()
@click.option("--agent", metavar="GLOB", default="*", help="Only agents with such a host name or id.  [default: all]")
@click.option("--processes", is_flag=True, help="Also where there are plain processes, which are restarted.")
@with_wait
@with_retry
@with_server
def roll(agent: str, processes: bool, wait: bool, timeout: float, server: Server, as_json: bool) -> None:
    """Move tasks from older executors to the current one, agent by agent.

    The older executor ends, its containers run on, and the current one takes them over. The next agent follows when
    all tasks of one run again; where that takes longer than two minutes nothing more is rolled. Plain processes end
    with their executor: agents that have some are left out, unless --processes is given.
    """
    answer = server.post("/v1/executors/roll", {"agent": agent, "processes": processes})
    if not as_json:
        click.echo(cell(answer["message"]))
    if wait and answer["changed"]:
        answer = _wait(server, timeout, is_silent=as_json)
    if as_json:
        print_json(answer)


def _wait(server: Server, seconds: float, *, is_silent: bool) -> Answer:
    """Waits for the end of the roll; raises CommandFault where it stopped early, or is not over in time."""
    end, said = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            answer = server.get("/v1/executors")
        except NoScheduler:
            time.sleep(_LOOK_SECONDS)  # the leader may change: the next one knows of no roll
            continue
        if answer["roll_problem"]:
            raise CommandFault(answer["roll_problem"], CliExit.REFUSED)
        if not answer["is_rolling"]:
            return answer
        standing = " ".join(_standing(answer))
        if standing != said and not is_silent:
            click.echo(standing)
        said = standing
        time.sleep(_LOOK_SECONDS)
    raise CommandFault(f"The roll is not over after {seconds:g} s; it goes on.", CliExit.GAVE_UP)


def _standing(answer: Answer) -> list[str]:
    if answer["roll_problem"]:
        return [cell(answer["roll_problem"])]
    return [f"rolling {cell(answer['rolling'])}, {answer['to_roll']} to come"] if answer["is_rolling"] else []
