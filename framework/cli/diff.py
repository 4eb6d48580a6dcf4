"""framework diff"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from framework.cli.faults import CommandFault
from framework.cli.files import load
from framework.cli.options import with_server
from framework.cli.output import plural, print_json
from framework.cli.plan import show_change
from framework.cli.server import Answer, Server, path_of
from framework.exits import CliExit
from specs.file.load import stack_from_json
from specs.ids import name_fault
from specs.model.difference import GroupDifference, difference, renames
from specs.model.errors import StackError
from specs.model.stack import Stack

_STACK = re.compile(r"(?P<name>[a-z0-9-]+)(@(?P<number>[0-9]{1,15}))?")


@click.command()
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@click.option("--name", metavar="NAME", help="The name of stacks whose file has none.")
@with_server
def diff(old: str, new: str, name: str | None, server: Server, as_json: bool) -> None:
    """Show what differs between two definitions of a stack, and what going from A to B would disturb.

    A and B are each a stack file, a stack (shop), or a revision of one (shop@7, as `framework history` numbers them).
    """
    before = _named(server, old, name, None)
    after = _named(server, new, name, before.name)
    changes = difference(before, after)
    if as_json:
        print_json(
            {"changes": [_plain(change) for change in changes], "renames": [str(r) for r in renames(before, after)]}
        )
        return
    click.echo(f"{old} -> {new}: {plural(len(changes), 'group')} differ{'s' if len(changes) == 1 else ''}")
    for change in changes:
        show_change(_plain(change))
    for rename in renames(before, after):
        click.echo(f"! {rename}")


def _named(server: Server, what: str, name: str | None, like: str | None) -> Stack:
    """The stack that is meant; its groups are of the stack `like` where that is given, so that the two compare."""
    found = _STACK.fullmatch(what)
    if found is None or Path(what).is_file():
        return load(what, like or name, (), ())
    stack_name, number = found["name"], found["number"]
    if name_fault(stack_name):
        raise CommandFault(
            f"{what} is neither a file nor the name of a stack: it {name_fault(stack_name)}.", CliExit.USAGE
        )
    if number:
        answer = server.get(path_of("stacks", stack_name, "history", number))
    else:
        answer = server.get(path_of("stacks", stack_name))
    return _stack(answer["definition"], stack_name, like or stack_name)


def _stack(definition: Any, name: str, like: str) -> Stack:
    try:
        return stack_from_json(_as_of(definition, name, like), name=like)
    except StackError as error:
        lines = "\n".join(f"  {fault}" for fault in error.faults)
        raise CommandFault(
            f"The scheduler's definition of {name} is none for this command:\n{lines}", CliExit.REFUSED
        ) from None


def _as_of(definition: Any, name: str, like: str) -> Any:
    """The definition with the groups of another stack's name."""
    if name == like:
        return definition
    groups = [{**group, "id": {**group["id"], "stack": like}} for group in definition["groups"]]
    return {**definition, "name": like, "groups": groups}


def _plain(change: GroupDifference) -> Answer:
    return {
        "group": str(change.group),
        "change": change.change.value,
        "old_instances": change.old_instances,
        "new_instances": change.new_instances,
        "fields": [{"path": field.path, "old": field.old, "new": field.new} for field in change.fields],
    }
