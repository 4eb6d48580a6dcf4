"""framework restore"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from framework.cli.faults import CommandFault, must_be_readable
from framework.cli.options import with_json
from framework.cli.output import moment, note, plural, print_json
from framework.cli.server import printable
from framework.cli.store_access import note_findings, summary, tell_problem, told_faults, with_zk
from framework.exits import CliExit


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_zk(is_required=True)
@click.option("--replace", "replaces", is_flag=True, help="Lose what the store holds now; asks for its path.")
@click.option("--yes", "is_sure", is_flag=True, help="With --replace: do not ask.")
@click.option(
    "--as-new",
    "is_as_new",
    is_flag=True,
    help="For a framework that Mesos has removed: stacks and their histories under a new framework id, without tasks.",
)
@with_json
def restore(file: Path, zk: str, replaces: bool, is_sure: bool, is_as_new: bool, as_json: bool) -> None:
    """Put the backup in FILE into a store.

    Into an empty one, unless --replace says otherwise, and never while a scheduler leads there: stop all of them
    before. FILE is verified before anything is written. Tasks that were launched since the backup was taken are not
    in it: the scheduler meets them as unknown.
    """
    from framework.adapters import backup_file, checking, restoring, snapshot

    must_be_readable(file)
    with told_faults():
        backup = backup_file.read(file)
        report = checking.check(backup.nodes)
        restoring.refuse_damaged(report)
        there = snapshot.take(zk, on_problem=tell_problem)
        restoring.refuse_root(there, replaces=replaces)
        if not there.is_restorable and not is_sure:
            _ask(there.url.root, summary(there.report.counts))
        done = restoring.restore(backup, zk, replaces=replaces, on_problem=tell_problem, is_as_new=is_as_new)
    manifest = backup.manifest
    if as_json:
        print_json({"file": str(file), "taken_at": manifest.taken_at, **asdict(done), "counts": dict(manifest.counts)})
        return
    click.echo(f"{there.url} holds what {manifest.root} held on {moment(manifest.taken_at)}: {summary(report.counts)}")
    click.echo(f"Epoch {done.epoch}; task numbers go on from {done.next_serial}. Start the scheduler now.")
    if is_as_new:
        _tell_new(done.former_id, report.counts.living)
        note_findings([finding for finding in report.findings if finding.severity.value != "note"])
        return
    before = there.report.framework_id
    if before and before != manifest.framework_id:
        note(
            f"The store belonged to framework {before} before, and belongs to {manifest.framework_id or 'none'} now:"
            f" Mesos keeps the tasks of {before} until its failover time is over."
        )
    note_findings([finding for finding in report.findings if finding.severity.value != "note"])


def _tell_new(former_id: str, living: int) -> None:
    """Says what becomes of the tasks of the framework id that was left out."""
    click.echo("It has no framework id: Mesos gives the scheduler a new one, and all tasks are started afresh.")
    if not former_id:
        return
    old = printable(former_id)
    note(
        f"What still runs of framework {old} ({plural(living, 'task')} when the backup was taken) is not taken over."
        " Where Mesos has removed that framework its agents end the executors, and these their tasks; an agent that"
        " is away does so when it is back. Until then both may run."
    )
    note(
        "A container that had lost its executor before is ended by nobody. On each agent"
        f" `docker ps --filter label=framework.framework_id={old}` shows what is left, and `docker rm -f` removes it."
    )
    note(
        "If Mesos has not removed it (no scheduler with its id ended with exit code 110), restore without --as-new:"
        " else everything runs twice until its failover time is over."
    )


def _ask(root: str, holds: str) -> None:
    """Lets the user type the path; raises CommandFault where it is another, or nobody is there to type."""
    if not sys.stdin.isatty():
        raise CommandFault(
            f"{root} holds {holds}. To replace that without being asked, say --replace --yes.", CliExit.USAGE
        )
    note(f"{root} holds {holds}. All of that will be lost.")
    typed = click.prompt(f"Type {root} to go on", default="", show_default=False, err=True)
    if typed.strip() != root:
        raise CommandFault(f"Nothing was changed: wanted {root}, got {typed.strip()!r}.", CliExit.REFUSED)
