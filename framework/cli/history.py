"""framework history"""

from __future__ import annotations

import click

from framework.cli.faults import CommandFault
from framework.cli.options import complete_groups, with_server
from framework.cli.output import moment, note, print_json, print_table
from framework.cli.server import Answer, Server, path_of
from framework.exits import CliExit


@click.command()
@click.argument("stack", metavar="STACK[/SERVICE]", shell_complete=complete_groups)
@click.option("-n", "--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@with_server
def history(stack: str, limit: int | None, server: Server, as_json: bool) -> None:
    """Show who changed a stack, when, why and how, the newest last.

    A revision is the index that the stack had from then on; one with * gave it a definition to which `framework
    rollback` can go back. Of a removed stack the history is kept for a while.
    """
    name, _, rest = stack.partition("/")
    service = rest.partition("[")[0]
    answer = server.get(path_of("stacks", name, "history"))
    found = [line for line in answer["revisions"] if not service or service in line["services"]]
    if limit is not None:
        found = found[-limit:]
    if as_json:
        print_json({**answer, "revisions": found})
        return
    if answer["problem"]:
        note(answer["problem"])
    if answer["index"] is None:
        note(f"{name} was removed. `framework rollback {name}` brings it back.")
    if not found:
        _explain_nothing(answer, service)
    print_table(
        ["REVISION", "AT", "BY", "COMMAND", "CHANGE", "MESSAGE"],
        [
            [
                f"{line['number']}{'*' if line['has_definition'] else ''}",
                moment(line["at"]),
                line["by"],
                line["command"],
                line["text"],
                line["message"],
            ]
            for line in found
        ],
    )


def _explain_nothing(answer: Answer, service: str) -> None:
    if service and answer["revisions"]:
        services = ", ".join(sorted({name for line in answer["revisions"] for name in line["services"]}))
        message = f"No change of a service {service} is remembered; there are some of {services}."
        raise CommandFault(message, CliExit.REFUSED)
    raise CommandFault(f"{answer['stack']} has no history yet: it begins with the next change.", CliExit.REFUSED)
