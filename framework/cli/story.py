"""How a task's story is printed."""

from __future__ import annotations

import click

from framework.cli.output import cell, moment
from framework.cli.server import Answer


def is_task(what: str) -> bool:
    """Whether somebody means a task: its id has dots, which no name of a stack or group has."""
    return what.isdecimal() or ("." in what and "/" not in what)


def show_story(story: Answer) -> None:
    """Prints the story of a task, a line an entry, oldest first."""
    click.echo(f"\nWhat happened to {cell(story['task'])}:")
    for entry in story["entries"]:
        text = entry["text"].removeprefix(story["task"]).strip()
        click.echo(f"  {moment(entry['at'])}  {cell(text)}")
    since = story["seen_since"]
    if since is None:
        click.echo("  This leader has seen nothing of it yet: all that is what the store says.")
    elif story["entries"][0]["at"] < since:
        click.echo(f"  Before {moment(since)} another scheduler led: of that time it is what the store says.")
