"""A container that outlived its executor is taken over by the next one."""

from __future__ import annotations

import base64
import os

from executor.codec import status_message
from executor.container.claims import Claims
from executor.core import commands as do
from executor.core import events as on
from executor.core.events import FoundContainer, Operation, Purpose
from executor.core.order import Order
from specs.ids import TaskId
from specs.model.stack import CheckKind, Container, HealthCheck, Pull
from specs.records_pb2 import StatusDetail
from tests.kit.executor_talk import EPOCH, Talk, only, order

OLD = TaskId("shop.web.1.1")
NEW = TaskId("shop.web.1.2")
ID = "a" * 64


def heir(container: Container | None = None) -> Order:
    return order(NEW, container, predecessors=(OLD,), adopts=True)


def adopted(started_at: float = EPOCH - 100.0) -> on.Adopted:
    return on.Adopted(task_id=NEW, container_id=ID, addresses=("172.17.0.2",), started_at=started_at)


def test_what_runs_on_is_running_at_once_and_since_it_began() -> None:
    talk = Talk()
    assert only(do.Adopt, talk.launch(heir())) == [do.Adopt(order=heir())]
    answer = talk.tell(adopted())
    assert not [each for each in answer if isinstance(each, do.Create | do.Start | do.Pull)]
    assert talk.states == ["STARTING", "RUNNING"]
    running = talk.statuses[-1]
    assert (running.container_id, running.running_since, running.addresses) == (ID, EPOCH - 100.0, ("172.17.0.2",))
    message = status_message(running, "e", "/sandbox")
    assert StatusDetail.FromString(base64.b64decode(message["data"])).running_since == EPOCH - 100.0


def test_its_end_and_its_stop_are_those_of_any_other() -> None:
    talk = Talk()
    talk.launch(heir())
    talk.tell(adopted())
    talk.tell(on.KillReceived(task_id=NEW))
    assert only(do.Signal, talk.said)
    talk.end(heir(), 143)
    assert talk.states == ["STARTING", "RUNNING", "KILLING", "KILLED"]
    assert "after 100 s" in talk.statuses[-1].message


def test_what_ended_meanwhile_is_told_as_it_ended() -> None:
    talk = Talk()
    talk.launch(heir())
    talk.tell(on.Exited(task_id=NEW, exit_code=0))
    talk.tell(adopted())
    talk.tell(on.Removed(task_id=NEW, exit_code=0))
    assert talk.states == ["STARTING", "RUNNING", "FINISHED"]


def test_where_nothing_is_left_it_starts_as_any_other() -> None:
    talk = Talk()
    talk.launch(heir())
    assert only(do.Create, talk.tell(on.NothingToAdopt(task_id=NEW))) == [do.Create(order=heir())]
    talk = Talk()
    wanted = heir(Container(image="acme/web:1", pull=Pull.ALWAYS))
    assert not only(do.Pull, talk.launch(wanted))
    assert only(do.Pull, talk.tell(on.NothingToAdopt(task_id=NEW)))


def test_a_kill_while_it_is_looked_for_ends_it() -> None:
    talk = Talk()
    talk.launch(heir())
    talk.tell(on.KillReceived(task_id=NEW))
    talk.tell(on.NothingToAdopt(task_id=NEW))
    assert talk.states == ["STARTING", "KILLING", "KILLED"]
    talk = Talk()
    talk.launch(heir())
    talk.tell(on.KillReceived(task_id=NEW))
    assert only(do.Signal, talk.tell(adopted()))


def test_an_adoption_that_fails_is_a_failed_launch() -> None:
    talk = Talk()
    talk.launch(heir())
    talk.tell(on.OperationFailed(task_id=NEW, operation=Operation.ADOPT, message="no answer"))
    talk.tell(on.Removed(task_id=NEW, exit_code=None))
    assert (talk.states[-1], talk.statuses[-1].message) == ("FAILED", "no answer")


def test_health_checks_go_on_at_once_and_without_another_grace() -> None:
    check = HealthCheck(kind=CheckKind.TCP, interval_seconds=10.0, grace_seconds=30.0, failures=1)
    talk = Talk()
    talk.launch(heir(Container(image="acme/web:1", health=check)))
    talk.tell(adopted())
    assert only(do.Check, talk.wait(1.1))
    talk.tell(
        on.CheckReported(task_id=NEW, purpose=Purpose.HEALTH, serial=1, is_healthy=False, message="refused", code=0)
    )
    assert only(do.Signal, talk.said)


def test_a_container_about_to_be_adopted_is_not_removed() -> None:
    talk = Talk()
    talk.launch(heir())
    left = on.ContainersListed(
        containers=(FoundContainer(container_id=ID, task_id=OLD, is_ours=False, is_abandoned=True),)
    )
    talk.tell(left)
    talk.wait(31.0)
    assert not only(do.Reap, talk.tell(left))


def test_what_the_engine_made_too_late_to_be_adopted_is_removed() -> None:
    talk = Talk()
    talk.launch(heir())
    talk.tell(on.NothingToAdopt(task_id=NEW))
    assert len(only(do.ListContainers, talk.wait(11.0))) == 1
    late = (FoundContainer(container_id=ID, task_id=OLD, is_ours=False, is_abandoned=True),)
    talk.tell(on.ContainersListed(containers=late))
    assert len(only(do.ListContainers, talk.wait(31.0))) == 1
    assert only(do.Reap, talk.tell(on.ContainersListed(containers=late)))


def test_a_claim_is_known_to_all_and_ends_with_its_owner() -> None:
    mine, others = Claims(), Claims()
    id = f"test-{os.getpid()}"
    assert mine.take(id, NEW)
    assert mine.take(id, NEW)
    assert (mine.task_of(id), others.task_of(id)) == (NEW, None)
    assert others.is_taken(id)
    assert not others.take(id, OLD)
    mine.release(id)
    assert not others.is_taken(id)
    assert others.take(id, OLD)
    others.release(id)
