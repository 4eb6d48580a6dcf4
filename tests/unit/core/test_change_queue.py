"""The queue of changes: one after the other, each decided on the state that the one before has stored."""

from __future__ import annotations

from framework.core.commands import Done, Refused, Reply
from framework.core.events import SaveFailed, ScaleRequested, StackSubmitted
from tests.kit.conversation import Conversation, group, outcome, stack


def test_requests_are_decided_one_after_the_other_on_what_is_stored() -> None:
    talk = Conversation()
    talk.up(group(instances=1))
    talk.holds_saves = True
    talk.say(ScaleRequested(request_id=11, pattern="shop", delta=1))
    talk.say(ScaleRequested(request_id=12, pattern="shop", delta=1))
    assert len(talk.held) == 1
    heard = talk.release()
    assert outcome(heard, 11) == Done(changed=("shop/web",), index=2)
    assert outcome(heard, 12) == Done(changed=("shop/web",), index=3)
    assert talk.shelf.stacks["shop"].groups[0].instances == 3


def test_a_submit_that_cannot_be_stored_changes_nothing() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.holds_saves = True

    talk.say(StackSubmitted(request_id=1, stack=stack(group())))
    (save,) = talk.held
    heard = talk.say(SaveFailed(ticket=save.ticket, problem="1,200,000 bytes"))
    (reply,) = [command for command in heard if isinstance(command, Reply)]
    assert isinstance(reply.outcome, Refused) and "nothing was changed" in reply.outcome.message
    assert talk.scheduler.view(talk.now).stacks == {}
