"""framework ls"""

from __future__ import annotations

import click

from framework.cli.options import with_server
from framework.cli.output import cell, note, print_json, print_table, since
from framework.cli.server import Server


@click.command()
@with_server
def ls(server: Server, as_json: bool) -> None:
    """List stacks."""
    answer = server.get("/v1/stacks")
    if as_json:
        print_json(answer)
        return
    if answer["problem"]:
        note(answer["problem"])
    if not answer["stacks"]:
        note("There is no stack yet. `framework submit FILE` makes one.")
        return
    rows = [
        [
            line["name"],
            line["state"],
            f"{line['ready']}/{line['wanted']}",
            str(line["groups"]),
            str(line["index"]),
            since(answer["at"] - line["submitted_at"]),
            line["submitted_by"],
            line["message"],
        ]
        for line in answer["stacks"]
    ]
    for line in answer["stacks"]:
        if line["awaited"]:
            note(f"{line['name']} {cell(line['awaited'])}")
    print_table(["STACK", "STATE", "READY", "GROUPS", "INDEX", "CHANGED", "BY", "MESSAGE"], rows)
