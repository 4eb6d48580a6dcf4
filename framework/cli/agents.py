"""framework agents, framework agents gone"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from framework.cli.faults import CommandFault
from framework.cli.options import complete_agents, who, with_message, with_retry, with_server
from framework.cli.output import cell, note, plural, print_json, print_table
from framework.cli.server import Answer, Server, path_of
from framework.exits import CliExit
from specs.model.resources import format_size_mib

_MOST_NAMED = 20


@click.group(invoke_without_command=True)
@with_server
@click.pass_context
def agents(context: click.Context, server: Server, as_json: bool) -> None:
    """List agents: attributes, what is free of what they have, what of that we hold in offers, our tasks.

    With --json it is a file for `framework simulate --from-cluster`.
    """
    if context.invoked_subcommand is None:
        _list(server, as_json)


@agents.command()
@click.argument("name", shell_complete=complete_agents)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--anyway", is_flag=True, help="Also while the agent is registered: its tasks are ended.")
@with_message
@with_retry
@with_server
def gone(name: str, yes: bool, anyway: bool, message: str, server: Server, as_json: bool) -> None:
    """Say that an agent never comes back: Mesos ends its tasks, of all frameworks, and refuses it from then on.

    NAME is its host name or id. Names what is lost, and asks. Without this Mesos waits for the agent, two weeks by
    default; for so long its tasks have not ended, and a stack that was removed does not go.
    """
    loss = server.get(path_of("agents", name, "loss"), retries=True)
    if loss["alive"] and not anyway:
        raise CommandFault(
            f"Agent {cell(loss['agent'])} ({cell(loss['agent_id'])}) {cell(loss['alive'])}: it is not gone. Nothing was"
            " changed. Drain it, or stop it and wait until the master no longer has it; --anyway has its tasks ended"
            " now.",
            CliExit.REFUSED,
        )
    for line in _told(loss):
        note(line)
    if not yes:
        _ask(loss)
    body = {"anyway": anyway, "message": message, "by": who()}
    answer = server.post(path_of("agents", loss["agent_id"], "gone"), body)
    if as_json:
        print_json(answer)
    else:
        click.echo(cell(answer["message"]))


def _told(loss: Answer) -> list[str]:
    """The losses, a line each."""
    lines = [f"agent {cell(loss['agent'])}, {cell(loss['agent_id'])}"]
    if loss["alive"]:
        lines.append(f"  it {cell(loss['alive'])}: what runs there is ended")
    tasks = [f"{task} (slot {slot})" for task, slot in zip(loss["tasks"], loss["slots"], strict=False)]
    lines.append(f"  {plural(len(loss['tasks']), 'task')} of this framework{_listed(tasks)}")
    if loss["stacks"]:
        lines.append(f"  being removed, and waiting for it{_listed(loss['stacks'])}")
    for name, count in loss["others"].items():
        lines.append(f"  {plural(count, 'task')} of framework {cell(name)}")
    if loss["others_problem"]:
        lines.append(f"  tasks of other frameworks are not known: {cell(loss['others_problem'])}")
    if loss["volumes"]:
        lines.append(
            f"  no longer reached: what is in {plural(len(loss['volumes']), 'volume')}{_listed(loss['volumes'])}"
        )
    return lines


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f": {cell(', '.join(names[:_MOST_NAMED]))}{more}" if names else ""


def _ask(loss: Answer) -> None:
    if not sys.stdin.isatty():
        raise CommandFault(
            "An agent that is marked as gone never comes back: say --yes where nobody can be asked.", CliExit.USAGE
        )
    typed = click.prompt("The agent's host name, to go on", default="", show_default=False, err=True).strip()
    if typed not in (loss["agent"], loss["agent_id"]):
        raise CommandFault(f"Got {typed!r}, wanted {loss['agent']!r}. Nothing was changed.", CliExit.REFUSED)


def _list(server: Server, as_json: bool) -> None:
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
    """Its resources in held offers."""
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
