"""When endpoints are published and withdrawn, as conversations with the executor's core."""

from __future__ import annotations

from typing import Any

from discovery.endpoints import Endpoint, EndpointPort
from executor.core import commands as do
from executor.core import events as on
from executor.core.events import Purpose
from executor.core.publishing import WITHDRAW_SECONDS
from specs.ids import FrameworkId, TaskId, VersionId, group_id
from specs.model.stack import CheckKind, Container, HealthCheck, Hook, Port, Stop
from tests.kit.executor_talk import EPOCH, Talk, only, order

TASK = order().task_id
CHECK = HealthCheck(kind=CheckKind.TCP, interval_seconds=1.0, failures=1)
WATCHED = (do.Publish, do.Withdraw, do.Signal, do.RunHook, do.Remove)


def running(**settings: Any) -> Talk:
    """A conversation with a task that runs."""
    talk = Talk(publishes=True)
    talk.run(order(container=Container(image="a", **settings)))
    return talk


def watched(commands: list[do.Command]) -> list[str]:
    return [type(command).__name__ for command in commands if isinstance(command, WATCHED)]


def check(talk: Talk, purpose: Purpose, is_healthy: bool) -> list[do.Command]:
    """Waits for the next check of that kind, and reports of it."""
    talk.wait(2)
    serial = [each for each in only(do.Check, talk.said) if each.purpose is purpose][-1].serial
    return talk.tell(
        on.CheckReported(task_id=TASK, purpose=purpose, serial=serial, is_healthy=is_healthy, message="said")
    )


def answer(talk: Talk) -> list[do.Command]:
    """The back ends are done with the last withdrawal."""
    serial = only(do.Withdraw, talk.said)[-1].serial
    return talk.tell(on.Withdrawn(task_id=TASK, serial=serial))


def kill(talk: Talk, grace_seconds: float | None = None) -> list[do.Command]:
    return talk.tell(on.KillReceived(task_id=TASK, grace_seconds=grace_seconds))


def test_a_task_without_checks_is_published_when_it_runs() -> None:
    container = Container(image="a", ports=(Port(name="http", container_port=8080), Port(name="", container_port=0)))
    talk = Talk(publishes=True)
    talk.now = 5.0
    talk.run(order(container=container, host_ports=(31000, 31001)))
    (published,) = only(do.Publish, talk.said)
    assert published == do.Publish(
        endpoint=Endpoint(
            group=group_id("shop", "web"),
            slot=1,
            task_id=TASK,
            version=VersionId("0123456789ab"),
            hostname="agent1",
            address="10.0.0.5",
            ports=(
                EndpointPort(name="http", number=31000, container_port=8080),
                EndpointPort(name="", number=31001, container_port=31001),
            ),
            addresses=("172.17.0.2",),
            since=EPOCH + 5.0,
            framework=FrameworkId("F"),
        ),
        replaces=(),
    )


def test_where_there_is_no_back_end_nothing_is_published_and_nothing_waited_for() -> None:
    talk = Talk()
    talk.run()
    assert watched(talk.said) == []
    assert watched(kill(talk)) == ["Signal"]


def test_it_is_published_when_it_is_healthy_and_ready_and_before_that_is_told() -> None:
    talk = running(health=CHECK, ready=CHECK)
    assert watched(check(talk, Purpose.HEALTH, True)) == []
    heard = check(talk, Purpose.READY, True)
    assert [type(each) for each in heard][:2] == [do.Publish, do.SendStatus]


def test_it_is_published_only_once_its_first_commands_are_done() -> None:
    talk = running(post_start=(Hook(command=("hello",)),))
    assert watched(talk.said) == ["RunHook"]
    serial = only(do.RunHook, talk.said)[0].serial
    assert watched(talk.tell(on.HookEnded(task_id=TASK, serial=serial, is_done=True, message=""))) == ["Publish"]


