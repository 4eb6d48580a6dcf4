"""The common part of commands that look at the store in ZooKeeper itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from framework.cli.faults import CommandFault
from framework.cli.output import note, plural, size
from framework.cli.server import printable
from framework.exits import CliExit

if TYPE_CHECKING:
    from framework.adapters.checking import Counts, Finding

F = TypeVar("F", bound=Callable[..., Any])


def with_zk(*, is_required: bool) -> Callable[[F], F]:
    """Adds --zk, handed over as `zk`."""
    return click.option(
        "--zk",
        metavar="zk://HOST:PORT,…/PATH",
        envvar="FRAMEWORK_ZK",
        required=is_required,
        show_envvar=True,
        help="ZooKeeper, and the path under which the schedulers store what they know.",
    )


@contextmanager
def told_faults() -> Iterator[None]:
    """Makes what goes wrong with a store or a backup a sentence and an exit code."""
    from framework.adapters.backup_file import BackupFault
    from framework.ports import StoreFault

    try:
        yield
    except BackupFault as fault:
        raise CommandFault(printable(str(fault)), CliExit.REFUSED) from None
    except StoreFault as fault:
        raise CommandFault(printable(str(fault)), CliExit.REFUSED) from None
    except ValueError as error:
        raise CommandFault(f"--zk: {printable(str(error))}", CliExit.USAGE) from None


def tell_problem(problem: str) -> None:
    """Says why ZooKeeper cannot be reached, or that it can be again."""
    note(printable(problem) if problem else "ZooKeeper can be reached again")


def summary(counts: Counts) -> str:
    """The contents of a store, in one line."""
    return (
        f"{plural(counts.stacks, 'stack')}, {plural(counts.versions, 'version')}, {plural(counts.tasks, 'task')}"
        f" ({counts.living} living), {plural(counts.agents, 'agent')}; {plural(counts.nodes, 'node')},"
        f" {size(counts.bytes)}"
    )


def note_findings(findings: Sequence[Finding]) -> None:
    """Says the findings, each in a line, on standard error."""
    for finding in findings:
        note(f"{finding.severity.value}: {printable(finding.text)}")
