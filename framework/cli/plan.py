"""framework plan"""

from __future__ import annotations

import json
from typing import Any

import click

from framework.cli.explain import show_cures
from framework.cli.files import load, with_file
from framework.cli.options import with_server
from framework.cli.output import cell, note, plural, print_json
from framework.cli.server import Answer, Server, path_of
from specs.file.load import stack_to_json

_SHOWN = 12
_REASONS = 3
_WORDS = {
    "added": ("+", "new"),
    "removed": ("-", "removed"),
    "replaced": ("~", "new tasks take the old ones' places"),
    "applied": ("~", "applied in place; running tasks stay"),
    "scaled": ("~", "scaled; running tasks stay"),
    "metadata": ("~", "applied; running tasks stay"),
}
_IN_PLACE = ("applied", "scaled", "metadata")
_MOVES = "applied; tasks that break a rule move"


@click.command()
@with_file
@with_server
def plan(
    file: str, name: str | None, overrides: tuple[str, ...], sets: tuple[str, ...], server: Server, as_json: bool
) -> None:
    """Show what submitting a stack file would change, and where it would go. Nothing is changed.

    Groups whose tasks are replaced are placed as if the old tasks were gone already.
    """
    stack = load(file, name, overrides, sets)
    answer = server.post(path_of("stacks", stack.name) + "/plan", stack_to_json(stack))
    if as_json:
        print_json(answer)
        return
    show_plan(answer, f"Nothing was changed. To do just this: framework submit --if-unchanged {answer['index']}")


def show_plan(answer: Answer, end: str) -> None:
    """Prints the changes of a plan, and where new tasks would go; `end` is said last where something would change."""
    stack, count = answer["stack"], len(answer["changes"])
    where = "a new stack" if answer["is_new"] else f"index {answer['index']}"
    click.echo(f"{stack} ({where}): {plural(count, 'group')} would change" if count else f"{stack}: unchanged")
    groups = {group["group"]: group for group in answer["groups"]}
    for change in answer["changes"]:
        group = groups.pop(change["group"], None)
        moves = group is not None and bool(group["moves"])
        show_change(change, _MOVES if moves and change["change"] in _IN_PLACE else "")
        if group is not None:
            if group["follows"]:
                click.echo(f"    {group['follows']}")
            _show_places(group)
    for group in groups.values():
        if group["follows"]:
            click.echo(f"~ {group['group']}: unchanged itself; {group['follows']}")
            _show_places(group)
        elif group["placements"] or group["unplaced"]:
            click.echo(
                f"  {group['group']}: unchanged; {plural(group['wanted'] - group['kept'], 'slot')} without a task"
            )
            _show_places(group)
    for warning in answer["warnings"]:
        note(f"warning: {warning}")
    if answer["problem"]:
        note(f"Nothing can be placed now, or not well: {answer['problem']}")
    if count and end:
        click.echo(end)


def show_change(change: Answer, instead: str = "") -> None:
    """A group that differs, with its settings before and after; `instead` of the usual words for such a change."""
    sign, words = _WORDS[change["change"]]
    words = instead or words
    old, new = change["old_instances"], change["new_instances"]
    count = f"{old} -> {new}" if old != new and change["change"] != "added" else str(new)
    click.echo(f"{sign} {change['group']}: {words} ({count})")
    for field in change["fields"]:
        if field["path"] != "instances":
            click.echo(f"    {field['path']}: {_value(field['old'])} -> {_value(field['new'])}")


def _show_places(group: Answer) -> None:
    if group["note"]:
        click.echo(f"    {group['note']}")
    if group["kept"]:
        stay = "1 task stays where it is" if group["kept"] == 1 else f"{group['kept']} tasks stay where they are"
        click.echo(f"    {stay}")
    if group["moves"]:
        moved = plural(len(group["moves"]), "task")
        click.echo(f"    {moved} {'moves' if len(group['moves']) == 1 else 'move'}: {_reasons(group['moves'])}")
    if group["placements"]:
        click.echo(f"    would go now: {_places(group['placements'])}")
    unplaced = group["unplaced"]
    if unplaced:
        click.echo(f"    {plural(len(unplaced['slots']), 'slot')} would wait: {cell(unplaced['sentence'])}")
        show_cures(unplaced["cures"], "      ")


def _reasons(moves: list[str]) -> str:
    """Each reason once, and not every one of thousands."""
    reasons = list(dict.fromkeys(moves))
    more = len(reasons) - _REASONS
    return "; ".join(reasons[:_REASONS]) + (f"; and {plural(more, 'more reason')}" if more > 0 else "")


def _places(placements: list[Answer]) -> str:
    """`2 on agent1, 1 on agent2`, and not every one of thousands."""
    counts: dict[str, int] = {}
    for placement in placements:
        counts[placement["agent"]] = counts.get(placement["agent"], 0) + 1
    shown = [f"{count} on {agent}" for agent, count in list(counts.items())[:_SHOWN]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and on {plural(more, 'more agent')}" if more else "")


def _value(value: Any) -> str:
    return "default" if value is None else cell(json.dumps(value, ensure_ascii=False))
