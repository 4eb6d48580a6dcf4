"""Faults that end a command: a sentence on standard error, and an exit code."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import click

from framework.exits import CliExit


def must_be_readable(file: Path) -> None:
    """Raises CommandFault, as for any wrong command line, where a file that was named cannot be read."""
    try:
        with file.open("rb"):
            return
    except OSError as error:
        raise CommandFault(f"{file}: cannot be read: {str(error.strerror).lower()}", CliExit.USAGE) from None


class CommandFault(click.ClickException):
    """Ends the command with a message that says what to do, and one of the exit codes."""

    def __init__(self, message: str, exit_code: CliExit) -> None:
        super().__init__(message)
        vars(self)["exit_code"] = int(exit_code)

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)
