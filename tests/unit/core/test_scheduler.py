"""The scheduler's dispatch: nothing that it does not know passes in silence, and a refusal of Mesos halts it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from framework.core.commands import Halt, HaltCause
from framework.core.events import FrameworkRefused, Woke
from framework.core.state.timers import Timer
from tests.kit.conversation import Conversation, group


def test_an_event_that_nobody_handles_is_a_bug() -> None:
    talk = Conversation()
    with pytest.raises(AssertionError):
        talk.scheduler.handle(cast(Any, object()), talk.now)


def test_a_timer_that_nobody_handles_is_a_bug() -> None:
    talk = Conversation()
    talk.scheduler.context.timers.set(cast(Any, "no timer of ours"), "", talk.now)
    with pytest.raises(AssertionError):
        talk.scheduler.handle(Woke(), talk.now)


@pytest.mark.parametrize("timer", Timer)
def test_every_timer_is_handled_also_when_what_it_names_is_gone(timer: Timer) -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    for name in ("", task.id, str(task.group), "shop/gone", "shop.gone.0.1"):
        talk.scheduler.context.timers.set(timer, name, talk.now)
        talk.say(Woke())
        assert talk.scheduler.context.timers.due(timer, name) != talk.now


def test_a_removed_framework_halts_and_touches_nothing() -> None:
    talk = Conversation()
    talk.up(group())
    (halt,) = talk.say(FrameworkRefused(message="Framework has been removed"))
    assert isinstance(halt, Halt) and halt.cause is HaltCause.FRAMEWORK_REMOVED
    (halt,) = talk.say(FrameworkRefused(message="Role 'x' is not present in the master's --roles"))
    assert isinstance(halt, Halt) and halt.cause is HaltCause.MESOS_REFUSED