def test_what_is_no_longer_ready_is_withdrawn_and_published_when_it_is_again() -> None:
    talk = running(ready=CHECK)
    assert watched(check(talk, Purpose.READY, True)) == ["Publish"]
    assert watched(check(talk, Purpose.READY, False)) == ["Withdraw"]
    assert watched(answer(talk)) == []
    assert watched(check(talk, Purpose.READY, True)) == ["Publish"]


def test_an_answer_to_a_withdrawal_of_before_is_not_taken_for_the_one_of_now() -> None:
    talk = running(ready=CHECK)
    for is_ready in (True, False, True):
        check(talk, Purpose.READY, is_ready)
    kill(talk)
    first, last = only(do.Withdraw, talk.said)
    assert watched(talk.tell(on.Withdrawn(task_id=TASK, serial=first.serial))) == []
    assert watched(talk.tell(on.Withdrawn(task_id=TASK, serial=last.serial))) == ["Signal"]


def test_nobody_finds_a_task_any_more_when_it_drains_and_is_told_to_stop() -> None:
    goodbye = Hook(command=("goodbye",))
    talk = running(stop=Stop(drain_seconds=20.0, grace_seconds=10.0), pre_stop=(goodbye,))
    assert watched(kill(talk)) == ["Withdraw"]
    assert talk.statuses[-1].message == "drains for 20 s before it is told to stop"
    talk.wait(0.5)
    assert watched(answer(talk)) == []
    assert watched(talk.wait(19.9)) == [], "the drain counts from when it was withdrawn"
    assert watched(talk.wait(0.2)) == ["RunHook"]
    hook = only(do.RunHook, talk.said)[-1]
    ended = on.HookEnded(task_id=TASK, serial=hook.serial, is_done=True, message="")
    assert watched(talk.tell(ended)) == ["Signal"]


def test_a_task_that_fails_its_checks_is_withdrawn_before_it_is_told_to_stop() -> None:
    talk = running(health=CHECK)
    check(talk, Purpose.HEALTH, True)
    assert watched(check(talk, Purpose.HEALTH, False)) == ["Withdraw"]
    assert watched(answer(talk)) == ["Signal"]


def test_a_back_end_that_is_away_keeps_no_task_alive() -> None:
    talk = running(stop=Stop(grace_seconds=10.0))
    assert watched(kill(talk)) == ["Withdraw"]
    assert watched(talk.wait(WITHDRAW_SECONDS - 0.1)) == []
    assert watched(talk.wait(0.2)) == ["Signal"]
    assert watched(answer(talk)) == []


def test_a_kill_without_grace_waits_for_the_withdrawal_and_for_nothing_else() -> None:
    talk = running(stop=Stop(drain_seconds=20.0, grace_seconds=10.0))
    kill(talk)
    kill(talk, 0.0)
    (signal,) = only(do.Signal, answer(talk))
    assert signal.signal == "SIGKILL"


def test_the_end_of_the_executor_leaves_no_time_to_drain_but_withdraws_first() -> None:
    talk = running(stop=Stop(drain_seconds=20.0, grace_seconds=10.0))
    assert watched(talk.tell(on.ShutdownReceived(reason="told"))) == ["Withdraw"]
    assert watched(answer(talk)) == ["Signal"]


def test_what_ended_by_itself_is_withdrawn_at_once() -> None:
    talk = running()
    assert watched(talk.tell(on.Exited(task_id=TASK, exit_code=1))) == ["Withdraw", "Remove"]
    assert watched(answer(talk)) == []
    talk.tell(on.Removed(task_id=TASK, exit_code=1))
    assert talk.states[-1] == "FAILED"
    assert watched(talk.wait(5)) == []


def test_what_is_adopted_is_published_in_the_place_of_its_predecessors() -> None:
    talk = Talk(publishes=True)
    before = TaskId("shop.web.1.0")
    talk.launch(order(predecessors=(before,), adopts=True))
    talk.tell(on.Adopted(task_id=TASK, container_id="c" * 64, addresses=(), started_at=EPOCH))
    (published,) = only(do.Publish, talk.said)
    assert (published.endpoint.task_id, published.replaces) == (TASK, (before,))
