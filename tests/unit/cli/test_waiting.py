"""Waiting: it ends when all is done, tells each change once, and says what it waits for when it gives up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from framework.cli.faults import CommandFault
from framework.cli.server import Address, Server
from framework.cli.waiting import Wait
from framework.core.model import Backoff, Task
from framework.core.views import GroupState, StackView, View, Waiting
from framework.core.volatile import Connection, Progress
from specs.ids import group_id
from specs.model.constraints import Mode
from specs.model.stack import Container, Restart
from specs.states import Goal, Health, TaskState
from tests.kit.front import NOW, FakeFront, a_group, a_stack, a_task, a_view
from tests.unit.cli.conftest import Serve

WEB = group_id("shop", "web")
OLD = Container(image="acme/web:1.3")


def _stack(*tasks: Task, index: int = 2, **group: object) -> StackView:
    return a_stack("shop", [a_group(WEB, tasks=tasks, **group)], index=index)  # type: ignore[arg-type]


def _wait(url: str, steps: list[Callable[[], None]], **more: object) -> None:
    """Waits; before each look but the first, one of the steps happens and ten seconds pass."""
    now = [0.0]

    def sleep(_seconds: float) -> None:
        now[0] += 10
        if steps:
            steps.pop(0)()

    wait = Wait(
        server=Server(Address(url, "a test"), None),
        pattern="shop",
        index=2,
        timeout_seconds=60,
        clock=lambda: now[0],
        sleep=sleep,
    )
    replace(wait, **more).run()  # type: ignore[arg-type]


def _shows(front: FakeFront, *views: View) -> list[Callable[[], None]]:
    front.view, rest = views[0], views[1:]
    return [lambda view=view: front.publish(view) for view in rest]  # type: ignore[misc]


def test_each_change_is_told_once(serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]) -> None:
    starting = a_task(WEB, state=TaskState.STARTING, health=Health.UNKNOWN)
    waiting = _stack(
        instances=2,
        state=GroupState.WAITING,
        waiting=[Waiting(slot=0, cause="no offer"), Waiting(slot=1, cause="no offer", until=NOW + 30)],
    )
    pulling = a_view(
        [_stack(starting, a_task(WEB, 1, 2, health=Health.UNKNOWN), instances=2, state=GroupState.WAITING)],
        progress={starting.id: Progress(stage="pulling", done_bytes=1 << 20, total_bytes=4 << 20)},
    )
    done = a_view([_stack(a_task(WEB), a_task(WEB, 1, 2), instances=2)])
    _wait(serve(), _shows(front, a_view([waiting]), a_view([waiting]), pulling, pulling, done))
    assert capsys.readouterr().err.splitlines() == [
        "shop/web: 0/2 ready: 2 slots: no offer (in 30s)",
        "shop/web: 0/2 ready: 1 starting; 1 running, not ready yet; pulling 1.0 MiB of 4.0 MiB",
        "shop/web: 2/2 ready",
    ]


def test_a_wait_that_has_become_shorter_is_no_change(
    serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]
) -> None:
    def waits(failures: int, until: float) -> StackView:
        backoff = Backoff(at=until - 30, until=until, delay_seconds=30, failures=failures, cause="exit code 1")
        waiting = Waiting(slot=0, cause="waits 30 s", until=until, backoff=backoff)
        return _stack(instances=1, state=GroupState.WAITING, waiting=[waiting])

    first, second = waits(4, NOW + 30), waits(5, NOW + 50)
    done = a_view([_stack(a_task(WEB), instances=1)])
    later = [replace(a_view([first]), at=NOW + passed) for passed in (0, 1, 12)]
    _wait(serve(), _shows(front, *later, replace(a_view([second]), at=NOW + 20), done))
    assert capsys.readouterr().err.splitlines() == [
        "shop/web: 0/1 ready: 1 slot: waits 30s (of 30s, 4 failures) after: exit code 1",
        "shop/web: 0/1 ready: 1 slot: waits 30s (of 30s, 5 failures) after: exit code 1",
        "shop/web: 1/1 ready",
    ]


def test_an_older_picture_of_the_stack_is_not_believed(serve: Serve, front: FakeFront) -> None:
    looks = _shows(front, a_view([_stack(a_task(WEB), index=1)]), a_view([_stack(a_task(WEB), index=2)]))
    _wait(serve(), looks)
    assert looks == []


def test_outdated_tasks_must_be_gone(serve: Serve, front: FakeFront) -> None:
    old = a_task(WEB, 1, 9, container=OLD)
    looks = _shows(front, a_view([_stack(a_task(WEB), old)]), a_view([_stack(a_task(WEB))]))
    _wait(serve(), looks)
    assert looks == []


def test_a_restart_is_done_when_the_tasks_are_new(serve: Serve, front: FakeFront) -> None:
    looks = _shows(
        front, a_view([_stack(a_task(WEB), generation=1)]), a_view([_stack(a_task(WEB, generation=1), generation=1)])
    )
    _wait(serve(), looks)
    assert looks == []


def test_stopped_groups_are_done_when_their_tasks_are_gone(serve: Serve, front: FakeFront) -> None:
    killing = a_task(WEB, state=TaskState.KILLING)
    looks = _shows(
        front,
        a_view([_stack(killing, is_stopped=True, state=GroupState.STOPPED)]),
        a_view([_stack(is_stopped=True, state=GroupState.STOPPED)]),
    )
    _wait(serve(), looks)
    assert looks == []


def test_finished_groups_are_done(serve: Serve, front: FakeFront) -> None:
    ended = a_task(WEB, state=TaskState.FINISHED, exit_code=0, ended_at=NOW)
    front.view = a_view([_stack(state=GroupState.FINISHED, restart=Restart.ON_FAILURE, ended=[ended])])
    _wait(serve(), [])


def test_a_task_that_failed_for_good_ends_the_wait(serve: Serve, front: FakeFront) -> None:
    ended = a_task(WEB, state=TaskState.FAILED, exit_code=3, message="the container exited", ended_at=NOW)
    front.view = a_view([_stack(state=GroupState.FINISHED, restart=Restart.NEVER, ended=[ended])])
    with pytest.raises(CommandFault) as caught:
        _wait(serve(), [])
    assert caught.value.exit_code == 1
    assert caught.value.message == "shop/web failed: shop.web.0.1 is FAILED, exit code 3: the container exited"


def test_what_failed_is_not_called_finished_and_its_exit_code_is_said_once(
    serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = a_task(WEB, state=TaskState.FAILED, exit_code=3, message="exit code 3 after 2.0 s", ended_at=NOW)
    front.view = a_view([_stack(state=GroupState.FINISHED, restart=Restart.NEVER, ended=[ended])])
    with pytest.raises(CommandFault) as caught:
        _wait(serve(), [])
    assert caught.value.message == "shop/web failed: shop.web.0.1 is FAILED: exit code 3 after 2.0 s"
    assert capsys.readouterr().err == "shop/web: failed\n"


def test_giving_up_says_what_it_still_waits_for(serve: Serve, front: FakeFront) -> None:
    waiting = [Waiting(slot=0, cause="no offer has 4 cpus")]
    front.view = a_view([_stack(state=GroupState.WAITING, waiting=waiting)], problem="Only one agent is known.")
    with pytest.raises(CommandFault) as caught:
        _wait(serve(), [])
    assert caught.value.exit_code == 4
    assert caught.value.message == (
        "Gave up waiting after 60s; the work goes on. It still waits for:\n"
        "  shop/web: 0/1 ready: 1 slot: no offer has 4 cpus\n"
        "  Only one agent is known."
    )


UNPLACED = "0/3 agents fit: 3 cpus (wanted 64, best 3.7)"
HINT = "`framework explain shop/web` tells why, agent by agent, and what would help."


def test_a_long_wait_for_room_says_once_where_to_look(
    serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]
) -> None:
    view = a_view([_stack(state=GroupState.WAITING, waiting=[Waiting(slot=0, cause=UNPLACED, is_unplaced=True)])])
    _wait(serve(), _shows(front, view, view, view, a_view([_stack(a_task(WEB))])))
    assert capsys.readouterr().err.splitlines() == [
        f"shop/web: 0/1 ready: 1 slot: {UNPLACED}",
        HINT,
        "shop/web: 1/1 ready",
    ]


def test_a_short_wait_or_another_cause_says_nothing_of_it(
    serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]
) -> None:
    unplaced = a_view([_stack(state=GroupState.WAITING, waiting=[Waiting(slot=0, cause=UNPLACED, is_unplaced=True)])])
    backs_off = a_view([_stack(state=GroupState.WAITING, waiting=[Waiting(slot=0, cause="waits 2 s after: oops")])])
    _wait(serve(), _shows(front, unplaced, backs_off, a_view([_stack(a_task(WEB))])))
    assert "framework explain" not in capsys.readouterr().err


def test_giving_up_says_where_to_look(serve: Serve, front: FakeFront) -> None:
    front.view = a_view([_stack(state=GroupState.WAITING, waiting=[Waiting(slot=0, cause=UNPLACED, is_unplaced=True)])])
    with pytest.raises(CommandFault) as caught:
        _wait(serve(), [])
    assert caught.value.message.endswith(f"  shop/web: 0/1 ready: 1 slot: {UNPLACED}\n{HINT}")


def test_a_stack_that_somebody_removed(serve: Serve, front: FakeFront) -> None:
    with pytest.raises(CommandFault, match="somebody removed it meanwhile") as caught:
        _wait(serve(), _shows(front, a_view([_stack(state=GroupState.WAITING)]), a_view()))
    assert caught.value.exit_code == 1


def test_removal_is_done_when_nothing_is_left(
    serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = _shows(front, a_view([_stack(a_task(WEB), state=GroupState.REMOVING)]), a_view())
    _wait(serve(), looks, is_removal=True)
    assert capsys.readouterr().err == "shop/web: stopping, 1 left\n"


def test_tasks_that_go_are_not_said_to_be_unhealthy(
    serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]
) -> None:
    going = a_view([_stack(a_task(WEB), state=GroupState.REMOVING, wanted=0)])
    _wait(serve(), _shows(front, going, a_view()), is_removal=True)
    assert capsys.readouterr().err == "shop/web: stopping, 1 left\n"


def test_a_global_group_that_can_run_nowhere_is_not_stopped(
    serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = _stack(mode=Mode.GLOBAL, wanted=0)
    _wait(serve(), _shows(front, a_view([nowhere])))
    assert capsys.readouterr().err == "shop/web: no agent on which it can run\n"


def test_no_scheduler_is_waited_for_and_then_no_leader(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandFault) as caught:
        _wait("http://127.0.0.1:9", [])
    assert caught.value.exit_code == 3
    assert capsys.readouterr().err.count("No scheduler answers") == 1


def test_a_scheduler_that_has_just_started_knows_no_stack_yet(serve: Serve, front: FakeFront) -> None:
    looks = _shows(
        front,
        a_view([_stack(state=GroupState.WAITING)]),
        a_view(connection=Connection.LOADING),
        a_view([_stack(a_task(WEB))]),
    )
    _wait(serve(), looks)
    assert looks == []


def test_an_interrupt_says_that_the_work_goes_on(
    serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    front.view = a_view([_stack(state=GroupState.WAITING)])
    with pytest.raises(KeyboardInterrupt):
        _wait(serve(), [interrupt])
    assert "The work goes on; `framework ps shop` shows how far it is." in capsys.readouterr().err


def test_a_new_check_that_has_not_spoken_is_waited_for(
    serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]
) -> None:
    unasked = a_task(WEB, health=Health.UNKNOWN, is_on_probation=True)
    _wait(serve(), _shows(front, a_view([_stack(unasked)]), a_view([_stack(a_task(WEB))])))
    assert capsys.readouterr().err.splitlines() == [
        "shop/web: 1/1 ready: 1 task to pass the new check",
        "shop/web: 1/1 ready",
    ]


def test_an_old_task_that_has_been_replaced_and_has_not_ended_is_waited_for(
    serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]
) -> None:
    new = a_task(WEB, 0, 2)
    old = a_task(WEB, 0, 1, goal=Goal.STOP, state=TaskState.KILLING)
    away = a_task(WEB, 0, 1, goal=Goal.STOP, state=TaskState.UNREACHABLE)
    _wait(serve(), _shows(front, a_view([_stack(old, new)]), a_view([_stack(away, new)])))
    assert capsys.readouterr().err.splitlines() == [
        "shop/web: 1/1 ready: 1 killing; 1 task to end",
        "shop/web: 1/1 ready",
    ]
