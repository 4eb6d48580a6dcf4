"""What the loop wants of whatever runs tasks: containers, plain processes, or nothing at all."""

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
    """An operation came to nothing: the text is for the user. `is_temporary`: its outcome is unknown, as the engine
    could not be reached. `permanent` is a word of specs.permanence where trying again would not mend it."""

    def __init__(self, message: str, *, is_temporary: bool = False, permanent: str = "") -> None:
        super().__init__(message)
        self.is_temporary = is_temporary
        self.permanent = permanent


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """What a check found, or how a command ended: `message` says what came back, `code` is the status code, the exit
    code, or 1 or 0 for a connection; None where nothing came back."""

    is_healthy: bool
    message: str
    code: int | None = None


def exit_message(code: int, output: bytes) -> str:
    """How a command ended, with the last line that it said."""
    last = output.decode(errors="replace").strip().rpartition("\n")[2]
    return f"exit code {code}" + (f": {last[:200]}" if last else "")


class Runtime(Protocol):
    """Blocking operations, each called in a thread that it may hold for as long as it needs, each raising Fault.

    Once started, a task's end is posted as an Exited event.
    """

    def adopt(self, order: Order) -> Adopted | NothingToAdopt:
        """Takes over what the order's predecessors left running, or removes it where the order does not adopt. Its end
        is posted as if it had been started."""
        ...

    def create(self, order: Order) -> Created | ImageMissing:
        """Makes ready what is to be started. Done already is success."""
        ...

    def start(self, order: Order) -> Started:
        """Starts it. Running already is success."""
        ...

    def signal(self, order: Order, signal: str, /) -> None:
        """Sends a signal, by name. Ended already is success."""
        ...

    def remove(self, order: Order) -> Removed:
        """Kills what still runs, drains its output, removes it. Gone already is success."""
        ...

    def execute(self, order: Order, hook: Hook, /) -> CheckOutcome:
        """Runs a command where the task runs. Never raises."""
        ...

    def attach(self, order: Order, wanted: ExecRequest, /) -> Terminal:
        """Starts a command where the task runs, with somebody at its other end. It ends with the task."""
        ...


class Nothing:
    """Runs nothing, at once: for benchmarks of all that is around."""

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

    def attach(self, order: Order, _wanted: ExecRequest) -> NoReturn:
        raise Fault(f"nothing runs here, and {order.task_id} neither: its executor only says so")
