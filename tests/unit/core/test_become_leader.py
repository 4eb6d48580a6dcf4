"""The first step of a leader: subscribing, taking up what the store holds, and refusing a store that is unfit."""

from __future__ import annotations

from framework.core.commands import Halt, HaltCause, PublishEvent, PutFramework, Reconcile, Save, Subscribe
from framework.core.events import StackRemoved, StopRequested
from framework.core.model import RolloutState, Stored, Version
from specs.ids import VersionId
from specs.model.resources import Resources
from specs.model.stack import Container
from specs.states import TaskState
from tests.kit.conversation import FRAMEWORK, Conversation, Shelf, group, killed, launched, stack


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


def test_first_start_subscribes_as_a_new_framework_and_stores_the_id_it_is_given() -> None:
    talk = Conversation()
    assert talk.heard[0] == Subscribe(framework_id=None)
    heard = talk.subscribe()
    assert isinstance(heard[0], Save)
    assert heard[0].writes == (PutFramework(framework_id=FRAMEWORK, next_serial=1),)
    assert Reconcile() in heard


def test_after_kill_9_the_next_one_goes_on_with_the_same_tasks() -> None:
    talk = Conversation()
    talk.up(group(instances=3))
    running = {task.id for task in talk.tasks}
    again = Conversation(shelf=talk.shelf)
    assert again.heard[-1] == Subscribe(framework_id=FRAMEWORK)
    heard = again.subscribe()
    (asked, all_of_them) = [command for command in heard if isinstance(command, Reconcile)]
    assert {id for id, _ in asked.tasks} == running and all_of_them == Reconcile()
    assert launched(again.offers()) == [] and killed(again.heard) == []


def test_an_intent_that_never_left_is_launched_anew_once_mesos_says_it_is_gone() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    talk.holds_saves = True
    talk.offers()
    for save in talk.held:
        talk.shelf.write(save)  # stored, and killed before the Accept
    again = Conversation(shelf=talk.shelf)
    again.subscribe()
    assert launched(again.offers()) == []
    again.status(again.tasks[0], TaskState.GONE, uuid="")
    again.wait(1.1)
    assert [task.id for task in launched(again.offers())] == ["shop.web.0.2"]


def test_stops_that_were_stored_are_repeated_by_the_next_one() -> None:
    talk = Conversation()
    talk.up(group())
    talk.say(StopRequested(request_id=1, pattern="shop"))
    again = Conversation(shelf=talk.shelf)
    assert killed(again.subscribe()) == [talk.tasks[0].id]


def test_tasks_without_a_framework_id_halt_the_process() -> None:
    talk = Conversation()
    talk.up(group())
    talk.shelf.framework_id = None
    again = Conversation(shelf=talk.shelf)
    (halt,) = again.heard
    assert isinstance(halt, Halt) and halt.cause is HaltCause.TASKS_WITHOUT_FRAMEWORK_ID


def test_a_removed_stack_of_which_nothing_is_left_is_forgotten_at_the_next_start() -> None:
    talk = Conversation()
    talk.up(group())
    shelf = talk.shelf
    talk.holds_saves = True
    talk.say(StackRemoved(request_id=9, name="shop"))
    shelf.write(talk.held[0])
    shelf.tasks.clear()
    Conversation(shelf=shelf)
    assert shelf.stacks == {}


def test_versions_of_a_submit_that_broke_off_are_deleted_at_the_next_start() -> None:
    talk = Conversation()
    talk.up(group())
    other = Version(stack="shop", id=VersionId("0123456789ab"), container=Container(image="b:1"), resources=Resources())
    talk.shelf.versions["shop", other.id] = other
    Conversation(shelf=talk.shelf)
    assert [version.container.image for version in talk.shelf.versions.values()] == ["busybox:1"]


def test_a_store_without_a_version_that_a_stack_names_is_refused() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    stored = talk.shelf.stored
    broken = Stored(
        framework_id=stored.framework_id, next_serial=stored.next_serial, stacks=stored.stacks, tasks=stored.tasks
    )
    again = Conversation(stored=broken)
    (halt,) = [command for command in again.heard if isinstance(command, Halt)]
    version = stored.stacks[0].groups[0].version
    assert halt.cause is HaltCause.STORE_REFUSED
    assert halt.message == (
        f"the store lacks version {version} of shop/web: somebody has deleted it; restore a backup"
        " (`framework store check` lists what is wrong)"
    )
    assert not [command for command in again.heard if isinstance(command, PublishEvent | Save)]


def test_a_next_number_that_is_too_low_is_raised_and_told() -> None:
    before = Conversation()
    before.up(group(instances=3))
    before.shelf.next_serial = 2
    talk = Conversation(shelf=before.shelf)
    talk.subscribe()
    assert talk.shelf.next_serial == 4
    (said,) = [
        command.text for command in talk.heard if isinstance(command, PublishEvent) and command.kind == "SerialRaised"
    ]
    assert "said that 2 is the next number" in said and "goes on from 4" in said
    talk.run(*talk.tasks)
    talk.submit(stack(group(instances=4)))
    heard = talk.offers()
    assert [task.id for task in launched(heard)] == ["shop.web.3.4"]
