"""framework info"""

from __future__ import annotations

from typing import Any

import click

from framework.cli.faults import CommandFault
from framework.cli.options import complete_tasks, with_server
from framework.cli.output import cell, moment, plural, print_json, print_table, since, state_text
from framework.cli.ps import cause_text
from framework.cli.server import Answer, Server, path_of
from framework.cli.story import is_task, show_story
from framework.exits import CliExit


@click.command()
@click.argument("what", metavar="PATTERN|TASK", shell_complete=complete_tasks)
@with_server
def info(what: str, server: Server, as_json: bool) -> None:
    """Show everything about a stack, group or task.

    A task is its id, or the number at the end of it.
    """
    if is_task(what):
        task = server.get(path_of("tasks", what))
        story = server.get(path_of("tasks", what, "story"))
        if as_json:
            print_json({**task, "story": story})
        else:
            _show_task(task)
            show_story(story)
        return
    answer = server.get("/v1/groups", pattern=what)
    if not answer["groups"]:
        raise CommandFault(f"No stack or group matches {what}. `framework ls` lists the stacks.", CliExit.REFUSED)
    if as_json:
        print_json(answer)
        return
    for number, group in enumerate(answer["groups"]):
        if number:
            click.echo()
        _show_group(group, answer["at"])


def _show_group(group: Answer, now: float) -> None:
    command = group["command"]
    end = group["last_end"]
    _show(
        [
            ("group", group["group"]),
            ("state", f"{group['state']}, {group['ready']} of {group['wanted']} ready"),
            ("instances", _instances(group)),
            ("autoscale", _autoscale(group["autoscale"])),
            ("image", group["image"] or "none: a plain process"),
            ("command", " ".join(command) if command is not None else "the image's"),
            ("resources", _resources(group)),
            *(("rule", rule) for rule in group["rules"]),
            ("restart", group["restart"]),
            ("unreachable", _unreachable(group)),
            ("needs", ", ".join(f"{d['service']} {d['condition']}" for d in group["depends_on"])),
            ("version", f"{group['version']}, stack index {group['index']}"),
            ("tasks", ", ".join(f"{count} {state}" for state, count in group["states"].items())),
            *((("waits", f"{plural(len(c['slots']), 'slot')}: {cause_text(c, now)}")) for c in group["waiting"]),
            ("last end", _end(end, now) if end else ""),
        ]
    )


def _instances(group: Answer) -> str:
    count = "one on every agent that fits" if group["mode"] == "global" else str(group["instances"])
    return f"{count}{' (stopped)' if group['is_stopped'] else ''}"


def _autoscale(line: Answer | None) -> str:
    return f"{line['targets']}; {line['sentence']}" if line else ""


def _unreachable(group: Answer) -> str:
    """The treatment of a task whose agent cannot be reached."""
    unreachable = group["unreachable"]
    seconds = unreachable["replace_after_seconds"]
    return (
        f"replaced {f'after {seconds:g} s' if seconds else 'at once'}; the {unreachable['keep']} stays when it is back"
    )


def _resources(group: Answer) -> str:
    parts = [f"cpus {group['cpus']:g}", f"mem {group['mem_mib']} MiB"]
    parts += [f"disk {group['disk_mib']} MiB"] if group["disk_mib"] else []
    parts += [f"gpus {group['gpus']}"] if group["gpus"] else []
    for name, amount in group["custom"].items():
        parts.append(f"{name} {','.join(amount) if isinstance(amount, list) else f'{amount:g}'}")
    return ", ".join(parts)


def _end(end: dict[str, Any], now: float) -> str:
    code = f", exit code {end['exit_code']}" if end["exit_code"] is not None else ""
    return (
        f"{end['task']} {end['state']}{code}, {since(now - end['at'])} ago: {end['message'] or 'no reason was given'}"
    )


def _standing(task: Answer) -> str:
    if task["is_outdated"]:
        return ", outdated"
    return ", and is getting new settings" if task["is_applying"] else ""


def _show_task(task: Answer) -> None:
    _show(
        [
            ("task", task["id"]),
            ("group", f"{task['group']}, slot {task['slot']}, attempt {task['attempt']}"),
            ("state", f"{state_text(task['state'])} since {moment(task['since'])}"),
            ("goal", task["goal"] + (f": {task['stop_cause']}" if task["stop_cause"] else "")),
            ("health", "no check" if task["health"] == "NONE" else task["health"]),
            *([("readiness", task["readiness"].replace("_", " "))] if task["readiness"] != "NONE" else []),
            ("message", task["message"] or task["reason"]),
            ("exit code", "" if task["exit_code"] is None else str(task["exit_code"])),
            ("agent", f"{task['agent']} ({task['agent_id']})"),
            ("version", task["version"] + _standing(task)),
            ("launched", moment(task["launched_at"])),
            ("running", moment(task["running_since"])),
            ("ended", moment(task["ended_at"])),
            ("container", task["container_id"]),
            ("addresses", " ".join(task["addresses"])),
            ("executor", task["executor_id"]),
        ]
    )
    if task["ports"]:
        endpoints: list[str] = task["endpoints"] or [""] * len(task["ports"])
        click.echo()
        print_table(
            ["PORT", "HOST PORT", "CONTAINER PORT", "PROTOCOL", "ENDPOINT"],
            [
                [
                    port["name"],
                    str(port["host_port"]),
                    str(port["container_port"] or ""),
                    port["protocol"] or "",
                    endpoint,
                ]
                for port, endpoint in zip(task["ports"], endpoints, strict=True)
            ],
        )


def _show(lines: list[tuple[str, str]]) -> None:
    for name, content in lines:
        if content and content != "-":
            click.echo(f"{name:<11} {cell(content)}")
