"""The leader looks through the back ends now and then, for endpoints that no task owns."""

from __future__ import annotations

import threading

from discovery.back_ends import parse
from discovery.janitor import Janitor, Living
from framework.core.views import Connection
from framework.ports import Clock, Front, Leadership

LOOK_SECONDS = 30.0


def start_sweeping(endpoints: str, front: Front, leadership: Leadership, clock: Clock) -> threading.Event:
    """Begins to look at all of `endpoints`, URLs with spaces between; ends when the event is set."""
    over = threading.Event()
    janitor = Janitor(*(parse(url) for url in endpoints.split()))

    def sweep() -> None:
        while not over.wait(LOOK_SECONDS):
            if leadership.is_leader:
                janitor.look(lambda: living(front), clock.now())

    threading.Thread(target=sweep, name="sweeping", daemon=True).start()
    return over


def living(front: Front) -> Living | None:
    """Whose endpoints may be there: all tasks that are stored and have not ended.

    None while that cannot be said: before all is read and a master is there, and while it waits for an operator whether
    the store knows all tasks.
    """
    view = front.view
    if view.connection is not Connection.SUBSCRIBED or view.framework_id is None or view.questions:
        return None
    groups = (group for stack in view.stacks.values() for group in stack.groups)
    tasks = frozenset(task.id for group in groups for task in group.tasks)
    return Living(framework=view.framework_id, tasks=tasks)
