"""People who release new versions, good and bad, at all paces, and who look after rollouts, or meddle with them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from framework.core.events import (
    BackoffResetRequested,
    ChangeRequest,
    RestartRequested,
    RollbackRequested,
    RolloutAction,
    RolloutActionRequested,
    StackSubmitted,
)
from specs.model.stack import Group, OnChange, Retry, Stack
from specs.model.update import OnFailure, Order, Share, Step, Update
from tests.simulation.images import Fate, image

BAD = tuple(fate for fate in Fate if fate is not Fate.WELL)
ONE, TWO, ALL = Share(count=1), Share(count=2), Share(percent=100)
HALF, QUARTER, NONE = Share(percent=50), Share(percent=25), Share()
STEPS = (
    *((), (), (), ()),
    (Step(until=ONE), Step(hold_seconds=20.0)),
    (Step(until=HALF), Step(hold_seconds=10.0), Step(until=ALL)),
    (Step(until=ONE), Step()),
)
MEANT = (RolloutAction.PAUSE, RolloutAction.RESUME, RolloutAction.PROMOTE)
"""Actions that can also name one service."""


class Releases:
    """Draws what they ask. `files` is what was last submitted of each stack, by its name."""

    def __init__(self, seed: int, files: dict[str, Stack]) -> None:
        self._rng = Random(f"{seed}/releases")
        self._files = files
        self._number = 2

    def ask(self, id: int, name: str, *, is_bad: bool) -> ChangeRequest | None:
        """The next thing that somebody asks about a stack; None where there is none yet. A release is a bad one where
        `is_bad`."""
        rng = self._rng
        pattern = rng.choice([name, f"{name}/web", "*"])
        match rng.choices(["release", "rollout", "rollback", "restart", "reset"], [8, 8, 2, 2, 1])[0]:
            case "release":
                return self.release(id, name, is_bad=is_bad)
            case "rollout":
                return self._of_rollout(id, name)
            case "rollback":
                return RollbackRequested(request_id=id, name=name, with_instances=rng.random() < 0.5)
            case "restart":
                wait = rng.choice([None, 0.0, 15.0])
                return RestartRequested(
                    request_id=id, pattern=pattern, wait_seconds=wait, is_all_at_once=rng.random() < 0.2
                )
        return BackoffResetRequested(request_id=id, pattern=pattern)

    def release(self, id: int, name: str, *, is_bad: bool) -> ChangeRequest | None:
        """The file that was submitted last, with other images and another pace."""
        file, rng = self._files.get(name), self._rng
        if file is None:
            return None
        self._number += 1
        fate = rng.choice(BAD) if is_bad else Fate.WELL
        groups = tuple(self._changed(group, fate) for group in file.groups)
        self._files[name] = file = replace(file, groups=groups)
        return StackSubmitted(request_id=id, stack=file, is_all_at_once=not is_bad and rng.random() < 0.1)

    def mend(self, id: int, name: str) -> ChangeRequest:
        """The file of a stack with a version that is well, at the usual pace."""
        self._number += 1
        file = self._files[name]
        groups = (
            replace(
                group, container=replace(group.container, image=image(self._number)), update=Update(), rollback=None
            )
            for group in file.groups
        )
        self._files[name] = file = replace(file, groups=tuple(groups))
        return StackSubmitted(request_id=id, stack=file)

    def _changed(self, group: Group, fate: Fate) -> Group:
        rng = self._rng
        container = group.container
        if rng.random() < 0.8:
            container = replace(container, image=image(self._number, fate))
        rollback = self._pace(is_back=True) if rng.random() < 0.3 else None
        dependencies = group.dependencies
        if rng.random() < 0.5:
            dependencies = tuple(replace(each, on_change=OnChange.RESTART) for each in dependencies)
        return replace(
            group,
            container=container,
            update=self._pace(),
            rollback=rollback,
            retry=rng.choice([Retry(), Retry(), Retry(attempts=3)]),
            dependencies=dependencies,
        )

    def _pace(self, *, is_back: bool = False) -> Update:
        rng = self._rng
        return Update(
            parallelism=rng.choice([ONE, TWO, HALF, NONE]),
            min_healthy=rng.choice([None, None, None, HALF, Share(percent=75), ALL]),
            max_surge=rng.choice([ONE, QUARTER, ALL, NONE]),
            order=rng.choice([None, None, Order.START_FIRST, Order.STOP_FIRST]),
            wait_seconds=rng.choice([0.0, 0.0, 5.0, 20.0]),
            monitor_seconds=rng.choice([5.0, 0.0, 15.0]),
            deadline_seconds=rng.choice([60.0, 120.0]),
            max_failures=rng.choice([NONE, ONE, HALF]),
            on_failure=rng.choice([OnFailure.PAUSE] if is_back else list(OnFailure)),
            steps=() if is_back else rng.choice(STEPS),
        )

    def _of_rollout(self, id: int, name: str) -> ChangeRequest:
        rng = self._rng
        action = rng.choices(list(RolloutAction), [2, 3, 1, 2, 3])[0]
        service = rng.choice(["", "", "web", "db"]) if action in MEANT else ""
        return RolloutActionRequested(request_id=id, stack=name, action=action, service=service, asked_by="ann")
