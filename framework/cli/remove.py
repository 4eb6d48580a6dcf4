"""framework remove"""

from __future__ import annotations

import sys

import click

from framework.cli.faults import CommandFault
from framework.cli.options import complete_stacks, who, with_message, with_retry, with_server, with_wait
from framework.cli.output import note, print_json
from framework.cli.server import Server, path_of
from framework.cli.waiting import Wait
from framework.exits import CliExit


@click.command()
@click.argument("stack", shell_complete=complete_stacks)
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_message
@with_wait
@with_retry
@with_server
def remove(stack: str, yes: bool, message: str, wait: bool, timeout: float, server: Server, as_json: bool) -> None:
    """Stop all tasks of a stack and forget it. Its history is kept for a while: `framework rollback` brings it back."""
    if not yes:
        _ask(server, stack)
    answer = server.delete(path_of("stacks", stack), message=message, by=who())
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{stack}: {answer['message'] or 'is being removed'}")
    if wait:
        Wait(server=server, pattern=stack, index=0, timeout_seconds=timeout, is_removal=True).run()
        if not as_json:
            click.echo(f"{stack}: removed")


def _ask(server: Server, stack: str) -> None:
    found = server.get(path_of("stacks", stack), retries=True)
    if not sys.stdin.isatty():
        raise CommandFault(
            f"remove stops {found['wanted']} tasks and forgets the stack: say --yes where nobody can be asked.",
            CliExit.USAGE,
        )
    note(f"This stops {found['wanted']} tasks in {found['groups']} groups and forgets the stack {stack}.")
    given = click.prompt("The stack's name, to go on", default="", show_default=False, err=True)
    if given.strip() != stack:
        raise CommandFault(f"Got {given.strip()!r}, wanted {stack!r}. Nothing was changed.", CliExit.REFUSED)
