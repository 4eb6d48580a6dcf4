"""Health, readiness and the first commands of a task, as conversations with the executor's core."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from executor.core import commands as do
from executor.core import events as on
from executor.core.events import Purpose
from executor.core.statuses import CheckStatus
from specs.model.stack import CheckKind, Container, HealthCheck, Hook
from tests.kit.executor_talk import Talk, only, order

TASK = order().task_id


CHECK = HealthCheck(kind=CheckKind.HTTP, interval_seconds=5, grace_seconds=10, failures=2)
CHECKED = order(container=Container(image="a", health=CHECK))


def answer_check(talk: Talk, is_healthy: bool) -> None:
    check = only(do.Check, talk.said)[-1]
    talk.tell(
        on.CheckReported(
            task_id=TASK,
            purpose=check.purpose,
            serial=check.serial,
            is_healthy=is_healthy,
            message="GET /: 500",
            code=200 if is_healthy else 500,
        )
    )


def test_a_task_is_healthy_once_its_check_says_so() -> None:
    talk = Talk()
    talk.run(CHECKED)
    assert talk.statuses[-1].is_healthy is None
    (check,) = only(do.Check, talk.wait(1.1))
    assert (check.order, check.purpose, check.serial) == (CHECKED, Purpose.HEALTH, 1)
    assert not only(do.Check, talk.wait(60))
    answer_check(talk, True)
    assert talk.states == ["STARTING", "RUNNING", "RUNNING"]
    assert talk.statuses[-1].is_healthy is True
    said = len(talk.statuses)
    talk.wait(5)
    answer_check(talk, True)
    assert len(talk.statuses) == said


def test_failures_in_the_grace_period_do_not_count_and_then_they_do() -> None:
    talk = Talk()
    talk.run(CHECKED)
    for _ in range(9):
        talk.wait(1)
        answer_check(talk, False)
    assert [status.is_healthy for status in talk.statuses] == [None, None, None]
    assert talk.statuses[-1].message == "not healthy: GET /: 500"
    for _ in range(2):
        talk.wait(5)
        answer_check(talk, False)
    assert talk.states == ["STARTING", "RUNNING", "RUNNING", "RUNNING"]
    assert talk.statuses[-1].is_healthy is False
    assert talk.statuses[-1].message == "unhealthy: GET /: 500; is being stopped, as 2 checks failed in a row"
    talk.end(CHECKED, 143)
    assert talk.states[-1] == "FAILED"
    assert talk.statuses[-1].message.startswith("unhealthy: 2 checks failed in a row, the last: GET /: 500; exit code")


def test_one_failure_of_a_healthy_task_is_forgiven() -> None:
    talk = Talk()
    talk.run(CHECKED)
    for is_healthy in (True, False, True, False, True):
        talk.wait(5)
        answer_check(talk, is_healthy)
    assert [status.is_healthy for status in talk.statuses] == [None, None, True]


def test_a_task_that_is_never_stopped_for_its_health_says_both() -> None:
    talk = Talk()
    talk.run(order(container=Container(image="a", health=replace(CHECK, failures=0, grace_seconds=0))))
    for is_healthy in (False, False, True, False):
        talk.wait(5)
        answer_check(talk, is_healthy)
    assert [status.is_healthy for status in talk.statuses] == [None, None, False, True, False]
    assert not only(do.Signal, talk.said)


def test_an_answer_to_an_old_check_is_nothing() -> None:
    talk = Talk()
    talk.run(CHECKED)
    old = on.CheckReported(task_id=TASK, purpose=Purpose.HEALTH, serial=7, is_healthy=True, message="")
    assert talk.tell(old) == []


def test_so_many_successes_in_a_row_are_wanted() -> None:
    talk = Talk()
    talk.run(order(container=Container(image="a", health=replace(CHECK, successes=2))))
    for is_healthy in (True, False, True, True):
        talk.wait(5)
        answer_check(talk, is_healthy)
    assert [status.is_healthy for status in talk.statuses] == [None, None, None, True]


def test_checks_begin_at_the_pace_of_the_interval_and_not_all_at_once() -> None:
    first: list[float] = []
    for number in range(20):
        talk = Talk(seed=number)
        talk.run(CHECKED)
        while talk.now < 40:
            checks = only(do.Check, talk.wait(0.1))
            if checks:
                talk.now += 0.2
                answer_check(talk, True)
        began = [check.due_at for check in only(do.Check, talk.said)]
        first.append(began[0])
        assert {round(later - earlier, 6) for earlier, later in pairwise(began[1:])} == {5.0}
    assert 0.5 <= min(first) < 0.6
    assert 0.9 < max(first) <= 1.0


def test_a_check_that_takes_longer_than_its_interval_is_the_only_one() -> None:
    talk = Talk()
    talk.run(CHECKED)
    talk.wait(30)
    assert len(only(do.Check, talk.said)) == 1
    answer_check(talk, True)
    assert len(only(do.Check, talk.said)) == 2


def test_what_keeps_a_task_from_its_first_success_is_told_in_time() -> None:
    talk = Talk()
    talk.run(order(container=Container(image="a", health=replace(CHECK, grace_seconds=60))))
    for _ in range(40):
        talk.wait(1)
        answer_check(talk, False)
    assert [status.message for status in talk.statuses[2:]] == ["not healthy: GET /: 500"]


# ---- readiness -------------------------------------------------------------------


READY = order(container=Container(image="a", health=CHECK, ready=replace(CHECK, path="/ready", failures=1)))


def answer(talk: Talk, purpose: Purpose, is_healthy: bool) -> None:
    """Answers the last check of the kind."""
    check = [each for each in only(do.Check, talk.said) if each.purpose is purpose][-1]
    code = 200 if is_healthy else 503
    talk.tell(
        on.CheckReported(
            task_id=TASK,
            purpose=purpose,
            serial=check.serial,
            is_healthy=is_healthy,
            message=f"GET /{purpose}: {code}",
            code=code,
        )
    )


def test_a_task_that_is_not_ready_is_told_of_and_left_alone() -> None:
    talk = Talk()
    talk.run(READY)
    assert (talk.statuses[-1].is_ready, talk.statuses[-1].check) == (None, CheckStatus(kind=CheckKind.HTTP, code=None))
    talk.wait(5)
    answer(talk, Purpose.HEALTH, True)
    answer(talk, Purpose.READY, False)
    assert (talk.statuses[-1].is_healthy, talk.statuses[-1].is_ready) == (True, False)
    assert talk.statuses[-1].message == "not ready: GET /ready: 503"
    assert talk.statuses[-1].reason == "REASON_TASK_CHECK_STATUS_UPDATED"
    talk.wait(5)
    answer(talk, Purpose.READY, True)
    assert (talk.statuses[-1].is_ready, talk.statuses[-1].message) == (True, "ready: GET /ready: 200")
    assert talk.statuses[-1].check == CheckStatus(kind=CheckKind.HTTP, code=200)
    for _ in range(20):
        talk.wait(5)
        answer(talk, Purpose.READY, False)
    assert talk.statuses[-1].is_ready is False
    assert not only(do.Signal, talk.said)


def test_a_task_without_a_readiness_check_says_nothing_of_it() -> None:
    talk = Talk()
    talk.run(CHECKED)
    talk.wait(5)
    answer(talk, Purpose.HEALTH, True)
    assert {(status.is_ready, status.check) for status in talk.statuses} == {(None, None)}


# ---- post_start ------------------------------------------------------------------


WARM, LOAD = Hook(command=("warm",)), Hook(command=("load",))
HOOKED = order(container=Container(image="a", post_start=(WARM, LOAD)))


def hook_ended(talk: Talk, is_done: bool, words: str = "warm: exit code 0") -> list[do.Command]:
    """The hook under way ends."""
    serial = only(do.RunHook, talk.said)[-1].serial
    return talk.tell(on.HookEnded(task_id=TASK, serial=serial, is_done=is_done, message=words))


def test_a_task_is_ready_once_all_its_first_commands_are_done() -> None:
    talk = Talk()
    talk.run(HOOKED)
    assert [hook.hook for hook in only(do.RunHook, talk.said)] == [WARM]
    assert talk.statuses[-1].is_ready is None
    assert only(do.RunHook, hook_ended(talk, True)) == [do.RunHook(order=HOOKED, hook=LOAD, serial=2)]
    assert talk.tell(on.HookEnded(task_id=TASK, serial=1, is_done=False, message="an echo")) == []
    hook_ended(talk, True, "load: exit code 0")
    last = talk.statuses[-1]
    assert (last.is_ready, last.message) == (True, "post_start is done: load: exit code 0")
    assert last.check == CheckStatus(kind=CheckKind.COMMAND, code=0)


def test_a_readiness_check_begins_when_the_first_commands_are_done() -> None:
    talk = Talk()
    talk.run(order(container=replace(HOOKED.container, post_start=(WARM,), ready=CHECK)))
    assert not only(do.Check, talk.wait(30))
    hook_ended(talk, True)
    assert talk.statuses[-1].is_ready is False
    assert only(do.Check, talk.wait(1))
    answer(talk, Purpose.READY, True)
    assert talk.statuses[-1].is_ready is True


def test_a_first_command_that_fails_ends_the_task_with_what_it_said() -> None:
    talk = Talk()
    talk.run(HOOKED)
    (signal,) = only(do.Signal, hook_ended(talk, False, "warm: exit code 3: no database"))
    assert signal.signal == "SIGTERM"
    talk.end(HOOKED, 143)
    assert (talk.states[-1], talk.statuses[-1].reason) == ("FAILED", "REASON_CONTAINER_LAUNCH_FAILED")
    assert talk.statuses[-1].message.startswith("post_start failed: warm: exit code 3: no database; exit code 143")


def test_what_is_adopted_with_its_first_commands_done_has_them_not_run_again() -> None:
    for is_prepared in (True, False):
        talk = Talk()
        wanted = order(container=HOOKED.container, predecessors=("old",), adopts=True, is_prepared=is_prepared)
        talk.launch(wanted)
        talk.tell(on.Adopted(task_id=TASK, container_id="c" * 64, addresses=(), started_at=0.0))
        assert bool(only(do.RunHook, talk.said)) is not is_prepared
