"""framework replay"""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path
from typing import Any

import click

from framework.cli.faults import CommandFault, must_be_readable
from framework.cli.output import cell, moment, plural, print_json
from framework.exits import CliExit

_MOST_SHOWN = 400


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--upto", type=click.IntRange(min=1), metavar="N", help="Stop after the event with this number.")
@click.option("--show", is_flag=True, help="Show every event and what comes of it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def replay(context: click.Context, file: Path, upto: int | None, show: bool, as_json: bool) -> None:
    """Play a scheduler's journal again, and compare what it does.

    FILE is what `framework scheduler --journal FILE` wrote. Its events go to a fresh scheduler that is connected to
    nothing. Ends with 0 where the same came of each, and with 1 at the first of which something else came.
    """
    must_be_readable(file)
    # By name: what replays imports the core, which commands do not.
    recorder = importlib.import_module("framework.recorder")
    events, commands, last = Counter[str](), Counter[str](), None
    try:
        for step in recorder.replay(file):
            last = step
            events[type(step.event).__name__] += 1
            commands.update(type(command).__name__ for command in step.commands)
            if show and not as_json:
                _show(step)
            if not step.is_same or step.bug or step.number == upto:
                break
    except recorder.JournalFault as fault:
        raise CommandFault(f"{fault}.", CliExit.REFUSED) from None
    is_same = last is None or (last.is_same and not (last.bug and last.recorded is not None))
    if as_json:
        print_json({"same": is_same, "events": dict(events), "commands": dict(commands), "difference": _plain(last)})
    else:
        _tell(last, sum(events.values()), sum(commands.values()), is_same)
    if not is_same:
        context.exit(int(CliExit.REFUSED))


def _tell(last: Any, events: int, commands: int, is_same: bool) -> None:
    if is_same:
        click.echo(f"The same {plural(commands, 'command')} came of {plural(events, 'event')}.")
        if last is not None and last.bug:
            click.echo(f"The last event ended the scheduler, then as now: {cell(last.bug)}")
        return
    click.echo(f"Something else came of event {last.number}, the first of which that is so:")
    _show(last)
    click.echo(f"  recorded: {last.recorded or 'nothing'}")
    click.echo(f"  replayed: {last.bug or last.replayed or 'nothing'}")


def _show(step: Any) -> None:
    click.echo(f"{step.number} {moment(step.at)} {_short(step.event)}")
    for command in step.commands:
        click.echo(f"    {_short(command)}")


def _short(value: Any) -> str:
    text = cell(repr(value))
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _plain(step: Any) -> dict[str, Any] | None:
    if step is None or (step.is_same and not step.bug):
        return None
    return {
        "number": step.number,
        "at": step.at,
        "event": repr(step.event),
        "recorded": step.recorded,
        "replayed": step.replayed,
        "bug": step.bug,
    }
