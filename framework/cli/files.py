"""Stack files as commands take them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from framework.cli.faults import CommandFault
from framework.exits import CliExit
from specs.file.load import Override, load_files, load_stack
from specs.model.errors import StackError
from specs.model.limits import MAX_FILE_BYTES
from specs.model.stack import Stack

F = TypeVar("F", bound=Callable[..., Any])


def with_file(function: F) -> F:
    """Adds FILE, --name, -o and --set, handed over as `file`, `name`, `overrides` and `sets`."""
    function = click.option(
        "--set", "sets", metavar="PATH=VALUE", multiple=True, help="Set a value, as services.web.image=acme/web:2."
    )(function)
    function = click.option(
        "-o", "--override", "overrides", metavar="FILE", multiple=True, help="A file of values that win over FILE's."
    )(function)
    function = click.option("--name", metavar="NAME", help="The stack's name, instead of the one in FILE.")(function)
    return click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))(function)


def load(file: str, name: str | None, overrides: Sequence[str], sets: Sequence[str]) -> Stack:
    """The stack of the file; ends the command with every fault, one per line, where there are any."""
    settings = [_setting(text) for text in sets]
    try:
        if file == "-":
            return load_stack(
                sys.stdin.buffer.read(MAX_FILE_BYTES + 1),
                name=name,
                variables=os.environ,
                file="standard input" if name is None else "<stdin>",
                overrides=[_override(one) for one in overrides],
                settings=settings,
            )
        return load_files(Path(file), [Path(one) for one in overrides], settings, name=name, variables=os.environ)
    except StackError as error:
        lines = [str(fault) for fault in error.faults]
        if len(lines) > 1:
            lines.append(f"{file} has {len(lines)} mistakes; nothing was changed.")
        raise CommandFault("\n".join(lines), CliExit.USAGE) from None


def _override(file: str) -> Override:
    try:
        with Path(file).open("rb") as opened:
            return Override(opened.read(MAX_FILE_BYTES + 1), file)
    except OSError as error:
        raise CommandFault(f"{file}: cannot be read: {str(error.strerror).lower()}", CliExit.USAGE) from None


def _setting(text: str) -> tuple[str, str]:
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise CommandFault(f"--set wants PATH=VALUE, as services.web.image=acme/web:2; got {text!r}.", CliExit.USAGE)
    return path.strip(), value
