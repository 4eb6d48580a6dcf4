"""framework events"""

from __future__ import annotations

import time

import click

from framework.cli.options import complete_groups, with_labels, with_labels_in, with_server
from framework.cli.output import cell, json_text, moment, note
from framework.cli.retrying import NoScheduler
from framework.cli.server import Answer, Server

_AGAIN_SECONDS = 1.0


@click.command()
@click.argument("pattern", default="", shell_complete=complete_groups)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="N", help="Only what came after event N.")
@with_labels
@with_server
def events(pattern: str, follow: bool, after: int, labels: str, server: Server, as_json: bool) -> None:
    """Show what happened, as far as the scheduler keeps it; with -f go on with what comes.

    Events count from 1 each time a scheduler starts. With --json each event is one line.
    """
    pattern = with_labels_in(pattern, labels)
    is_lost = False
    while True:
        try:
            for event in server.events(pattern=pattern, after=after, follow=follow):
                if is_lost:
                    note(f"{server.address.url} answers again.")
                    is_lost = False
                after = event["sequence"]
                _show(event, as_json)
        except NoScheduler as fault:
            # One that answered and is gone is waited for; one that never did is an error.
            if not follow or after == 0:
                raise
            if not is_lost:
                note(f"{fault.message.partition(chr(10))[0]} Trying again until it does; Ctrl-C ends this.")
            is_lost = True
        if not follow:
            return
        time.sleep(_AGAIN_SECONDS)


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
