"""framework rollback"""

from __future__ import annotations

import sys

import click

from framework.cli.faults import CommandFault
from framework.cli.following import wait_for_change
from framework.cli.options import complete_stacks, who, with_message, with_retry, with_server, with_wait
from framework.cli.output import moment, print_json
from framework.cli.plan import show_plan
from framework.cli.server import Server, path_of
from framework.cli.waiting import echo_done
from framework.exits import CliExit


@click.command()
@click.argument("stack", shell_complete=complete_stacks)
@click.option(
    "--to", type=click.IntRange(min=1), metavar="N", help="The revision, as `framework history` numbers them."
)
@click.option("--with-instances", is_flag=True, help="Take the numbers of instances of that time too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_message
@with_wait
@with_retry
@with_server
def rollback(
    stack: str,
    to: int | None,
    with_instances: bool,
    yes: bool,
    message: str,
    wait: bool,
    timeout: float,
    server: Server,
    as_json: bool,
) -> None:
    """Go back to an earlier definition of a stack: the same as to submit that again.

    Without --to it is the newest earlier one that would change something; of a removed stack its last. Groups that
    there are keep their number of instances. On a terminal the plan is shown, and asked whether it shall be.
    """
    body = {"to": to, "with_instances": with_instances}
    plan = server.post(path_of("stacks", stack, "rollback", "plan"), body)
    given = plan["to"]
    if not as_json:
        why = f": {given['message']}" if given["message"] else ""
        click.echo(
            f"back to {given['number']} ({given['command']} by {given['by'] or '?'}, {moment(given['at'])}{why})"
        )
        show_plan(plan, "")
    asks = plan["changes"] and not yes and sys.stdin.isatty()
    if asks and not click.confirm("Go back?", default=False, err=True):
        raise CommandFault("Nothing was changed.", CliExit.REFUSED)
    wanted = {**body, "to": given["number"], "if_unchanged": plan["index"], "message": message, "by": who()}
    answer = server.post(path_of("stacks", stack, "rollback"), wanted)
    if as_json:
        print_json(answer)
    else:
        echo_done(answer, stack)
    if wait:
        wait_for_change(server, answer, stack, timeout)
