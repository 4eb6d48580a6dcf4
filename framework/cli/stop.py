"""framework stop"""

from __future__ import annotations

import click

from framework.cli.asking import change_groups
from framework.cli.options import (
    complete_groups,
    with_labels,
    with_labels_in,
    with_message,
    with_retry,
    with_server,
    with_wait,
)
from framework.cli.server import Server


@click.command()
@click.argument("pattern", metavar="PATTERN", shell_complete=complete_groups)
@with_labels
@with_message
@with_wait
@with_retry
@with_server
def stop(pattern: str, labels: str, message: str, wait: bool, timeout: float, server: Server, as_json: bool) -> None:
    """Stop groups until they are started again; how many tasks they have is kept in mind.

    PATTERN is a stack, stack/service or stack/service[label,…], where * and ? stand for anything.
    """
    pattern = with_labels_in(pattern, labels)
    change_groups(server, "stop", pattern, {}, message=message, as_json=as_json, wait=wait, timeout_seconds=timeout)
