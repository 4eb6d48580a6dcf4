"""The story of a task is kept, bounded, and joined with the times of its stored record."""

from __future__ import annotations

from dataclasses import replace

from framework.core.events import StopRequested
from framework.core.model import Task
from framework.core.state.task_stories import MOST_ENTRIES, Entry, TaskStories, whole_story
from specs.ids import TaskId
from specs.states import TaskState
from tests.kit.conversation import Conversation, group


def kinds(talk: Conversation, task: Task) -> list[str]:
    return [entry.kind for entry in talk.scheduler.context.stories.of(task.id)]


def test_a_task_has_a_story_from_launch_to_end() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    talk.say(StopRequested(request_id=1, pattern="shop"))
    talk.status(task, TaskState.KILLED, message="exit code 0")
    story = talk.scheduler.context.stories.of(task.id)
    assert [entry.kind for entry in story] == [
        *("TaskLaunched", "TaskPlaced", "TaskStarting", "TaskRunning", "TaskStopping", "TaskKilled", "TaskEnded")
    ]
    assert [entry.at for entry in story] == sorted(entry.at for entry in story)
    assert "out of 3 on offer" in story[1].text and "offer-" in story[1].text
    assert "the group is stopped" in story[4].text and "exit code 0" in story[6].text
    view = talk.scheduler.view(talk.now).stacks["shop"].groups[0]
    assert view.stories[task.id] == story


def test_a_kill_that_is_repeated_is_told_once() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    talk.say(StopRequested(request_id=1, pattern="shop"))
    talk.wait(300)
    assert kinds(talk, task).count("TaskKilled") == 1


def test_it_is_bounded_and_keeps_the_beginning_and_the_newest() -> None:
    stories, id = TaskStories(), TaskId("shop.web.0.1")
    for number in range(100):
        stories.note(id, "TaskHealthy" if number % 2 else "TaskUnhealthy", f"the {number}th", float(number))
    story = stories.of(id)
    assert len(story) == MOST_ENTRIES
    assert [entry.at for entry in story] == [0, 1, 2, 3, *range(100 - MOST_ENTRIES + 4, 100)]


def test_it_goes_with_its_task() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    talk.remove()
    talk.status(task, TaskState.KILLED)
    assert kinds(talk, task) == []


def test_another_leader_tells_what_is_stored() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    after = Conversation(shelf=talk.shelf)
    after.now = talk.now + 100
    after.subscribe()
    after.status(task, TaskState.FAILED, message="it fell")
    (ended,) = after.scheduler.view(after.now).stacks["shop"].groups[0].ended
    seen = after.scheduler.context.stories.of(task.id)
    assert [entry.kind for entry in seen] == ["TaskEnded"]
    assert [entry.kind for entry in whole_story(ended, seen)] == ["TaskLaunched", "TaskRunning", "TaskEnded"]


def test_what_was_seen_is_not_told_twice() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    seen = talk.scheduler.context.stories.of(task.id)
    assert whole_story(task, seen) == seen
    assert [entry.kind for entry in whole_story(replace(task, running_since=0.0), ())] == ["TaskLaunched"]
    late = (Entry(task.running_since + 5, "TaskHealthy", "is healthy"),)
    assert [entry.kind for entry in whole_story(task, late)] == ["TaskLaunched", "TaskRunning", "TaskHealthy"]
