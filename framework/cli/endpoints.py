"""framework endpoints"""

from __future__ import annotations

from collections.abc import Iterator

import click

from framework.cli.faults import CommandFault
from framework.cli.options import complete_groups, with_labels, with_labels_in, with_server
from framework.cli.output import note, print_json, print_table
from framework.cli.server import Answer, Server
from framework.exits import CliExit

_HEADERS = ["GROUP", "SLOT", "TASK", "PORT", "ENDPOINT", "CONTAINER"]


@click.command()
@click.argument("pattern", default="", shell_complete=complete_groups)
@with_labels
@with_server
def endpoints(pattern: str, labels: str, server: Server, as_json: bool) -> None:
    """List where tasks that are ready can be reached.

    PATTERN is a stack, stack/service or stack/service[label,…], where * and ? stand for anything. A line is a port;
    CONTAINER is the port in the container, and its own address.
    """
    pattern = with_labels_in(pattern, labels)
    answer = server.get("/v1/endpoints", pattern=pattern)
    if as_json:
        print_json(answer)
        return
    if answer["problem"]:
        note(answer["problem"])
    if not answer["endpoints"]:
        if pattern and not server.get("/v1/groups", pattern=pattern)["groups"]:
            raise CommandFault(f"No group matches {pattern}. `framework ls` lists stacks.", CliExit.REFUSED)
        note("No task is ready. `framework ps` shows what there is.")
        return
    print_table(_HEADERS, [row for line in answer["endpoints"] for row in _rows(line)])


def _rows(line: Answer) -> Iterator[list[str]]:
    """A row for each port, one without where there is none."""
    head = [line["group"], str(line["slot"]), line["id"].rpartition(".")[2]]
    own = " ".join(line["addresses"])
    if not line["ports"]:
        yield [*head, "", line["address"], own]
    for port, endpoint in zip(line["ports"], line["endpoints"], strict=True):
        protocol = "" if port["protocol"] in (None, "tcp") else f"/{port['protocol']}"
        inside = "" if port["container_port"] is None else f"{own}:{port['container_port']}".removeprefix(":")
        yield [*head, f"{port['name']}{protocol}", endpoint, inside]
