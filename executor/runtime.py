"""The port of whatever runs tasks: containers, plain processes, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, Protocol

from executor.core.events import Adopted, Created, Event, Exited, ImageMissing, NothingToAdopt, Removed, Started
from executor.core.order import Order
from executor.terminal import ExecRequest, Terminal
from specs.model.stack import Hook

Post = Callable[[Event], None]


class Fault(Exception):
    """A failed operation: the text is for the user. `is_temporary`: its outcome is unknown, because the engine could
    not be reached. `permanent` is a word of specs.permanence if another attempt would fail in the same way."""

    def __init__(self, message: str, *, is_temporary: bool = False, permanent: str = "") -> None:
        super().__init__(message)
        self.is_temporary = is_temporary
        self.permanent = permanent


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """The outcome of a check or a command."""

    is_healthy: bool
    #: The answer, or the last line of the output, in words.
    message: str
    #: Status code, exit code, or 1 or 0 for a connection; None without an answer.
    code: int | None = None


def exit_message(code: int, output: bytes) -> str:
    """The exit code of a command, with the last line of its output."""
    last = output.decode(errors="replace").strip().rpartition("\n")[2]
    return f"exit code {code}" + (f": {last[:200]}" if last else "")


class Runtime(Protocol):
    """Blocking operations. Each is called in a thread that it can hold for as long as it needs, and raises Fault.

    The end of a started task is posted as an Exited event.
    """

    def adopt(self, order: Order) -> Adopted | NothingToAdopt:
        """Takes over the container that the order's predecessors have left, or removes it if the order does not adopt.
        Its end is posted as if this runtime had started it."""
        ...

    def create(self, order: Order) -> Created | ImageMissing:
        """Creates the container or process directory. Success if it is there already."""
        ...

    def start(self, order: Order) -> Started:
        """Starts it. Success if it runs already."""
        ...

    def signal(self, order: Order, signal: str, /) -> None:
        """Sends a signal, by name. Success if it has ended already."""
        ...

    def remove(self, order: Order) -> Removed:
        """Kills it if it still runs, drains its output, removes it. Success if it is gone already."""
        ...

    def execute(self, order: Order, hook: Hook, /) -> CheckOutcome:
        """Runs a command where the task runs. Never raises."""
        ...

    def attach(self, order: Order, request: ExecRequest, /) -> Terminal:
        """Starts the command of an exec session where the task runs. It ends with the task at the latest."""
        ...


class Nothing:
    """Runs nothing, at once: for benchmarks of everything else."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def adopt(self, order: Order) -> NothingToAdopt:
        return NothingToAdopt(task_id=order.task_id)

    def create(self, order: Order) -> Created:
        return Created(task_id=order.task_id, container_id="")

    def start(self, order: Order) -> Started:
        return Started(task_id=order.task_id, addresses=(order.address,))

    def signal(self, order: Order, _signal: str) -> None:
        self._post(Exited(task_id=order.task_id, exit_code=0))

    def remove(self, order: Order) -> Removed:
        return Removed(task_id=order.task_id, exit_code=0)

    def execute(self, _order: Order, _hook: Hook) -> CheckOutcome:
        return CheckOutcome(is_healthy=True, message="nothing runs", code=0)

    def attach(self, order: Order, _request: ExecRequest) -> NoReturn:
        raise Fault(f"nothing runs here, and {order.task_id} neither: its executor only says so")
