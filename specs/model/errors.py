"""Mistakes in a stack, with their places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from specs.model.limits import MAX_FAULTS


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


class Faults:
    """Mistakes as they are found, each once: what a service gets wrong, all its groups repeat.

    Raises StackError by itself when there are too many to be of use.
    """

    def __init__(self) -> None:
        self._found: dict[Fault, None] = {}
        self.count = 0
        """How many were added, repetitions too."""

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, fault: Fault) -> None:
        """Adds a mistake."""
        self.count += 1
        self._found[fault] = None
        if len(self._found) > MAX_FAULTS:
            more = Fault("", f"there are more mistakes; these are {MAX_FAULTS} of them", fault.file)
            raise StackError([*list(self.in_order())[:MAX_FAULTS], more])

    def add_all(self, faults: Iterable[Fault]) -> None:
        """Adds several."""
        for fault in faults:
            self.add(fault)

    def in_order(self) -> tuple[Fault, ...]:
        """The mistakes in the order of the files; what has no line comes last."""
        return tuple(sorted(self._found, key=lambda one: (one.line == 0, one.file, one.line, one.column)))


def place(file: str, line: int, column: int) -> str:
    """`file:line:column`, as far as they are known."""
    return ":".join(str(part) for part in (file, line, column) if part)
