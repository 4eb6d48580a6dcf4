"""The leader's work at the back ends of endpoints: it removes orphans, and publishes the settings of groups."""

from __future__ import annotations

import threading
from typing import Any

from discovery.backends.by_address import parse
from discovery.backends.janitor import Janitor, Living
from discovery.backends.theseus.configs import Configs
from framework.core.views import GroupView, View
from framework.core.volatile import Connection
from framework.ports import Clock, Front, Leadership
from specs.model.canonical import to_plain

TICK_SECONDS = 2.0
"""Time between two looks for changed settings of groups, in seconds."""
LOOK_SECONDS = 30.0
"""Time between two full passes over all endpoints and settings, in seconds."""


def start_upkeep(endpoints: str, front: Front, leadership: Leadership, clock: Clock) -> threading.Event:
    """Starts the upkeep of `endpoints`, URLs separated by spaces. It ends when the returned event is set."""
    over = threading.Event()
    upkeep = Upkeep(endpoints, front)

    def work() -> None:
        while not over.wait(TICK_SECONDS):
            if leadership.is_leader:
                upkeep.step(clock.now())

    if endpoints:
        threading.Thread(target=work, name="upkeep", daemon=True).start()
    return over


class Upkeep:
    """Compares the back ends with the newest view, one step after the other."""

    def __init__(self, endpoints: str, front: Front) -> None:
        urls = [parse(url) for url in endpoints.split()]
        self._front = front
        self._janitor = Janitor(*urls)
        self._configs = [Configs(url) for url in urls if url.scheme == "etcd"]
        self._published: list[Any] = []
        self._look_at = 0.0

    def step(self, now: float) -> None:
        """Does the work that is due at `now`, in seconds of a clock that never goes back."""
        is_due = now >= self._look_at
        if is_due:
            self._look_at = now + LOOK_SECONDS
            self._janitor.look(lambda: living(self._front.view), now)
        if self._configs:
            self._publish(self._front.view, is_due)

    def _publish(self, view: View, is_due: bool) -> None:
        if view.connection is not Connection.SUBSCRIBED or view.framework_id is None:
            return
        groups = [group for stack in view.stacks.values() for group in stack.groups]
        specs: list[Any] = [group.spec for group in groups]
        if is_due or specs != self._published:
            configs = {group.spec.id: settings_of(group) for group in groups}
            are_done = [each.keep(configs, view.framework_id) for each in self._configs]
            if all(are_done):
                self._published = specs


def living(view: View) -> Living | None:
    """The tasks that may have endpoints: all that are stored and have not ended.

    None while the scheduler cannot know: before the store is read and a master is connected, and while an approval
    request is open about tasks that are not in the store.
    """
    if view.connection is not Connection.SUBSCRIBED or view.framework_id is None or view.approval_requests:
        return None
    groups = (group for stack in view.stacks.values() for group in stack.groups)
    tasks = frozenset(task.id for group in groups for task in group.tasks)
    return Living(framework=view.framework_id, tasks=tasks)


def settings_of(group: GroupView) -> dict[str, Any]:
    """The settings of a group. Of variables only the names, and of templates all but their text: values and texts
    are often secrets, and many may read this."""
    return {
        "version": group.spec.version,
        "instances": group.spec.instances,
        "resources": to_plain(group.resources),
        "container": _without_values(to_plain(group.container)),
    }


def _without_values(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_without_values(each) for each in plain]
    if not isinstance(plain, dict):
        return plain
    return {
        key: [name for name, _ in value] if key == "environment" else _without_values(value)
        for key, value in plain.items()
        if key != "content"
    }
