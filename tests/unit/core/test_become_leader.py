"""A store that `restore --as-new` has left: stacks, histories, rollouts; no framework id, and no tasks."""

from __future__ import annotations

from framework.core.commands import Subscribe
from framework.core.model import RolloutState
from specs.states import TaskState
from tests.kit.conversation import Conversation, Shelf, group, launched, stack


def as_new(shelf: Shelf) -> Shelf:
    shelf.framework_id = None
    shelf.tasks, shelf.agents, shelf.answers = {}, {}, {}
    return shelf


def test_everything_is_started_under_a_new_framework_id() -> None:
    talk = Conversation()
    talk.up(group(instances=3))
    serial = talk.shelf.next_serial
    after = Conversation(shelf=as_new(talk.shelf))
    assert [each for each in after.heard if isinstance(each, Subscribe)] == [Subscribe(framework_id=None)]
    after.subscribe()
    after.offers()
    assert sorted(task.slot for task in after.tasks) == [0, 1, 2]
    assert min(int(task.id.rpartition(".")[2]) for task in after.tasks) >= serial
    assert [one.command for one in after.shelf.histories["shop"].revisions] == ["submit"]


def test_a_rollout_that_was_under_way_comes_to_its_end() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    talk.submit(stack(group(instances=2, image="acme/web:2")))
    current = talk.shelf.rollouts["shop"].current
    assert current is not None and current.state is RolloutState.RUNNING
    after = Conversation(shelf=as_new(talk.shelf))
    after.subscribe()
    for _ in range(4):
        for task in launched(after.offers()):
            after.status(task, TaskState.RUNNING)
        after.wait(1.0)
    spec = after.shelf.stacks["shop"].groups[0]
    assert [task.version for task in after.tasks] == [spec.version] * 2
    assert after.shelf.rollouts["shop"].current is None
