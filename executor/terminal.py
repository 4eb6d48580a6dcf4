"""The terminal of an exec session: the port.

executor.container.container_terminal implements it inside a container, executor.process.process_terminal beside a plain
process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecRequest:
    """The command of one exec session and how it runs."""

    command: tuple[str, ...]
    #: Whether it gets a terminal; without one its output is two pipes.
    has_terminal: bool = False
    #: Whether it gets input; without it standard input is empty.
    has_input: bool = False
    #: Height and width of the terminal in characters, 0 if unknown.
    rows: int = 0
    columns: int = 0
    #: User and working directory; "" means those of the task.
    user: str = ""
    working_dir: str = ""
    #: Added to the task's environment.
    environment: Mapping[str, str] | None = None


class Terminal(Protocol):
    """A command that runs. One thread reads its output, another writes its input."""

    def output(self) -> Iterator[tuple[str, bytes]]:
        """Its output as (stdout or stderr, bytes), until it has ended."""
        ...

    def write(self, data: bytes) -> None:
        """Writes to its input; dropped once the command reads no more."""
        ...

    def end_input(self) -> None:
        """Closes its standard input."""
        ...

    def resize(self, rows: int, columns: int) -> None:
        """Changes the size of the terminal."""
        ...

    def exit_code(self) -> int:
        """Its exit code, once its output has ended. Raises Fault if it is unknown."""
        ...

    def kill(self) -> None:
        """Kills it. Success if it has already ended."""
        ...

    def close(self) -> None:
        """Releases its descriptors. The last call."""
        ...
