"""framework submit"""

from __future__ import annotations

import click

from framework.cli.files import load, with_file
from framework.cli.following import wait_for_change
from framework.cli.options import who, with_message, with_retry, with_server, with_wait
from framework.cli.output import print_json
from framework.cli.server import Server, path_of
from framework.cli.waiting import echo_done
from specs.file.load import stack_to_json


@click.command()
@with_file
@with_message
@click.option(
    "--if-unchanged",
    type=click.IntRange(min=0),
    metavar="INDEX",
    help="Only if the stack's index is still this one, as `framework plan` told it; 0: if there is none yet.",
)
@click.option("--anyway", is_flag=True, help="Also when it wants more than any agent has now.")
@click.option("--all-at-once", is_flag=True, help="Replace at once all that is to be replaced.")
@with_wait
@with_retry
@with_server
def submit(
    file: str,
    name: str | None,
    overrides: tuple[str, ...],
    sets: tuple[str, ...],
    message: str,
    if_unchanged: int | None,
    anyway: bool,
    all_at_once: bool,
    wait: bool,
    timeout: float,
    server: Server,
    as_json: bool,
) -> None:
    """Submit a stack file: bring about what it says.

    The same file again changes nothing and restarts nothing. FILE may be - for standard input. With --wait it ends with
    1 where the change fails or is rolled back, and says why.
    """
    stack = load(file, name, overrides, sets)
    answer = server.put(
        path_of("stacks", stack.name),
        stack_to_json(stack),
        if_unchanged=if_unchanged,
        message=message,
        by=who(),
        anyway="true" if anyway else None,
        all_at_once="true" if all_at_once else None,
    )
    if as_json:
        print_json(answer)
    else:
        echo_done(answer, stack.name)
    if wait:
        wait_for_change(server, answer, stack.name, timeout)
