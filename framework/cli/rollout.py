"""framework rollout status, watch, pause, resume, abort, rollback, promote, history"""

from __future__ import annotations

import click

from framework.cli.faults import CommandFault
from framework.cli.following import Follow, awaited, fault_of, parts_of, step_of
from framework.cli.options import Duration, complete_groups, complete_stacks, who, with_retry, with_server
from framework.cli.output import cell, moment, note, print_json, print_table, since
from framework.cli.server import Answer, Server, path_of
from framework.exits import CliExit

_HEADERS = ["GROUP", "STATE", "STEP", "CHANGED", "FAILURES", "WAITS FOR"]
_OF_SERVICE = click.argument("target", metavar="STACK[/SERVICE]", shell_complete=complete_groups)
_OF_STACK = click.argument("target", metavar="STACK", shell_complete=complete_stacks)
_NUMBER = click.option(
    "--number", type=click.IntRange(min=0), default=0, metavar="N", help="Only if the rollout of now is this one."
)


@click.group()
def rollout() -> None:
    """Show how a changed stack replaces its tasks; hold that up, go on, go back."""


@rollout.command()
@_OF_SERVICE
@with_server
def status(target: str, server: Server, as_json: bool) -> None:
    """Show the rollout of now: how far each group is, and what it waits for."""
    stack, service = _parts(target)
    answer = server.get(path_of("stacks", stack, "rollout"))
    if as_json:
        print_json(answer)
        return
    if answer["problem"]:
        note(answer["problem"])
    current, last = answer["rollout"], answer["last"]
    if current is None:
        click.echo(f"{stack} has no rollout under way.{_last(last)}")
        return
    click.echo(_head(current, answer["at"]))
    print_table(_HEADERS, [_row(part, answer["at"]) for part in _checked(current, service)])
    held = [part["progress"] for part in current["groups"] if part["progress"]]
    limits = [progress["deadline_at"] for progress in held if progress["deadline_at"]]
    if limits:
        click.echo(f"It fails in {since(min(limits) - answer['at'])} if there is no progress until then (deadline).")


@rollout.command()
@_OF_SERVICE
@_NUMBER
@click.option("--timeout", type=Duration(), default="24h", show_default=True, help="How long to watch.")
@with_server
def watch(target: str, number: int, timeout: float, server: Server, as_json: bool) -> None:
    """Follow the rollout until it is over.

    Ends with 0 when it is done; with 1 when it failed, or was aborted, rolled back or superseded, and says why.
    """
    stack, service = _parts(target)
    if not number:
        answer = server.get(path_of("stacks", stack, "rollout"))
        found = answer["rollout"] or answer["last"]
        if found is None:
            note(f"{stack} has no rollout under way.")
            return
        number = found["number"]
        _checked(found, service)
    done = Follow(server=server, stack=stack, number=number, timeout_seconds=timeout, service=service).run()
    if as_json:
        print_json(done)
    else:
        click.echo(f"rollout {number} of {target} is done")


@rollout.command()
@_OF_SERVICE
@_NUMBER
@with_retry
@with_server
def pause(target: str, number: int, server: Server, as_json: bool) -> None:
    """Hold the rollout up: nothing more is replaced until it is resumed."""
    _act(server, "pause", target, number, as_json=as_json)


@rollout.command()
@_OF_SERVICE
@_NUMBER
@with_retry
@with_server
def resume(target: str, number: int, server: Server, as_json: bool) -> None:
    """Go on with a rollout that was paused or aborted, or that failed; its failures are counted anew."""
    _act(server, "resume", target, number, as_json=as_json)


@rollout.command()
@_OF_STACK
@_NUMBER
@with_retry
@with_server
def abort(target: str, number: int, server: Server, as_json: bool) -> None:
    """End the rollout where it is: what is new stays new, what is old stays old."""
    _act(server, "abort", target, number, as_json=as_json)


@rollout.command()
@_OF_STACK
@_NUMBER
@with_retry
@with_server
def rollback(target: str, number: int, server: Server, as_json: bool) -> None:
    """Go back to what was before the rollout; what is still as it was is kept.

    Once a rollout is done `framework rollback STACK` goes back.
    """
    _act(server, "rollback", target, number, as_json=as_json)


