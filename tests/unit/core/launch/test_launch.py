"""Launches: stored as intents first, accepted after that, and given up where no executor answers."""

from __future__ import annotations

from framework.core.commands import Accept, Done, PutTask, Revive, Save
from framework.core.events import CallFailed, Disconnected, Saved
from specs.model.stack import Container, Port
from specs.states import TaskState
from tests.kit.conversation import Conversation, group, killed, launched, only_view, stack


def test_a_submitted_stack_is_stored_before_it_is_acknowledged_and_launched_after_its_intents_are() -> None:
    talk = Conversation()
    talk.subscribe()
    assert talk.submit(stack(group(instances=3))) == Done(changed=("shop/web",), index=1, message="created")
    assert Revive() in talk.wait(0.1)
    talk.holds_saves = True
    heard = talk.offers()
    saves = [command for command in heard if isinstance(command, Save)]
    assert not [command for command in heard if isinstance(command, Accept)], "an Accept before its intent is stored"
    assert sum(isinstance(write, PutTask) for save in saves for write in save.writes) == 3
    tasks = launched(talk.release())
    assert sorted(task.slot for task in tasks) == [0, 1, 2]
    assert len({task.hostname for task in tasks}) == 3, "one on each of three equal agents"
    assert all(task.state is TaskState.INTENT for task in talk.shelf.tasks.values())


def test_serial_numbers_are_stored_with_the_intents_and_never_given_twice() -> None:
    talk = Conversation()
    talk.up(group(instances=3))
    ids = {task.id for task in talk.tasks}
    assert talk.shelf.next_serial == 4
    again = Conversation(shelf=talk.shelf)
    again.subscribe()
    again.submit(stack(group(instances=4)))
    again.offers()
    assert {task.id for task in again.tasks} - ids == {"shop.web.3.4"}


def test_a_refused_accept_frees_its_slots() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    (accept,) = [command for command in talk.offers() if isinstance(command, Accept)]
    talk.say(CallFailed(call=accept, problem="503"))
    assert talk.tasks == []
    talk.wait(1.1)
    assert len(launched(talk.offers())) == 1


def test_an_accept_whose_session_is_over_is_not_sent() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    talk.wait(0.1)
    talk.holds_saves = True
    talk.offers()
    held, talk.held = talk.held, []
    talk.holds_saves = False
    talk.say(Disconnected(problem="the master at 127.0.0.1:5050 closed the connection"))
    talk.subscribe()

    for save in held:
        talk.shelf.write(save)
    heard = talk.say(*(Saved(ticket=save.ticket) for save in held))
    assert launched(heard) == []
    assert talk.tasks == []


def test_a_launch_that_nobody_answers_is_given_up() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    talk.offers()
    heard = talk.wait(301)
    assert killed(heard) == ["shop.web.0.1"]
    assert talk.tasks[0].stop_cause == "its executor did not start it within 300 s"


def test_fixed_and_dynamic_ports_never_clash() -> None:
    ports = (Port(name="a", container_port=80), Port(name="b", container_port=81, host_port=31005))
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group(instances=4, container=Container(image="a:1", ports=ports))))
    (accept,) = [c for c in talk.offers(talk.offer(1, ports=(31000, 31009))) if isinstance(c, Accept)]
    assert len(accept.launches) == 1, "the fixed port is there once"
    assert accept.launches[0].task.host_ports[1] == 31005
    assert "1 host port 31005 (taken or not offered)" in only_view(talk).waiting[0].cause
