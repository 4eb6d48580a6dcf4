"""framework rollout, and the waiting for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from framework.cli.faults import CommandFault
from framework.cli.following import Follow
from framework.cli.server import Address, Server
from framework.core.commands import Done, Outcome
from framework.core.events import RestartRequested, RolloutAction, RolloutActionRequested, UserRequest
from specs.model.update import OnFailure
from tests.kit.front import FakeFront
from tests.kit.rollouts import PROMPT, STEPS, Play, ask, change, is_new, playing
from tests.unit.cli.conftest import Run, Serve

BACK = replace(PROMPT, on_failure=OnFailure.ROLLBACK)


def show(front: FakeFront, play: Play) -> None:
    front.publish(play.talk.scheduler.view(play.talk.now))


def paused(front: FakeFront) -> Play:
    """A rollout in the pause of its second step."""
    play = change(playing(update=STEPS), 5, update=STEPS)
    show(front, play)
    return play


def failing(update: object = PROMPT) -> Play:
    play = playing(update=update)  # type: ignore[arg-type]
    play.fault = lambda task: "no such image" if is_new(task) else ""
    return play


def follow(url: str, *steps: Callable[[], None], service: str = "") -> list[float]:
    """Follows rollout 2; before each look but the first one of the steps happens. The looks, by their time."""
    now, left = [0.0], list(steps)

    def sleep(_seconds: float) -> None:
        now.append(now[-1] + 10)
        if left:
            left.pop(0)()

    server = Server(Address(url, "a test"), None)
    clock: Callable[[], float] = lambda: now[-1]  # noqa: E731
    Follow(server=server, stack="shop", number=2, timeout_seconds=59.7, service=service, clock=clock, sleep=sleep).run()
    return now


def test_status(serve: Serve, run: Run, front: FakeFront) -> None:
    paused(front)
    serve()
    lines = run("rollout", "status", "shop").stdout.splitlines()
    assert lines[0].startswith("shop: rollout 2 (update) is running, begun ")
    assert lines[1].split() == ["GROUP", "STATE", "STEP", "CHANGED", "FAILURES", "WAITS", "FOR"]
    assert lines[2].startswith("shop/web  running  2 of 4 (pause 30s)  1/3      0 of 0    step 2 of 4: holds for 30 s")
    assert " left)" in lines[2]
    assert json.loads(run("rollout", "status", "shop/web", "--json").stdout)["rollout"]["number"] == 2
    assert "does not change db; it changes shop/web" in run("rollout", "status", "shop/db").stderr
    assert run("rollout", "status", "shop/web[prod]").exit_code == 2


def test_nothing_is_under_way(serve: Serve, run: Run, front: FakeFront) -> None:
    show(front, playing())
    serve()
    assert run("rollout", "status", "shop").stdout == "shop has no rollout under way.\n"
    assert "shop has had no rollout" in run("rollout", "history", "shop").stderr
    assert run("rollout", "watch", "shop").exit_code == 0
    show(front, change(playing()))
    said = run("rollout", "status", "shop").stdout
    assert said == "shop has no rollout under way. The last one, 2 (update), is done.\n"
    assert run("rollout", "watch", "shop").stdout == "rollout 2 of shop is done\n"


@pytest.mark.parametrize("action", list(RolloutAction))
def test_what_is_asked(serve: Serve, run: Run, front: FakeFront, action: RolloutAction) -> None:
    front.answer = lambda _request: Done(changed=("shop/web",), index=2, message=f"{action.value}d")
    serve()
    result = run("rollout", action.value, "shop", "--number", "2")
    assert (result.exit_code, result.stdout) == (0, f"shop: {action.value}d: shop/web\n")
    (asked,) = front.requests
    assert isinstance(asked, RolloutActionRequested)
    assert (asked.action, asked.number, asked.stack) == (action, 2, "shop")
    assert "@" in asked.asked_by


def test_history_says_how_each_ended(serve: Serve, run: Run, front: FakeFront) -> None:
    show(front, change(failing(BACK), update=BACK))
    serve()
    first, second = run("rollout", "history", "shop").stdout.splitlines()[1:]
    assert first.split()[:3] == ["3", "rollback", "done"]
    assert second.startswith("2       update    rolled back") and "no such image" in second


def test_one_that_gets_done_is_followed(serve: Serve, front: FakeFront, capsys: pytest.CaptureFixture[str]) -> None:
    play = paused(front)

    def on() -> None:
        ask(play, RolloutAction.PROMOTE)
        play.on(20)
        show(front, play)

    looks = follow(serve(), on, on, on)
    assert len(looks) == 3, "it ends when the rollout does"
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("shop/web: 1/3 changed, step 2 of 4 (pause 30s): step 2 of 4: holds for 30 s")
    assert said[-1] == "shop/web: done"


def test_one_that_fails_and_stands_still_ends_it_with_the_sentence(serve: Serve, front: FakeFront) -> None:
    show(front, change(failing(), 20))
    with pytest.raises(CommandFault, match=r"Rollout 2 of shop failed: shop/web: .*no such image") as end:
        follow(serve())
    assert "framework rollout resume shop" in end.value.message
    assert end.value.exit_code == 1


def test_one_that_goes_back_is_followed_until_it_has(serve: Serve, front: FakeFront) -> None:
    play = change(failing(BACK), 0.5, update=BACK)
    show(front, play)

    def on() -> None:
        play.on(1)
        show(front, play)

    with pytest.raises(CommandFault, match=r"Rollout 2 of shop was rolled back: .*no such image.*as it was before"):
        follow(serve(), *[on] * 8)


def test_one_that_is_superseded_or_aborted_ends_it(serve: Serve, front: FakeFront) -> None:
    play = paused(front)
    url = serve()
    ask(play, RolloutAction.ABORT)
    show(front, play)
    with pytest.raises(CommandFault, match="Rollout 2 of shop was aborted by ann"):
        follow(url)
    show(front, change(play, 1, image="busybox:3", update=STEPS))
    with pytest.raises(CommandFault, match=r"Rollout 2 of shop was aborted by ann"):
        follow(url)


def test_one_that_takes_too_long_is_given_up_with_what_it_waits_for(serve: Serve, front: FakeFront) -> None:
    paused(front)
    with pytest.raises(CommandFault, match=r"(?s)Gave up watching after 60s.*holds for 30 s") as end:
        follow(serve())
    assert end.value.exit_code == 4


def test_a_restart_asks_for_its_pace(serve: Serve, run: Run, front: FakeFront) -> None:
    def answer(asked: UserRequest) -> Outcome:
        asks.append(asked)
        return Done(changed=("shop/web",), index=2)

    asks: list[UserRequest] = []
    front.answer = answer
    show(front, change(playing()))
    serve()
    assert run("restart", "shop", "--wait", "30", "--all-at-once").exit_code == 0
    assert run("restart", "shop", "--wait").exit_code == 0
    assert run("restart", "shop", "--wait", "1m").exit_code == 0
    waits = [asked.wait_seconds for asked in asks if isinstance(asked, RestartRequested)]
    assert waits == [30.0, None, 60.0]
    wrong = run("restart", "--wait", "shop/web", "other")
    assert wrong.exit_code == 2 and "put it last" in wrong.stderr


def test_a_submit_that_fails_says_so(serve: Serve, run: Run, front: FakeFront, stack_file: str) -> None:
    show(front, change(failing(), 20))
    front.answer = lambda _request: Done(changed=("shop/web",), index=2)
    serve()
    result = run("submit", stack_file, "--wait", "--anyway", "--all-at-once")
    assert result.exit_code == 1
    assert "Rollout 2 of shop failed" in result.stderr and "no such image" in result.stderr


def test_ps_and_explain_tell_of_it(serve: Serve, run: Run, front: FakeFront) -> None:
    play = playing()
    play.fault = lambda task: "hangs" if is_new(task) else ""
    show(front, change(play, 5))
    serve()
    lines = [line for line in run("ps").stdout.splitlines() if "replaces " in line]
    assert len(lines) == 1
    assert "rollout 2 (update) is running, 0 of 3 are changed" in run("explain", "shop/web").stdout
