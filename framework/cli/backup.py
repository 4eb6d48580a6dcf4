"""framework backup"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from framework.cli.faults import CommandFault
from framework.cli.options import with_json
from framework.cli.output import note, print_json, size
from framework.cli.store_access import note_findings, summary, tell_problem, told_faults, with_zk
from framework.exits import CliExit


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_zk(is_required=True)
@click.option("--force", "may_replace", is_flag=True, help="Replace FILE where it is there already.")
@with_json
def backup(file: Path, zk: str, may_replace: bool, as_json: bool) -> None:
    """Write all that the schedulers store to FILE.

    Schedulers may run meanwhile: what is written is of one moment. FILE holds the environment of containers, and is
    readable by its owner only.
    """
    from framework.adapters import backup_file, snapshot

    with told_faults():
        found = snapshot.take(zk, on_problem=tell_problem)
        if not found.is_framework or found.is_half_restored:
            what = "is being restored, or that broke off" if found.is_half_restored else "is not a framework's store"
            raise CommandFault(f"{found.url} {what}: there is nothing to back up.", CliExit.REFUSED)
        if not found.is_consistent:
            raise CommandFault(
                f"{found.url} changed each of the {snapshot.MAX_ROUNDS} times it was read: its scheduler writes without"
                " a pause. Nothing was written; try again when it does less.",
                CliExit.REFUSED,
            )
        report = found.report
        manifest = backup_file.manifest_of(found.url.root, found.taken_at, report)
        kept = backup_file.kept(found.nodes)
        length = backup_file.write(file, backup_file.Backup(manifest=manifest, nodes=kept), may_replace=may_replace)
    if as_json:
        print_json({"file": str(file), "bytes": length, **asdict(manifest), "is_good": report.is_good})
    else:
        click.echo(
            f"{found.url} is backed up to {file} ({size(length)}): {summary(report.counts)}; epoch {report.epoch}"
        )
        note(f"Keep {file} as secret as the stack files: it holds the environment of containers.")
    if not report.is_good:
        note("The store is not in order, and the backup is as it is:")
        note_findings([finding for finding in report.findings if finding.severity.value != "note"])
        raise SystemExit(CliExit.REFUSED)
