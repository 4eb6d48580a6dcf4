"""Spec against state: tasks are stopped after that is stored, and what has ended is forgotten."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Done, PutTask, Refused, Save
from framework.core.events import Saved, ScaleRequested, StopRequested
from specs.model.resources import Resources
from specs.states import TaskState
from tests.kit.conversation import SETTINGS, Conversation, announced, group, killed, launched, only_view, stack


def test_many_stops_are_stored_in_pieces_each_before_its_kills() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group(instances=450, resources=Resources(cpus_milli=10, mem_mib=1))))
    talk.offers()
    talk.holds_saves = True
    talk.say(ScaleRequested(request_id=90, pattern="shop/web", instances=0))
    spec, talk.held = talk.held[0], []
    heard = talk.say(Saved(ticket=spec.ticket))
    saves = [command for command in heard if isinstance(command, Save)]
    assert [sum(isinstance(write, PutTask) for write in save.writes) for save in saves] == [200, 200, 50]
    assert killed(heard) == []
    for save in saves:
        heard = talk.say(Saved(ticket=save.ticket))
        assert sorted(killed(heard)) == sorted(w.task.id for w in save.writes if isinstance(w, PutTask))


def test_a_kill_is_repeated_until_the_task_has_ended() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    talk.say(StopRequested(request_id=1, pattern="shop"))
    assert killed(talk.wait(65)) == [task.id] * 3
    talk.status(task, TaskState.KILLED)
    assert killed(talk.wait(600)) == []


def test_a_removed_stack_is_forgotten_with_its_last_task() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    assert talk.remove() == Done(changed=("shop/web",), index=2, message="removing")
    tasks = talk.tasks
    talk.status(tasks[0], TaskState.KILLED)
    assert "shop" in talk.shelf.stacks
    heard = talk.status(tasks[1], TaskState.KILLED)
    assert "StackRemoved" in announced(heard)
    assert (talk.shelf.stacks, talk.shelf.tasks) == ({}, {})
    assert list(talk.shelf.histories) == ["shop"] and len(talk.shelf.versions) == 1
    assert talk.scheduler.view(talk.now).stacks == {}
    refused = talk.remove()
    assert isinstance(refused, Refused) and refused.kind == "not_found"


def test_a_removed_stack_without_tasks_is_forgotten_at_once() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    talk.remove()
    assert talk.shelf.stacks == {}


def test_the_old_version_is_deleted_when_its_last_task_is_forgotten() -> None:
    talk = Conversation(settings=replace(SETTINGS, history_per_group=0, revisions_kept=1))
    talk.up(group())
    talk.submit(stack(group(image="busybox:2")))
    assert len(talk.shelf.versions) == 2
    talk.run(*launched(talk.offers()))
    talk.status(talk.tasks[0], TaskState.KILLED)
    assert len(talk.shelf.versions) == 2, "the rollout may still go back"
    talk.wait(10)
    assert [version.container.image for version in talk.shelf.versions.values()] == ["busybox:2"]


def test_ended_tasks_are_kept_up_to_a_number() -> None:
    talk = Conversation()
    talk.up(group())
    for _ in range(8):
        talk.status(talk.tasks[0], TaskState.FAILED)
        talk.wait(10)
        talk.run(*launched(talk.offers()))
    ended = only_view(talk).ended
    assert [task.attempt for task in ended] == [8, 7, 6, 5, 4]
    assert len(talk.shelf.tasks) == 6
