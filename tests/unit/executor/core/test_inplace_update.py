"""Other in-place settings, or a signal, for a running task: conversations with the executor's core."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from executor.core import commands as do
from executor.core import events as on
from executor.core.check_schedule import SERVES_ON
from executor.core.order import Order
from specs.ids import VersionId
from specs.model.in_place import InPlaceSettings
from specs.model.stack import CheckKind, Container, HealthCheck, Hook, MetricsPage, Stop
from tests.kit.executor_talk import Talk, only, order

CHECK = HealthCheck(kind=CheckKind.TCP, interval_seconds=5, grace_seconds=20, failures=2)
BARE = order()
CHECKED = order(container=Container(image="acme/web:1", health=CHECK), version=VersionId("0123456789ab-11111111"))
NEW = VersionId("0123456789ab-22222222")


def given(**settings: Any) -> InPlaceSettings:
    return InPlaceSettings(Container(**settings))


def applied(settings: InPlaceSettings, version: VersionId = NEW, **more: object) -> on.UpdateInPlaceReceived:
    return on.UpdateInPlaceReceived(task_ids=(BARE.task_id,), version=version, settings=settings, **more)  # type: ignore[arg-type]


def answer_checks(talk: Talk, is_healthy: bool, seconds: float) -> None:
    """Answers all checks for a while."""
    end = talk.now + seconds
    while talk.now < end:
        for check in only(do.Check, talk.wait(0.5)):
            said = {"task_id": BARE.task_id, "purpose": check.purpose, "serial": check.serial, "message": "looked"}
            talk.tell(on.CheckReported(is_healthy=is_healthy, **said))  # type: ignore[arg-type]


def serving(wanted: Order, is_healthy: bool = True) -> Talk:
    """A task that has run for a while, its checks answered."""
    talk = Talk(publishes=True)
    talk.run(wanted)
    answer_checks(talk, is_healthy, 6)
    assert len(only(do.Publish, talk.said)) == is_healthy
    return talk


def test_a_task_says_which_version_it_has_and_says_so_each_time_it_is_told() -> None:
    talk = Talk()
    talk.run(BARE)
    assert {status.version for status in talk.statuses} == {BARE.version}
    for _ in range(2):
        talk.tell(applied(given(stop=Stop(grace_seconds=3))))
        assert (talk.states[-1], talk.statuses[-1].version) == ("RUNNING", NEW)
    assert not only(do.Signal, talk.said)
    talk.tell(on.KillReceived(task_id=BARE.task_id))
    assert not only(do.Signal, talk.wait(2.9))[1:] and only(do.Signal, talk.wait(0.2))[-1].signal == "SIGKILL"


def test_what_needs_another_container_is_not_applied() -> None:
    talk = Talk()
    talk.run(BARE)
    assert talk.tell(applied(given(), VersionId("ffffffffffff"))) == []


def test_a_task_that_is_told_before_it_runs_begins_with_the_new_care() -> None:
    talk = Talk()
    talk.launch(BARE)
    assert talk.tell(applied(given(health=CHECK), signals=1, signal="SIGHUP")) == []
    talk.tell(on.Created(task_id=BARE.task_id, container_id="c" * 64))
    talk.tell(on.Started(task_id=BARE.task_id, addresses=()))
    assert (talk.statuses[-1].version, talk.statuses[-1].signals) == (NEW, 0)
    assert only(do.Check, talk.wait(1.1))


def test_a_task_that_stops_is_left_alone() -> None:
    talk = Talk()
    talk.run(BARE)
    talk.tell(on.KillReceived(task_id=BARE.task_id))
    assert talk.tell(applied(given(pre_stop=(Hook(command=("a",)),)))) == []


@pytest.mark.parametrize("before", [BARE, CHECKED])
def test_nothing_is_said_of_health_before_the_new_check_was_asked_and_the_task_serves_on(before: Order) -> None:
    talk = serving(before)
    talk.tell(applied(given(health=replace(CHECK, interval_seconds=2))))
    said = talk.statuses[-1]
    assert (said.is_healthy, said.is_on_probation, said.version) == (None, True, NEW)
    assert not only(do.Withdraw, talk.said)
    answer_checks(talk, True, 3)
    assert (talk.statuses[-1].is_healthy, talk.statuses[-1].is_on_probation) == (True, False)
    assert len(only(do.Publish, talk.said)) == 1


@pytest.mark.parametrize("before", [BARE, CHECKED])
def test_a_task_that_never_passes_its_new_check_is_told_of_as_unhealthy_and_serves_on(before: Order) -> None:
    """The check may be what is wrong, and all tasks of the group have it: the scheduler replaces them at its pace."""
    talk = serving(before)
    talk.tell(applied(given(health=replace(CHECK, interval_seconds=2))))
    answer_checks(talk, False, 19)
    assert (talk.statuses[-1].is_healthy, talk.statuses[-1].is_on_probation) == (None, True), "within its grace"
    assert talk.statuses[-1].message == f"looked; {SERVES_ON}"
    answer_checks(talk, False, 60)
    assert (talk.statuses[-1].is_healthy, talk.statuses[-1].is_on_probation) == (False, True)
    assert [status.message for status in talk.statuses].count(f"unhealthy: looked; {SERVES_ON}") == 1
    assert not only(do.Withdraw, talk.said) and talk.states[-1] == "RUNNING"
    answer_checks(talk, True, 3)
    answer_checks(talk, False, 6)
    assert talk.statuses[-1].is_healthy is False and only(do.Withdraw, talk.said), "what it has passed counts"


def test_a_task_that_does_not_serve_is_held_to_its_new_check() -> None:
    talk = serving(order(container=Container(image="acme/web:1", ready=CHECK), version=CHECKED.version), False)
    talk.tell(applied(given(health=CHECK, ready=CHECK)))
    assert (talk.statuses[-1].is_healthy, talk.statuses[-1].is_on_probation) == (None, False)
    answer_checks(talk, False, 40)
    assert only(do.Signal, talk.said)


def test_probation_ends_with_what_the_task_was_spared_for() -> None:
    """Once a check that did not change keeps it from serving, nothing speaks against stopping it."""
    talk = serving(order(container=Container(image="acme/web:1", ready=CHECK), version=CHECKED.version))
    talk.tell(applied(given(health=replace(CHECK, grace_seconds=0), ready=CHECK)))
    answer_checks(talk, False, 30)
    assert talk.states[-1] == "RUNNING" and not talk.statuses[-1].is_on_probation
    assert only(do.Signal, talk.said)


@pytest.mark.parametrize("post_start", [(), (Hook(command=("true",)),)])
def test_a_new_readiness_check_is_not_spoken_for_either(post_start: tuple[Hook, ...]) -> None:
    bare = order(container=Container(image="acme/web:1", post_start=post_start), version=CHECKED.version)
    talk = Talk(publishes=True)
    talk.run(bare)
    if post_start:
        talk.tell(on.HookEnded(task_id=BARE.task_id, serial=1, is_done=True, message=""))
    talk.tell(applied(given(ready=CHECK)))
    assert (talk.statuses[-1].is_ready, talk.statuses[-1].is_on_probation) == (None, True)
    answer_checks(talk, False, 60)
    assert (talk.statuses[-1].is_ready, talk.statuses[-1].is_on_probation) == (False, True)
    assert not only(do.Withdraw, talk.said) and not only(do.Signal, talk.said)
    answer_checks(talk, True, 6)
    assert (talk.statuses[-1].is_ready, talk.statuses[-1].is_on_probation) == (True, False)


def test_without_its_check_a_task_is_ready_again() -> None:
    talk = Talk(publishes=True)
    talk.run(order(container=Container(image="acme/web:1", ready=CHECK), version=CHECKED.version))
    answer_checks(talk, False, 30)
    assert talk.statuses[-1].is_ready is False and not only(do.Publish, talk.said)
    talk.tell(applied(given()))
    assert talk.statuses[-1].is_ready is None and talk.statuses[-1].check is None
    assert only(do.Publish, talk.said) and not only(do.Check, talk.wait(60))


def test_an_answer_to_a_check_of_before_is_nothing() -> None:
    talk = Talk()
    talk.run(CHECKED)
    (old,) = only(do.Check, talk.wait(1.1))
    talk.tell(applied(given(health=replace(CHECK, path="/new"))))
    said = {"task_id": BARE.task_id, "purpose": old.purpose, "serial": old.serial, "message": ""}
    assert len(only(do.Check, talk.wait(5.1))) == 1
    assert talk.tell(on.CheckReported(is_healthy=True, **said)) == []  # type: ignore[arg-type]


class TestSignals:
    def test_a_task_with_fewer_gets_one_and_says_so(self) -> None:
        talk = Talk()
        talk.run(BARE)
        for _ in range(2):
            talk.tell(applied(given(), BARE.version, signals=2, signal="SIGHUP"))
        assert [each.signal for each in only(do.Signal, talk.said)] == ["SIGHUP"]
        assert talk.statuses[-1].signals == 2 and talk.states[-1] == "RUNNING"

    @pytest.mark.parametrize(("is_temporary", "signals"), [(True, 1), (False, 2)])
    def test_an_engine_that_was_away_is_asked_again(self, is_temporary: bool, signals: int) -> None:
        talk = Talk()
        talk.run(replace(BARE, signals=1))
        talk.tell(applied(given(), BARE.version, signals=2, signal="SIGHUP"))
        failed = {"task_id": BARE.task_id, "operation": on.Operation.SIGNAL, "message": "SIGHUP could not be sent"}
        talk.tell(on.OperationFailed(is_temporary=is_temporary, **failed))  # type: ignore[arg-type]
        assert talk.statuses[-1].signals == signals and talk.statuses[-1].message == "SIGHUP could not be sent"


def test_where_a_task_tells_its_metrics_counts_at_once() -> None:
    talk = Talk()
    talk.run(BARE)
    talk.tell(applied(given(metrics=MetricsPage(path="/own"))))
    (seen,) = talk.core.survey().tasks
    assert seen.order.container.metrics == MetricsPage(path="/own")
