"""framework agents"""

from __future__ import annotations

import click

from framework.cli.options import with_server
from framework.cli.output import note, print_json, print_table
from framework.cli.server import Answer, Server
from specs.values import format_size_mib


@click.command()
@with_server
def agents(server: Server, as_json: bool) -> None:
    """List agents: attributes, what is free of what they have, what of that we hold in offers, our tasks.

    With --json it is a file for `framework simulate --from-cluster`.
    """
    answer = server.get("/v1/agents")
    if as_json:
        print_json(answer)
        return
    for problem in dict.fromkeys((answer["problem"], answer["agents_problem"])):
        if problem:
            note(problem)
    if not answer["agents"]:
        note("No agent is known.")
        return
    found = answer["agents"]
    columns = {
        "AGENT": [one["hostname"] for one in found],
        "STATE": [one["state"] for one in found],
        "REGION": [one["region"] for one in found],
        "ZONE": [one["zone"] for one in found],
        "ATTRIBUTES": [_attributes(one) for one in found],
        "CPUS": [_of(one, "cpus") for one in found],
        "MEMORY": [_of(one, "mem_mib") for one in found],
        "DISK": [_of(one, "disk_mib") for one in found],
        "GPUS": [_of(one, "gpus") if one["total"] and one["total"]["gpus"] else "" for one in found],
        "OFFERED": [_offered(one["offered"]) for one in found],
        "TASKS": [str(sum(line["count"] for line in one["tasks"])) for one in found],
        "NOTE": [one["unavailable"] for one in found],
    }
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    print_table(list(shown), [list(row) for row in zip(*shown.values(), strict=True)])


def _offered(amounts: Answer | None) -> str:
    """What is held of it in offers."""
    return f"{amounts['cpus']:g} cpus, {format_size_mib(amounts['mem_mib'])}" if amounts else ""


def _attributes(agent: Answer) -> str:
    return " ".join(
        f"{name}={text}"
        for name, texts in agent["attributes"].items()
        for text in (texts if isinstance(texts, list) else [texts])
    )


def _of(agent: Answer, name: str) -> str:
    """Free of total; ? where the master did not tell."""
    return f"{_amount(agent['free'], name)}/{_amount(agent['total'], name)}"


def _amount(amounts: Answer | None, name: str) -> str:
    if amounts is None:
        return "?"
    return format_size_mib(amounts[name]) if name.endswith("_mib") else f"{amounts[name]:g}"
