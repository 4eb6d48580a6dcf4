"""The orderly stop, as conversations with the executor's core: drain, pre_stop, signal, grace, KILL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from executor.core import commands as do
from executor.core import events as on
from executor.core.events import Purpose
from specs.model.stack import CheckKind, Container, HealthCheck, Hook, Stop
from tests.kit.executor_talk import Talk, only, order

TASK = order().task_id
GOODBYE = Hook(command=("goodbye",))
STOP = Stop(drain_seconds=20.0, grace_seconds=10.0)


def running(**settings: Any) -> Talk:
    """A conversation with a task that runs."""
    talk = Talk()
    talk.run(order(container=Container(image="a", **{"stop": STOP, **settings})))
    return talk


def kill(talk: Talk, grace_seconds: float | None = None) -> list[do.Command]:
    return talk.tell(on.KillReceived(task_id=TASK, grace_seconds=grace_seconds))


def signals(commands: list[do.Command]) -> list[str]:
    return [command.signal for command in only(do.Signal, commands)]


def test_a_task_drains_before_it_is_told_to_stop() -> None:
    talk = running()
    assert signals(kill(talk, 10.0)) == []
    assert (talk.states[-1], talk.statuses[-1].message) == ("KILLING", "drains for 20 s before it is told to stop")
    assert signals(talk.wait(19.9)) == []
    assert signals(talk.wait(0.2)) == ["SIGTERM"]
    assert signals(talk.wait(9.8)) == []
    assert signals(talk.wait(0.2)) == ["SIGKILL"]


def test_a_kill_that_is_repeated_changes_nothing_and_one_in_a_hurry_does() -> None:
    talk = running()
    kill(talk, 10.0)
    talk.wait(5)
    kill(talk, 10.0)
    assert signals(talk.wait(14)) == []
    kill(talk, 0.5)
    assert signals(talk.wait(0.6)) == ["SIGTERM"]
    assert signals(talk.wait(0.6)) == ["SIGKILL"]


def test_a_kill_without_grace_is_a_kill_even_while_it_drains() -> None:
    talk = running()
    kill(talk)
    assert signals(kill(talk, 0.0)) == ["SIGKILL"]


def test_a_first_kill_in_a_hurry_drains_no_longer_than_its_grace() -> None:
    talk = running()
    kill(talk, 2.0)
    assert signals(talk.wait(2.1)) == ["SIGTERM"]
    assert signals(talk.wait(2.1)) == ["SIGKILL"]


def test_a_task_that_never_was_ready_does_not_drain() -> None:
    talk = running(health=HealthCheck(kind=CheckKind.TCP))
    talk.wait(5)
    assert signals(kill(talk)) == ["SIGTERM"]


def test_the_drain_counts_from_when_nobody_was_sent_to_it_any_more() -> None:
    ready = HealthCheck(kind=CheckKind.TCP, interval_seconds=1.0, failures=1)
    talk = running(ready=ready)
    for is_healthy in (True, False):
        talk.wait(2)
        serial = only(do.Check, talk.said)[-1].serial
        talk.tell(
            on.CheckReported(task_id=TASK, purpose=Purpose.READY, serial=serial, is_healthy=is_healthy, message="")
        )
    talk.wait(15)
    kill(talk)
    assert signals(talk.wait(4.9)) == []
    assert signals(talk.wait(0.2)) == ["SIGTERM"]


def test_a_container_that_ends_while_it_drains_is_removed_at_once() -> None:
    talk = running()
    kill(talk)
    assert only(do.Remove, talk.tell(on.Exited(task_id=TASK, exit_code=0)))


def test_last_commands_run_between_drain_and_signal_within_the_grace() -> None:
    talk = running(pre_stop=(GOODBYE, GOODBYE))
    kill(talk)
    assert not only(do.RunHook, talk.wait(19.9))
    (first,) = only(do.RunHook, talk.wait(0.2))
    talk.wait(4)
    (second,) = only(do.RunHook, talk.tell(ended(first)))
    assert signals(talk.tell(ended(second))) == ["SIGTERM"]
    assert signals(talk.wait(5.7)) == []
    assert signals(talk.wait(0.3)) == ["SIGKILL"]


def ended(hook: do.RunHook, is_done: bool = True) -> on.HookEnded:
    return on.HookEnded(task_id=TASK, serial=hook.serial, is_done=is_done, message="goodbye: exit code 1: no net")


def test_a_last_command_that_fails_is_told_and_one_that_hangs_is_killed_with_the_task() -> None:
    for hangs in (False, True):
        talk = running(pre_stop=(GOODBYE,), stop=replace(STOP, drain_seconds=0.0))
        (hook,) = only(do.RunHook, kill(talk))
        if hangs:
            assert signals(talk.wait(10.1)) == ["SIGKILL"]
            assert talk.tell(ended(hook)) == []
        else:
            assert signals(talk.tell(ended(hook, is_done=False))) == ["SIGTERM"]
            assert talk.statuses[-1].message == "pre_stop failed: goodbye: exit code 1: no net"


def test_a_shutdown_does_not_wait_for_those_who_drain() -> None:
    talk = running(pre_stop=(GOODBYE,))
    kill(talk)
    assert only(do.RunHook, talk.tell(on.ShutdownReceived(reason="the agent says so")))
    assert signals(talk.wait(3.1)) == ["SIGKILL"]


def test_no_checks_are_made_of_a_task_that_drains() -> None:
    talk = running(ready=HealthCheck(kind=CheckKind.TCP))
    talk.wait(1)
    serial = only(do.Check, talk.said)[-1].serial
    report = on.CheckReported(task_id=TASK, purpose=Purpose.READY, serial=serial, is_healthy=True, message="")
    talk.tell(report)
    assert talk.statuses[-1].is_ready is True
    kill(talk)
    assert talk.statuses[-1].is_ready is False
    assert not only(do.Check, talk.wait(19))
