"""framework leader, framework leader step-down"""

from __future__ import annotations

import time

import click

from framework.cli.faults import CommandFault
from framework.cli.options import Duration, with_retry, with_server
from framework.cli.output import moment, note, print_json, print_table, since
from framework.cli.retrying import NoScheduler
from framework.cli.server import Answer, RequestRefused, Server
from framework.exits import CliExit

_LOOK_SECONDS = 0.1


@click.command()
@click.argument("action", metavar="[step-down]", type=click.Choice(["step-down"]), required=False)
@click.option("--to", metavar="HOST:PORT", default="", help="step-down: which standby shall lead.  [default: any]")
@click.option("--anyway", is_flag=True, help="step-down: also where no other stands by.")
@click.option(
    "--timeout",
    type=Duration(),
    default="30s",
    show_default=True,
    metavar="DURATION",
    help="step-down: how long to wait until somebody leads.",
)
@with_retry
@with_server
def leader(action: str | None, to: str, anyway: bool, timeout: float, server: Server, as_json: bool) -> None:
    """Show which scheduler leads and which stand by.

    With step-down the leader hands over to one of those that stand by, and stands by itself from then on: tasks do
    not notice, commands wait for less than a second.
    """
    if action is None:
        if to or anyway:
            raise click.UsageError("--to and --anyway are of `framework leader step-down`.")
        _show(server.get("/v1/leader"), as_json)
        return
    before = server.get("/v1/leader", retries=True)
    begin = time.monotonic()
    message = _step_down(server, {"to": to, "anyway": anyway, "epoch": before["epoch"]})
    if not as_json:
        note(message)
    after = _next_leader(server, before["epoch"], begin + timeout)
    if after is None:
        raise CommandFault(f"Nobody has begun to lead within {timeout:g} s.", CliExit.GAVE_UP)
    if as_json:
        print_json(after)
    else:
        click.echo(f"{after['leader']} leads, epoch {after['epoch']}, after {time.monotonic() - begin:.1f} s")


def _step_down(server: Server, body: Answer) -> str:
    """The leader's answer. The epoch makes another try safe: the next leader does not step down in its turn."""
    try:
        return str(server.post("/v1/leader/step-down", body)["message"])
    except RequestRefused as fault:
        if server.get("/v1/leader")["epoch"] == body["epoch"]:
            raise
        return fault.message


def _next_leader(server: Server, epoch: int, deadline: float) -> Answer | None:
    """The leader of a later epoch; None at the deadline. The scheduler that is asked may be starting again."""
    while time.monotonic() < deadline:
        try:
            answer = server.get("/v1/leader", seconds=3.0)
        except NoScheduler:
            answer = {"leader": None, "epoch": epoch}
        if answer["leader"] and answer["epoch"] > epoch:
            return answer
        time.sleep(_LOOK_SECONDS)
    return None


def _show(answer: Answer, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    now = time.time()
    rows = [(each["address"], "stands by", each["since"]) for each in answer["standbys"]]
    if answer["leader"]:
        rows.insert(0, (answer["leader"], "leads", answer["since"]))
    else:
        note("No scheduler leads at the moment.")
    table = [(address, role, since(now - at), moment(at)) for address, role, at in rows]
    print_table(["SCHEDULER", "ROLE", "FOR", "SINCE"], table)
    click.echo(f"\nepoch {answer['epoch']}, session time-out {answer['session_timeout_seconds']:g} s")
