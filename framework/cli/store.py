"""framework store"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from framework.cli.faults import CommandFault, must_be_readable
from framework.cli.options import with_json
from framework.cli.output import note, plural, print_json, size
from framework.cli.server import printable
from framework.cli.store_access import summary, tell_problem, told_faults, with_zk
from framework.exits import CliExit

if TYPE_CHECKING:
    from framework.adapters.checking import Report

_MOST_SHOWN = 200


@click.group()
def store() -> None:
    """Look whether a store, or a backup, is in order."""


@store.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@with_zk(is_required=False)
@with_json
def check(file: Path | None, zk: str | None, as_json: bool) -> None:
    """Read everything in the store, or in the backup FILE, and say what is wrong with it.

    Ends with 1 where something is wrong: damage keeps a scheduler from starting; with a fault it starts, and may do
    the wrong thing. Notes are harmless. Schedulers may run meanwhile; nothing is changed.
    """
    if file is None and zk is None:
        raise click.UsageError("Name the backup FILE to be checked, or the store with --zk.")
    where, report = _of_file(file) if file is not None else _of_store(zk or "")
    if as_json:
        print_json({"where": where, "is_good": report.is_good, **asdict(report)})
    else:
        _show(where, report)
    if not report.is_good:
        raise SystemExit(CliExit.REFUSED)


def _of_file(file: Path) -> tuple[str, Report]:
    from framework.adapters import backup_file, checking

    must_be_readable(file)
    with told_faults():
        return str(file), checking.check(backup_file.read(file).nodes)


def _of_store(zk: str) -> tuple[str, Report]:
    from framework.adapters import snapshot

    with told_faults():
        found = snapshot.take(zk, on_problem=tell_problem)
    if not found.nodes:
        raise CommandFault(
            f"There is nothing at {found.url}. A scheduler makes a store there when it starts.", CliExit.REFUSED
        )
    if not found.is_framework:
        raise CommandFault(f"What is at {found.url} is not a framework's store: it has no /schema.", CliExit.REFUSED)
    if not found.is_consistent:
        note("It changed each time that it was read: what follows may mix moments, and so find what is not.")
    return str(found.url), found.report


def _show(where: str, report: Report) -> None:
    counts = report.counts
    click.echo(f"{where}: {summary(counts)}")
    click.echo(
        f"schema {report.schema or 'unknown'}, epoch {report.epoch or 'unknown'}, framework id"
        f" {printable(report.framework_id) or 'none'}, next task number {report.next_serial:,}"
        f" (the highest given is {report.highest_serial:,})"
    )
    if counts.largest_path:
        click.echo(f"the largest node is {counts.largest_path} with {size(counts.largest_bytes)}, of 976.6 KiB")
    for finding in report.findings[:_MOST_SHOWN]:
        click.echo(f"{finding.severity.value}: {printable(finding.text)}")
    if len(report.findings) > _MOST_SHOWN:
        click.echo(f"and {plural(len(report.findings) - _MOST_SHOWN, 'more finding')}; --json shows all")
    if report.is_good:
        click.echo("in order")
