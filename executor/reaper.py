"""Containers that nobody claims: left behind by an executor that died, of our framework and on this agent. Pure."""

from __future__ import annotations

from collections.abc import Collection

from executor.commands import Reap
from executor.events import Found
from specs.ids import TaskId


def strays(containers: tuple[Found, ...], known: Collection[TaskId]) -> tuple[Reap, ...]:
    """What to remove of the containers found. `known` are the tasks that this executor still works on.

    A container of another living executor (a newer or older version of us beside us) is none of our business.
    """
    return tuple(
        Reap(container_id=found.container_id, task_id=found.task_id)
        for found in containers
        if found.task_id not in known and (found.is_ours or found.is_abandoned)
    )
