"""Tasks that a user kills: others take their places, or the group becomes smaller."""

from __future__ import annotations

import pytest

from framework.core.commands import Done, Kill, PutStack, PutTask, Refused, Save
from framework.core.events import KillRequested, ScaleRequested
from specs.ids import TaskId
from specs.model.constraints import Mode
from specs.states import TaskState
from tests.kit.conversation import Conversation, killed, launched
from tests.kit.kills import kill, left, running


class TestKill:
    def test_another_takes_its_place_without_a_pause(self) -> None:
        talk = running()
        first = talk.tasks[0]
        done = kill(talk, first.id, by="eve", message="stuck")
        assert done == Done(changed=("shop/web",), message="stopping; others take their places")
        assert killed(talk.heard) == [first.id]
        assert talk.scheduler.context.state.tasks[first.id].stop_cause == "killed by eve: stuck"
        assert kill(talk, first.id) == Done(message="being stopped already")
        talk.status(first, TaskState.KILLED)
        (again,) = launched(talk.offers())
        assert again.slot == 0
        assert [one.command for one in talk.shelf.histories["shop"].revisions] == ["submit"]

    def test_with_its_slot_the_group_is_smaller(self) -> None:
        talk = running(4)
        second, fourth = talk.tasks[1], talk.tasks[3]
        done = kill(talk, second.id, fourth.id, scale=True, by="eve")
        assert done == Done(changed=("shop/web",), index=2)
        assert sorted(killed(talk.heard)) == sorted([second.id, fourth.id])
        assert left(talk) == [0, 2]
        for task in (second, fourth):
            talk.status(task, TaskState.KILLED)
        assert launched(talk.offers()) == []
        assert [task.slot for task in talk.tasks] == [0, 2]
        last = talk.shelf.histories["shop"].revisions[-1]
        assert (last.command, last.text, last.by) == ("kill", "scaled web 4 → 2", "eve")

    def test_number_and_stops_are_one_save_so_that_a_successor_gives_up_the_same(self) -> None:
        talk = running(3)
        first = talk.tasks[0]
        talk.holds_saves = True
        heard = talk.say(KillRequested(request_id=7, tasks=(first.id,), scale=True))
        (save,) = (command for command in heard if isinstance(command, Save))
        assert {type(write) for write in save.writes} >= {PutStack, PutTask}
        assert not any(isinstance(command, Kill) for command in heard)
        talk.shelf.write(save)
        again = Conversation(shelf=talk.shelf)
        again.subscribe()
        assert left(again) == [1, 2]
        assert first.id in killed(again.heard)

    @pytest.mark.parametrize("scale", [False, True])
    def test_where_one_cannot_be_none_is(self, scale: bool) -> None:
        talk = running()
        tasks = talk.tasks
        missing = kill(talk, tasks[0].id, TaskId("shop.web.9.99"), scale=scale)
        assert isinstance(missing, Refused) and missing.kind == "not_found"
        talk.status(tasks[1], TaskState.FINISHED)
        ended = kill(talk, tasks[0].id, tasks[1].id, scale=scale)
        assert isinstance(ended, Refused) and "has ended already (FINISHED)" in ended.message
        assert killed(talk.heard) == []

    def test_what_holds_no_slot_has_none_to_give_up(self) -> None:
        talk = running()
        talk.say(ScaleRequested(request_id=5, pattern="shop", instances=2))
        refused = kill(talk, talk.tasks[2].id, scale=True)
        assert isinstance(refused, Refused) and "holds no slot that its group wants" in refused.message

    def test_a_global_group_has_no_number(self) -> None:
        talk = running(1, mode=Mode.GLOBAL)
        refused = kill(talk, talk.tasks[0].id, scale=True)
        assert isinstance(refused, Refused) and "is global" in refused.message
        assert isinstance(kill(talk, talk.tasks[0].id), Done)