@rollout.command()
@_OF_SERVICE
@_NUMBER
@with_retry
@with_server
def promote(target: str, number: int, server: Server, as_json: bool) -> None:
    """Go on with the next step now, without waiting for the end of this one."""
    _act(server, "promote", target, number, as_json=as_json)


@rollout.command()
@_OF_SERVICE
@with_server
def history(target: str, server: Server, as_json: bool) -> None:
    """List the rollouts that are kept, newest first, and how they ended."""
    stack, service = _parts(target)
    answer = server.get(path_of("stacks", stack, "rollouts"))
    kept = [each for each in answer["rollouts"] if parts_of(each, service)]
    if as_json:
        print_json({**answer, "rollouts": kept})
        return
    if not kept:
        note(f"{target} has had no rollout, or none that is kept.")
        return
    print_table(["NUMBER", "KIND", "STATE", "BEGAN", "TOOK", "BY", "GROUPS", "WHY"], [_told(each) for each in kept])


def _parts(target: str) -> tuple[str, str]:
    stack, slash, service = target.partition("/")
    if not stack or (slash and not service) or "/" in service or "[" in service:
        raise click.UsageError(f"wanted STACK or STACK/SERVICE (shop/web); got {target!r}.")
    return stack, service


def _act(server: Server, action: str, target: str, number: int, *, as_json: bool) -> None:
    stack, service = _parts(target)
    body = {"service": service, "number": number, "by": who()}
    answer = server.post(path_of("stacks", stack, "rollout", action), body)
    if as_json:
        print_json(answer)
        return
    groups = f": {', '.join(answer['changed'])}" if answer["changed"] else ""
    click.echo(f"{target}: {answer['message']}{cell(groups) if groups else ''}")


def _checked(found: Answer, service: str) -> list[Answer]:
    parts = parts_of(found, service)
    if service and not parts:
        services = sorted({part["group"].partition("[")[0] for part in found["groups"]})
        message = f"Rollout {found['number']} of {found['stack']} does not change {service}"
        raise CommandFault(f"{message}; it changes {', '.join(services)}.", CliExit.REFUSED)
    return parts


def _head(current: Answer, now: float) -> str:
    who_asked = f" by {current['started_by']}" if current["started_by"] else ""
    message = f" ({current['message']})" if current["message"] else ""
    pace = ", all at once" if current["is_all_at_once"] else ""
    if current["wait_seconds"] is not None:
        pace += f", {current['wait_seconds']:g} s from task to task"
    began = f"{since(now - current['started_at'])} ago"
    name = f"{current['stack']}: rollout {current['number']}"
    line = f"{name} ({current['kind']}{pace}) {_is(current['state'])}, begun {began}"
    cause = f": {current['cause']}" if current["cause"] else ""
    return cell(f"{line}{who_asked}{message}{cause}")


def _is(state: str) -> str:
    """`is running`, `has failed`, `was aborted`."""
    verb = {"failed": "has", "aborted": "was", "rolled back": "was", "superseded": "was"}.get(state, "is")
    return f"{verb} {state}"


def _row(part: Answer, now: float) -> list[str]:
    progress = part["progress"]
    if progress is None:
        return [part["group"], "done" if part["is_done"] else "", "", "", "", ""]
    return [
        part["group"],
        progress["state"],
        step_of(progress),
        f"{progress['changed']}/{progress['total']}",
        f"{progress['failures']} of {progress['most_failures']}",
        awaited(progress, now),
    ]


def _last(last: Answer | None) -> str:
    if last is None:
        return ""
    fault = fault_of({last["number"]: last}, last)
    return f" {fault}" if fault else f" The last one, {last['number']} ({last['kind']}), {_is(last['state'])}."


def _told(each: Answer) -> list[str]:
    took = since(each["ended_at"] - each["started_at"]) if each["ended_at"] else ""
    services = sorted({part["group"].partition("/")[2].partition("[")[0] for part in each["groups"]})
    why = "; ".join(filter(None, (each["message"], each["cause"])))
    return [
        str(each["number"]),
        each["kind"],
        each["state"],
        moment(each["started_at"]),
        took,
        each["started_by"],
        ", ".join(services),
        why,
    ]
