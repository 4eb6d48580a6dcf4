"""Checks of stacks that anyone may ask for hold up no change."""

from __future__ import annotations

import threading

import anyio
import pytest

from framework.api.routes import stack_bodies


def test_plans_whose_templates_take_long_hold_up_no_submission(monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on = threading.Event()
    checked: list[str] = []

    def check(plain: object, name: str) -> str:
        if name == "planned":
            may_go_on.wait(60)
        checked.append(name)
        return name

    monkeypatch.setattr(stack_bodies, "_load", check)

    async def all_at_once() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(lambda: stack_bodies.stack_from_body(b"{}", "planned", is_changing=False))
            await anyio.sleep(0)
            await stack_bodies.stack_from_body(b"{}", "submitted", is_changing=True)
            may_go_on.set()

    anyio.run(all_at_once)
    assert checked[0] == "submitted"
    assert len(checked) == 101
