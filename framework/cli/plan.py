"""framework plan"""

from __future__ import annotations

import json
from typing import Any

import click

from framework.cli.files import load, with_file
from framework.cli.options import with_server
from framework.cli.output import cell, plural, print_json
from framework.cli.server import Answer, Server, path_of
from specs.load import stack_to_json

_WORDS = {
    "added": ("+", "new"),
    "removed": ("-", "removed"),
    "replaced": ("~", "new tasks take the old ones' places"),
    "scaled": ("~", "scaled; running tasks stay"),
    "metadata": ("~", "applied; running tasks stay"),
}


@click.command()
@with_file
@with_server
def plan(
    file: str, name: str | None, overrides: tuple[str, ...], sets: tuple[str, ...], server: Server, as_json: bool
) -> None:
    """Show what submitting a stack file would change. Nothing is changed."""
    stack = load(file, name, overrides, sets)
    answer = server.post(path_of("stacks", stack.name) + "/plan", stack_to_json(stack))
    if as_json:
        print_json(answer)
        return
    if not answer["changes"]:
        click.echo(f"{stack.name}: unchanged")
        return
    where = "a new stack" if answer["is_new"] else f"index {answer['index']}"
    click.echo(f"{stack.name} ({where}): {plural(len(answer['changes']), 'group')} would change")
    for change in answer["changes"]:
        _show(change)
    if not answer["is_new"]:
        click.echo(f"Nothing was changed. To do just this, submit with --if-index {answer['index']}.")


def _show(change: Answer) -> None:
    sign, words = _WORDS[change["change"]]
    old, new = change["old_instances"], change["new_instances"]
    count = f"{old} -> {new}" if old != new and change["change"] != "added" else str(new)
    click.echo(f"{sign} {change['group']}: {words} ({count})")
    for field in change["fields"]:
        if field["path"] != "instances":
            click.echo(f"    {field['path']}: {_value(field['old'])} -> {_value(field['new'])}")


def _value(value: Any) -> str:
    return "default" if value is None else cell(json.dumps(value, ensure_ascii=False))
