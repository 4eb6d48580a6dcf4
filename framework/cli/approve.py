"""framework approve"""

from __future__ import annotations

import sys

import click

from framework.cli.faults import CommandFault
from framework.cli.options import with_retry, with_server
from framework.cli.output import cell, note, plural, print_json
from framework.cli.server import Answer, Server
from framework.exits import CliExit

_KINDS = ("strangers", "missing")


@click.command()
@click.option(
    "--yes",
    "given",
    multiple=True,
    metavar="QUESTION=NUMBER",
    help="Do not ask: approve this question, for so many tasks at most. May be repeated.",
)
@click.option("--tasks", is_flag=True, help="Name every task that it is about.")
@with_retry
@with_server
def approve(given: tuple[str, ...], tasks: bool, server: Server, as_json: bool) -> None:
    """Approve what the scheduler does not do unasked.

    It stops no more than a few tasks that it does not know, and gives no more than a few up of which the master knows
    nothing: many of either mean that the store or the master is the wrong one. Shows what waits, and asks for each.
    """
    answers = {kind: _approve(server, kind, number) for kind, number in map(_parsed, given)}
    if given:
        _tell(answers, as_json)
        return
    found = server.get("/v1/approve", retries=True)
    if as_json:
        print_json(found)
        return
    if not found["questions"]:
        click.echo("Nothing waits for approval.")
    for question in found["questions"]:
        _ask(server, question, tasks)


def _ask(server: Server, question: Answer, names_tasks: bool) -> None:
    kind, number = question["question"], question["number"]
    click.echo(f"{kind}: {cell(question['sentence'])}")
    for task in question["tasks"] if names_tasks else ():
        click.echo(f"  {cell(task)}")
    if not sys.stdin.isatty():
        note(f"`framework approve --yes {kind}={number}` approves it: {question['effect']}.")
        return
    said = click.prompt(f"The number of tasks, to approve that {question['effect']}", default="", show_default=False)
    if said.strip() != str(number):
        raise CommandFault(f"Got {said.strip()!r}, wanted {str(number)!r}. Nothing was changed.", CliExit.REFUSED)
    _tell({kind: _approve(server, kind, number)}, as_json=False)


def _tell(answers: dict[str, Answer], as_json: bool) -> None:
    if as_json:
        print_json(answers)
        return
    for kind, answer in answers.items():
        click.echo(f"{kind}: {cell(answer['message'])} ({plural(len(answer['changed']), 'task')})")


def _approve(server: Server, kind: str, number: int) -> Answer:
    return server.post("/v1/approve", {"question": kind, "number": number})


def _parsed(text: str) -> tuple[str, int]:
    kind, _, number = text.partition("=")
    if kind not in _KINDS or not number.isdecimal() or not 1 <= int(number) <= 1_000_000:
        raise click.UsageError(
            f"--yes wants QUESTION=NUMBER, where QUESTION is {' or '.join(_KINDS)}, as strangers=37; got {text!r}."
        )
    return kind, int(number)
