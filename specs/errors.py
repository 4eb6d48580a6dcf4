"""What is wrong with a stack, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake. `path` is the place in the document (`services.web.ports[1]`); `line` and `column` count from 1,
    and are 0 where there is no file: what came as JSON, or by `--set`."""

    path: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.path, self.message) if part)

    @property
    def place(self) -> str:
        """`file:line:column`, as far as they are known."""
        return place(self.file, self.line, self.column)


class StackError(ValueError):
    """A stack that cannot be used. `faults` are all its mistakes, in the order of the files."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def place(file: str, line: int, column: int) -> str:
    """`file:line:column`, as far as they are known."""
    return ":".join(str(part) for part in (file, line, column) if part)
