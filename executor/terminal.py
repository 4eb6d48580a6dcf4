"""A command with somebody at its other end: the port. Inside a container it is executor.container.exec_session, beside
a plain process executor.process.exec_session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be run: `rows` and `columns` are those of the terminal, where it is to have one. Without `has_input`
    its standard input is empty. `user` and `working_dir` empty: those of the task."""

    command: tuple[str, ...]
    has_terminal: bool = False
    has_input: bool = False
    rows: int = 0
    columns: int = 0
    user: str = ""
    working_dir: str = ""
    environment: Mapping[str, str] | None = None


class Terminal(Protocol):
    """A command that runs. One thread reads its output, another writes its input."""

    def output(self) -> Iterator[tuple[str, bytes]]:
        """What it writes, as (stdout or stderr, bytes), until it has ended."""
        ...

    def write(self, data: bytes) -> None:
        """Gives it input; what it does not want any more is left out."""
        ...

    def end_input(self) -> None:
        """Its standard input ends here."""
        ...

    def resize(self, rows: int, columns: int) -> None:
        """The terminal has another size."""
        ...

    def exit_code(self) -> int:
        """How it ended, once its output has. Raises Fault where nobody knows."""
        ...

    def kill(self) -> None:
        """Ends it, since nobody is at its other end any more. Ended already is success."""
        ...

    def close(self) -> None:
        """Lets go of it: nothing else is called after that."""
        ...
