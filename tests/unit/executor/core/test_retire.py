"""An executor that is told to leave ends, and its containers run on."""

from __future__ import annotations

import base64

import pytest

from executor.codec import events_of
from executor.core import commands as do
from executor.core import events as on
from executor.core.retire import RETIRE_SECONDS
from framework.adapters.mesos_messages import retire_message
from specs.model.stack import Container
from tests.kit.executor_talk import Talk, only, order

TASK = order().task_id
PROCESS = Container(command=("sleep", "9"))


def test_containers_are_left_alone_and_nothing_is_said_of_them() -> None:
    talk = Talk()
    talk.run()
    states = list(talk.states)
    heard = talk.tell(on.RetireReceived())
    assert [type(command) for command in heard] == [do.Exit]
    assert talk.states == states


def test_one_without_tasks_ends_at_once() -> None:
    assert only(do.Exit, Talk().tell(on.RetireReceived()))


def test_what_is_under_way_is_waited_for() -> None:
    talk = Talk()
    talk.launch()
    assert only(do.Exit, talk.tell(on.RetireReceived())) == []
    assert only(do.Exit, talk.tell(on.Created(task_id=TASK, container_id="c" * 64))) == []
    assert only(do.Exit, talk.tell(on.Started(task_id=TASK, addresses=())))


def test_what_is_not_acknowledged_is_waited_for_but_not_for_ever() -> None:
    talk = Talk(acknowledges=False)
    talk.run()
    assert only(do.Exit, talk.tell(on.RetireReceived())) == []
    assert only(do.Exit, talk.wait(RETIRE_SECONDS))


def test_plain_processes_are_stopped_in_order_for_they_would_be_killed() -> None:
    talk = Talk()
    process = order(container=PROCESS)
    talk.run(process)
    heard = talk.tell(on.RetireReceived())
    assert [(each.order, each.signal) for each in only(do.Signal, heard)] == [(process, "SIGTERM")]
    assert only(do.Exit, heard) == []
    assert only(do.Exit, talk.tell(on.RetireReceived())) == [], "told twice is told once"
    talk.end(process, 143)
    assert talk.states[-1] == "KILLED"
    assert talk.statuses[-1].message.startswith("its executor is replaced by a newer one")
    assert only(do.Exit, talk.said)


# ---- its agent is no more -----------------------------------------------------------

SUPERSEDED = on.Superseded(reason="it is agent B now, and this executor belongs to agent A")


def test_an_executor_without_an_agent_of_its_own_ends_and_its_containers_run_on() -> None:
    talk = Talk()
    talk.run()
    heard = talk.tell(SUPERSEDED)
    assert heard == [do.Exit(reason="its agent is no more: containers run on", hands_over=True)]


def test_it_waits_for_no_acknowledgement_for_nobody_gives_one() -> None:
    talk = Talk(acknowledges=False)
    talk.run()
    talk.tell(on.Disconnected(reason="closed"))
    assert [type(command) for command in talk.tell(SUPERSEDED)] == [do.Exit]


def test_it_stops_its_plain_processes_in_order_and_says_so_to_nobody() -> None:
    talk = Talk()
    process = order(container=PROCESS)
    talk.run(process)
    talk.tell(on.Disconnected(reason="closed"))
    states = list(talk.states)
    assert [each.signal for each in only(do.Signal, talk.tell(SUPERSEDED))] == ["SIGTERM"]
    talk.end(process, 143)
    assert only(do.Exit, talk.said)
    assert talk.states == states


def test_what_is_half_made_is_removed_or_left_after_a_while() -> None:
    talk = Talk()
    wanted = order()
    talk.launch(wanted)
    assert only(do.Exit, talk.tell(SUPERSEDED)) == []
    assert only(do.Remove, talk.tell(on.Created(task_id=TASK, container_id="c" * 64))) == [do.Remove(order=wanted)]
    assert only(do.Start, talk.said) == []
    assert only(do.Exit, talk.tell(on.Removed(task_id=TASK, exit_code=None)))
    talk = Talk()
    talk.launch()
    talk.tell(SUPERSEDED)
    assert only(do.Exit, talk.wait(RETIRE_SECONDS))
    assert only(do.Subscribe, talk.said[1:]) == []


@pytest.mark.parametrize(
    ("data", "events"),
    [(retire_message(), (on.RetireReceived(),)), ("", ()), (base64.b64encode(b"\x7a\x00").decode(), ())],
    ids=["leave", "nothing", "what a later scheduler may say"],
)
def test_messages_of_the_scheduler(data: str, events: tuple[on.Event, ...]) -> None:
    assert events_of({"type": "MESSAGE", "message": {"data": data}}) == events
