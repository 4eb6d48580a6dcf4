"""framework port"""

from __future__ import annotations

from typing import Any

import click

from framework.cli.faults import CommandFault
from framework.cli.options import complete_groups, with_labels, with_labels_in, with_server
from framework.cli.output import note, print_json, print_table, state_text
from framework.cli.server import Server
from framework.exits import CliExit

_HEADERS = ["GROUP", "SLOT", "TASK", "STATE", "PORT", "CONTAINER", "ENDPOINT"]


@click.command()
@click.argument("port", metavar="NAME|NUMBER")
@click.argument("pattern", default="", shell_complete=complete_groups)
@with_labels
@with_server
def port(port: str, pattern: str, labels: str, server: Server, as_json: bool) -> None:
    """Show where a port of containers is reached, of all tasks that run, ready or not.

    The port is meant by its name in the stack file, or by its number in the container; NUMBER/udp means that protocol
    only. PATTERN is a stack, stack/service or stack/service[label,…], where * and ? stand for anything.
    """
    pattern = with_labels_in(pattern, labels)
    tasks = [task for task in server.get("/v1/tasks", pattern=pattern)["tasks"] if task["endpoints"]]
    wanted, _, protocol = port.partition("/")
    found = [
        _line(task, each, endpoint)
        for task in tasks
        for each, endpoint in zip(task["ports"], task["endpoints"], strict=True)
        if wanted in (each["name"], str(each["container_port"])) and protocol in ("", each["protocol"])
    ]
    if as_json:
        print_json({"ports": found})
        return
    if not found:
        if pattern and not tasks and not server.get("/v1/groups", pattern=pattern)["groups"]:
            raise CommandFault(f"No group matches {pattern}. `framework ls` lists stacks.", CliExit.REFUSED)
        raise CommandFault(_explained(port, pattern, tasks), CliExit.REFUSED)
    print_table(_HEADERS, [_row(line) for line in found])
    if any(line["container_port"] is None for line in found):
        note("Of tasks of another version than the current one the port in the container is not known.")


def _line(task: dict[str, Any], port: dict[str, Any], endpoint: str) -> dict[str, Any]:
    return {
        **{name: task[name] for name in ("id", "group", "slot", "state", "agent", "address")},
        **port,
        "endpoint": endpoint,
    }


def _row(line: dict[str, Any]) -> list[str]:
    inside = "" if line["container_port"] is None else f"{line['container_port']}/{line['protocol']}"
    number = line["id"].rpartition(".")[2]
    return [line["group"], str(line["slot"]), number, state_text(line["state"]), line["name"], inside, line["endpoint"]]


def _explained(port: str, pattern: str, tasks: list[dict[str, Any]]) -> str:
    """Why there is nothing to show, and what there would be."""
    of = f" of {pattern}" if pattern else ""
    if not tasks:
        return f"No task{of} that runs has ports. `framework ps{' ' + pattern if pattern else ''}` shows what there is."
    ports = {(each["name"], each["container_port"]): None for task in tasks for each in task["ports"]}
    known = ", ".join(f"{name} ({number})" if number else name for name, number in sorted(ports, key=str))
    return f"No task{of} has a port {port}. There are: {known}."
