"""framework events"""

from __future__ import annotations

import re
from time import sleep as pause

import click

from framework.cli.options import complete_groups, with_labels, with_labels_in, with_server
from framework.cli.output import cell, json_text, moment, note
from framework.cli.retrying import NoScheduler
from framework.cli.server import Answer, Server

_AGAIN_SECONDS = 1.0
_ID = re.compile(r"(?:[0-9a-z]{1,32}-)?[0-9]{1,18}", re.ASCII)


class _EventId(click.ParamType[str]):
    """An event's id, or its number."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _ID.fullmatch(value):
            self.fail(f"{value!r} is no event: wanted an id from `events --json`, or a number.", param, ctx)
        return value


class _Place:
    """Where in the stream a follower is, and whether a scheduler has ever said so."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.is_heard = False

    def hear(self, id: str) -> None:
        """Takes the id of what was shown last."""
        self.id, self.is_heard = id, True


@click.command()
@click.argument("pattern", default="", shell_complete=complete_groups)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@click.option(
    "--after", type=_EventId(), default="0", metavar="ID", help="Only what came after the event with this id or number."
)
@with_labels
@with_server
def events(pattern: str, follow: bool, after: str, labels: str, server: Server, as_json: bool) -> None:
    """Show what happened, as far as the scheduler keeps it; with -f go on with what comes.

    Events count from 1 each time a scheduler starts; an id, which --json shows, says of which one it is too. With
    --json each event is one line.
    """
    pattern = with_labels_in(pattern, labels)
    is_lost = False
    place = _Place(after)
    while True:
        try:
            for event in server.events(place.hear, pattern=pattern, after=place.id, follow=follow):
                if is_lost:
                    note(f"{server.address.url} answers again.")
                    is_lost = False
                _show(event, as_json)
        except NoScheduler as fault:
            # One that answered and is gone is waited for; one that never did is an error.
            if not follow or not place.is_heard:
                raise
            if not is_lost:
                note(f"{fault.message.partition(chr(10))[0]} Trying again until it does; Ctrl-C ends this.")
            is_lost = True
        if not follow:
            return
        pause(_AGAIN_SECONDS)


def _show(event: Answer, as_json: bool) -> None:
    if as_json:
        click.echo(json_text(event))
        return
    if event["kind"] == "Lagged":
        note(f"-- {event['text']} --")
        return
    about = event["task"] or event["group"] or event["stack"]
    click.echo(
        f"{event['sequence']:>6}  {moment(event['at'])}  {event['kind']:<18}  {cell(about):<24}  {cell(event['text'])}"
    )
