"""The history of a stack's changes, and rollbacks to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from framework.core.commands import Done, PutHistory, PutStack, Refused, Save
from framework.core.events import (
    ChangeRequest,
    RestartRequested,
    RollbackRequested,
    ScaleRequested,
    StackRemoved,
    StackSubmitted,
    StartRequested,
    StopRequested,
)
from framework.core.model import Revision, Version
from framework.core.read.definitions import stack_at
from framework.core.read.plan import stack_of
from framework.core.stacks.history import MOST_BYTES, MOST_CHANGES, MOST_REMOVED, bounded
from specs.ids import group_id
from specs.model.stack import KillOrder, Restart, Stack, Unreachable
from specs.model.update import Order, Update
from specs.states import TaskState
from tests.kit.conversation import SETTINGS, Conversation, group, outcome, stack
from tests.kit.stored import stored_stack


class Talk(Conversation):
    """A conversation with one who asks."""

    _number = 1000

    def ask(self, kind: type, **fields: Any) -> Any:
        """The outcome of an ask."""
        self._number += 1
        ask: ChangeRequest = kind(request_id=self._number, **fields)
        return outcome(self.say(ask), self._number)

    def put(self, desired: Stack, message: str = "", by: str = "ann") -> Any:
        return self.ask(StackSubmitted, stack=desired, message=message, submitted_by=by)

    def back(self, **fields: Any) -> Any:
        return self.ask(RollbackRequested, **{"name": "shop", **fields})

    @property
    def revisions(self) -> tuple[Revision, ...]:
        return self.scheduler.view(self.now).histories["shop"].revisions

    @property
    def desired(self) -> dict[str, tuple[str, int]]:
        """Image and instances of each group."""
        view = self.scheduler.view(self.now)
        return {
            str(one.spec.id): (one.container.image, one.spec.instances)
            for one in view.stacks["shop"].groups
            if one.spec.id in self.scheduler.context.state.specs
        }


@pytest.fixture
def talk() -> Talk:
    """Three definitions, and 5 instances by hand in the second."""
    talk = Talk()
    talk.subscribe()
    talk.put(stack(group(instances=2)), "first")
    talk.put(stack(group(instances=2, image="busybox:2"), group("shop/db")), "second")
    talk.ask(ScaleRequested, pattern="shop/web", instances=5, by="bob", message="sale")
    talk.put(stack(group(instances=3, image="busybox:3")), "third")
    return talk


class TestRemembering:
    def test_who_did_what_and_when_and_why(self) -> None:
        talk = Talk()
        talk.put(stack(group(instances=2), group("shop/db", ["eu"])), "first")
        for kind in (RestartRequested, StopRequested, StartRequested):
            talk.now += 1
            talk.ask(kind, pattern="shop/db", by="bob", message=kind.__name__)
        talk.ask(ScaleRequested, pattern="shop", factor=2.0)
        talk.put(stack(group(instances=1, image="busybox:2"), group("shop/x")))
        told = [(one.number, one.command, one.text, one.services) for one in talk.revisions]
        assert told == [
            (1, "submit", "added db[eu], web", ("db", "web")),
            (2, "restart", "restarted db[eu]", ("db",)),
            (3, "stop", "stopped db[eu]", ("db",)),
            (4, "start", "started db[eu]", ("db",)),
            (5, "scale", "scaled db[eu] 1 → 2, web 2 → 4", ("db", "web")),
            (6, "submit", "added x; removed db[eu]; replaced web 4 → 1", ("db", "web", "x")),
        ]
        assert [one.groups is not None for one in talk.revisions] == [True, False, False, False, False, True]
        third = talk.revisions[2]
        assert (third.by, third.message, third.at) == ("bob", "StopRequested", talk.now - 1)
        assert (talk.revisions[0].by, talk.revisions[0].message) == ("ann", "first")

    def test_it_is_stored_with_the_stack_and_what_is_refused_is_not(self) -> None:
        talk = Talk()
        heard = talk.say(StackSubmitted(request_id=1, stack=stack(group())))
        save = next(command for command in heard if isinstance(command, Save))
        assert [type(write) for write in save.writes][-2:] == [PutHistory, PutStack]
        talk.put(stack(group()))
        talk.ask(ScaleRequested, pattern="shop", delta=-9)
        assert len(talk.revisions) == 1

    def test_it_survives_the_scheduler(self, talk: Talk) -> None:
        again = Talk(shelf=talk.shelf)
        assert again.revisions == talk.revisions
        assert again.scheduler.view(0).histories == talk.scheduler.view(0).histories

    def test_a_stack_that_was_there_before_begins_with_what_it_is(self, talk: Talk) -> None:
        talk.shelf.histories.clear()
        again = Talk(shelf=talk.shelf)
        again.ask(ScaleRequested, pattern="shop", instances=1)
        assert [(one.number, one.command) for one in again.revisions] == [(4, "submit"), (5, "scale")]
        assert again.revisions[0].message == "third"

    def test_so_many_definitions_are_kept_and_their_versions(self) -> None:
        talk = Talk(settings=replace(SETTINGS, revisions_kept=3))
        for number in range(6):
            talk.put(stack(group(image=f"busybox:{number}")))
        assert [one.groups is not None for one in talk.revisions] == [False, False, False, True, True, True]
        # The rollout that has not ended may still go back to the first.
        assert sorted(images(talk)) == ["busybox:0", "busybox:3", "busybox:4", "busybox:5"]

    def test_scaling_does_not_push_out_definitions(self, talk: Talk) -> None:
        for number in range(MOST_CHANGES + 30):
            talk.ask(ScaleRequested, pattern="shop/web", instances=number % 3 + 1)
        changes = [one for one in talk.revisions if one.groups is None]
        assert len(changes) == MOST_CHANGES
        assert [one.message for one in talk.revisions if one.groups is not None] == ["first", "second", "third"]

    def test_a_large_one_keeps_fewer(self) -> None:
        definitions = []
        for number in range(20):
            groups = stored_stack(groups=500).groups
            groups = tuple(replace(each, metadata=(("number", str(number)), ("pad", "x" * 200))) for each in groups)
            definitions.append(Revision(number=number, at=0.0, command="submit", text="", groups=groups))
        kept = bounded(definitions, 20)
        assert [one.number for one in kept] == list(range(20))
        count = sum(one.groups is not None for one in kept)
        assert 2 <= count < 10
        assert all(one.groups is not None for one in kept[-count:])
        same = [replace(one, groups=definitions[0].groups) for one in definitions]
        assert all(one.groups is not None for one in bounded(same, 20)), "what is shared is counted once"

    def test_long_texts_are_bounded_too(self) -> None:
        said = [Revision(number=n, at=0.0, command="scale", text="", message="🙂" * 5000) for n in range(90)]
        kept = bounded(said, 20)
        assert 0 < len(kept) < 90 and kept[-1].number == 89
        assert sum(len(one.message.encode()) for one in kept) < MOST_BYTES

    def test_what_a_broken_save_left_is_forgotten(self, talk: Talk) -> None:
        history = talk.shelf.histories["shop"]
        ahead = replace(history.revisions[-1], number=5)
        talk.shelf.histories["shop"] = replace(history, revisions=(*history.revisions, ahead))
        again = Talk(shelf=talk.shelf)
        assert again.revisions == talk.revisions
        assert talk.shelf.histories["shop"] == history

    def test_a_definition_whose_version_somebody_deleted_is_one_no_more(self, talk: Talk) -> None:
        first = talk.revisions[0]
        assert first.groups
        del talk.shelf.versions["shop", first.groups[0].version]
        again = Talk(shelf=talk.shelf)
        assert again.revisions[0] == replace(first, groups=None)
        again.subscribe()
        assert "no longer kept; those with a definition are 4 (" in again.back(to=1).message


class TestGoingBack:
    def test_to_the_one_before(self, talk: Talk) -> None:
        assert talk.back(by="eve", message="500s") == Done(
            changed=("shop/db", "shop/web"), index=5, message="back to 2"
        )
        assert talk.desired == {"shop/web": ("busybox:2", 3), "shop/db": ("busybox:1", 1)}
        last = talk.revisions[-1]
        assert (last.command, last.text) == ("rollback", "back to 2: added db; replaced web")
        assert (last.by, last.message, last.groups is not None) == ("eve", "500s", True)
        talk.back()
        assert talk.desired == {"shop/web": ("busybox:3", 3)}, "and forth again"

    @pytest.mark.parametrize(
        ("to", "wanted"),
        [(1, ("busybox:1", 3)), (2, ("busybox:2", 3)), (3, ("busybox:2", 3))],
        ids=["a submit", "the next", "a scaling has the definition before it"],
    )
    def test_to_a_revision(self, talk: Talk, to: int, wanted: tuple[str, int]) -> None:
        assert isinstance(talk.back(to=to), Done)
        assert talk.desired["shop/web"] == wanted

    def test_the_number_of_instances_is_kept_or_not(self, talk: Talk) -> None:
        talk.ask(ScaleRequested, pattern="shop/web", instances=7)
        talk.back(to=1)
        assert talk.desired["shop/web"] == ("busybox:1", 7)
        talk.back(to=4, with_instances=True)
        assert talk.desired["shop/web"] == ("busybox:3", 3)

    def test_what_is_stopped_stays_so(self, talk: Talk) -> None:
        talk.ask(StopRequested, pattern="shop")
        talk.back(to=1)
        assert talk.scheduler.context.state.specs[group_id("shop", "web")].is_stopped

    def test_one_that_changes_nothing_is_passed_over(self) -> None:
        talk = Talk()
        talk.put(stack(group(image="a:1")))
        talk.put(stack(group(image="a:2")))
        talk.put(stack(group(image="a:2", instances=4)))
        assert talk.back() == Done(changed=("shop/web",), index=4, message="back to 1")
        assert talk.desired == {"shop/web": ("a:1", 4)}

    def test_to_what_is_already_so(self, talk: Talk) -> None:
        assert talk.back(to=4) == Done(index=4, message="unchanged")
        assert len(talk.revisions) == 4

    @pytest.mark.parametrize(
        ("fields", "kind", "says"),
        [
            ({"to": 9}, "not_found", "shop has no revision 9; those with a definition are 1, 2, 4"),
            ({"name": "no"}, "not_found", "there is no stack no, and no history of one"),
            ({"if_index": 3}, "conflict", "stack shop has index 4, not 3: it was changed meanwhile"),
        ],
    )
    def test_what_cannot_be(self, talk: Talk, fields: dict[str, Any], kind: str, says: str) -> None:
        refused = talk.back(**fields)
        assert isinstance(refused, Refused)
        assert refused.kind == kind and says in refused.message
        assert len(talk.revisions) == 4

    def test_there_is_nothing_before_the_first(self) -> None:
        talk = Talk()
        talk.put(stack(group()))
        assert "no earlier definition that differs" in talk.back().message

    def test_after_another_took_over_it_goes_back_just_the_same(self, talk: Talk) -> None:
        again = Talk(shelf=talk.shelf)
        again.subscribe()
        again.back(to=1)
        assert again.desired == {"shop/web": ("busybox:1", 3)}


def test_every_setting_of_a_group_is_in_its_definition() -> None:
    desired = replace(
        group(instances=2, restart=Restart.ON_FAILURE),
        kill_order=KillOrder.OLDEST,
        unreachable=Unreachable(replace_after_seconds=5.0),
        metadata=(("owner", "ann"),),
        update=Update(order=Order.STOP_FIRST),
        rollback=Update(),
    )
    talk = Talk()
    talk.put(stack(desired))
    view = talk.scheduler.view(talk.now)
    assert stack_of(view.stacks["shop"]) == stack(desired)
    assert stack_at("shop", view.histories["shop"], 1) == (view.histories["shop"].revisions[0], stack(desired))


class TestRemovedStacks:
    def test_one_can_be_had_back(self, talk: Talk) -> None:
        talk.offers()
        talk.ask(StackRemoved, name="shop", by="bob", message="by mistake")
        for task in talk.tasks:
            talk.status(task, TaskState.KILLED)
        assert "shop" not in talk.scheduler.view(talk.now).stacks
        last = talk.revisions[-1]
        assert (last.command, last.text, last.by, last.message) == ("remove", "removed web", "bob", "by mistake")
        again = Talk(shelf=talk.shelf)
        assert again.back() == Done(changed=("shop/web",), index=6, message="back to 4")
        assert again.desired == {"shop/web": ("busybox:3", 3)}
        assert again.revisions[-1].text == "back to 4: added web"

    def test_submitted_again_it_goes_on_where_it_was(self, talk: Talk) -> None:
        talk.remove()
        assert talk.put(stack(group())) == Done(changed=("shop/web",), index=6, message="created")
        assert [one.number for one in talk.revisions] == [1, 2, 3, 4, 5, 6]

    def test_of_many_the_last_are_remembered(self) -> None:
        talk = Talk()
        for number in range(MOST_REMOVED + 3):
            talk.now += 1
            talk.put(stack(group(f"s{number:02d}/web", image=f"i:{number}"), name=f"s{number:02d}"))
            talk.remove(f"s{number:02d}")
        assert list(talk.scheduler.view(talk.now).histories) == [f"s{n:02d}" for n in range(3, MOST_REMOVED + 3)]
        assert len(images(talk)) == MOST_REMOVED
        assert Talk(shelf=talk.shelf).scheduler.view(0).histories == talk.scheduler.view(0).histories


def images(talk: Talk) -> list[str]:
    versions: list[Version] = list(talk.shelf.versions.values())
    return [version.container.image for version in versions]
