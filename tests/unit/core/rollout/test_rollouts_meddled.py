"""Rollouts with which people meddle while they run: what was found so, each a story of its own."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Command, Done
from framework.core.events import (
    RestartRequested,
    RolloutAction,
    RolloutActionRequested,
    SaveFailed,
    StackSubmitted,
    StopRequested,
)
from framework.core.model import RolloutState
from specs.model.constraints import Constraint, Neighbour, Rules, Selector
from specs.model.operators import Operator
from specs.model.stack import Dependency, Group
from specs.model.update import Order, Step, Update
from specs.states import Goal, TaskState
from tests.kit.conversation import SETTINGS, Conversation, group, stack
from tests.kit.rollouts import ONE, PROMPT, Play

SHORT = replace(PROMPT, deadline_seconds=30.0)
HELD = replace(PROMPT, steps=(Step(until=ONE), Step()))


def service(name: str, image: str, *needed: str, update: Update = PROMPT) -> Group:
    dependencies = tuple(Dependency(service=each) for each in needed)
    return replace(group(f"shop/{name}", image=image, dependencies=dependencies), update=update)


def submitted(play: Play, *groups: Group, seconds: float = 30) -> None:
    play.talk.heard.clear()
    assert isinstance(play.talk.submit(stack(*groups)), Done)
    play.on(seconds, *play.talk.heard)


def begun() -> Play:
    """Two services, of which one depends on the other, in the middle of a change: db holds, and web waits for it."""
    talk = Conversation()
    play = Play(talk)
    talk.subscribe()
    submitted(play, service("db", "busybox:1"), service("web", "busybox:1", "db"))
    submitted(play, service("db", "busybox:2", update=HELD), service("web", "busybox:2", "db", update=SHORT))
    assert play.rollout is not None and play.rollout.state is RolloutState.RUNNING
    return play


def images_of(play: Play, name: str) -> list[str]:
    versions = play.talk.scheduler.context.state.versions
    tasks = [task for task in play.talk.tasks if task.group.service == name and task.goal is Goal.RUN]
    return [versions["shop", task.version].container.image for task in tasks]


def test_nobody_waits_for_a_group_that_was_taken_out_of_the_stack() -> None:
    """Seed 3: the rollout would never have been over."""
    play = begun()
    play.on(100)
    submitted(play, service("web", "busybox:2", update=SHORT))
    assert images_of(play, "web") == ["busybox:2"] and images_of(play, "db") == []
    assert play.rollout is None and play.past == [RolloutState.DONE]


def test_a_rollout_whose_groups_are_all_taken_out_is_superseded() -> None:
    play = begun()
    submitted(play, service("logs", "busybox:1"))
    assert play.rollout is None and play.past == [RolloutState.SUPERSEDED]
    assert images_of(play, "logs") == ["busybox:1"]


def test_the_deadline_of_a_group_begins_when_what_it_waits_for_is_changed() -> None:
    slow = replace(PROMPT, wait_seconds=100.0)
    play = Play(Conversation())
    play.talk.subscribe()
    submitted(play, service("db", "busybox:1"), service("web", "busybox:1", "db"))
    db, web = service("db", "busybox:2", update=slow), service("web", "busybox:2", "db", update=SHORT)
    submitted(play, db, web, seconds=150)
    assert play.past == [RolloutState.DONE], play.facts()
    assert images_of(play, "web") == ["busybox:2"]


def test_what_is_needed_and_not_there_ends_at_the_deadline() -> None:
    """The dependency is not part of the change, and none of it runs any more."""
    play = Play(Conversation())
    play.talk.subscribe()
    db = service("db", "busybox:1")
    submitted(play, db, service("web", "busybox:1", "db"))
    play.fault = lambda task: "no disk" if task.group.service == "db" else ""
    (needed,) = (task for task in play.talk.tasks if task.group.service == "db")
    play.on(1, *play.talk.status(needed, TaskState.FAILED))
    submitted(play, db, service("web", "busybox:2", "db", update=SHORT), seconds=20)
    assert play.rollout is not None and play.rollout.state is RolloutState.RUNNING
    play.on(20)
    assert play.rollout is not None and play.rollout.groups[0].problem
    assert play.rollout.groups[0].problem == "no progress for 30 s (deadline): waits for shop/db to run"
    assert images_of(play, "web") == ["busybox:1"], "what serves is not touched"


def going_forward() -> Play:
    """All is of version 2 already, and watched for a minute still; of version 1 neither task nor definition is kept."""
    update = replace(PROMPT, monitor_seconds=60.0)
    talk = Conversation(settings=replace(SETTINGS, revisions_kept=1, history_per_group=0))
    play = Play(talk)
    talk.subscribe()
    submitted(play, service("web", "busybox:1", update=update))
    submitted(play, service("web", "busybox:2", update=update), seconds=10)
    assert play.rollout is not None
    return play


def ask_back(play: Play) -> list[Command]:
    return play.talk.say(RolloutActionRequested(request_id=7, stack="shop", action=RolloutAction.ROLLBACK))


def test_one_can_go_back_to_what_no_history_keeps_any_more() -> None:
    """Seed 229: the version to which the stack goes back was deleted, as only the rollout before had named it."""
    play = going_forward()
    play.on(60, *ask_back(play))
    assert images_of(play, "web") == ["busybox:1"]
    assert Conversation(stored=play.talk.shelf.stored).scheduler.context.state.versions


def test_no_version_goes_while_a_change_that_names_it_is_being_stored() -> None:
    """The rollout ends while the way back is under way to the store."""
    play = going_forward()
    play.on(40)
    play.talk.holds_saves = True
    heard = ask_back(play)
    play.on(30)
    assert play.past == [RolloutState.DONE]
    play.on(60, *heard, *play.talk.release())
    assert images_of(play, "web") == ["busybox:1"]


def test_a_change_that_could_not_be_stored_leaves_no_version_behind() -> None:
    play = going_forward()
    talk = play.talk
    play.on(40)
    talk.holds_saves = True
    talk.say(StackSubmitted(request_id=8, stack=stack(service("web", "busybox:3"))))
    asked = talk.held.pop()
    play.on(30)
    assert play.past == [RolloutState.DONE]
    talk.release()
    talk.say(SaveFailed(ticket=asked.ticket, problem="too large"))
    used = {task.version for task in talk.scheduler.context.state.tasks.values()}
    assert {id for _, id in talk.scheduler.context.state.versions} == used


def test_a_restart_replaces_also_what_was_restarted_before_the_stack_went_back() -> None:
    """Seed 869: the stack goes back to before a restart, and the tasks of that restart stay."""
    play = Play(Conversation())
    play.talk.subscribe()
    update = replace(PROMPT, monitor_seconds=60.0)
    submitted(play, service("web", "busybox:1", update=update))
    play.on(10, *play.talk.say(RestartRequested(request_id=7, pattern="shop")))
    submitted(play, service("web", "busybox:2", update=replace(update, deadline_seconds=0.0)), seconds=0.5)
    play.on(100, *ask_back(play))
    (kept,) = play.talk.tasks
    (view,) = play.talk.scheduler.view(play.talk.now).stacks["shop"].groups
    assert images_of(play, "web") == ["busybox:1"] and view.outdated == 0 and play.rollout is None
    play.on(100, *play.talk.say(RestartRequested(request_id=8, pattern="shop")))
    (task,) = play.talk.tasks
    assert task.id != kept.id


def test_what_fits_nowhere_makes_no_room_for_itself() -> None:
    """No agent would take it, however empty: the old task stays, although the order is left open."""
    play = Play(Conversation())
    play.talk.subscribe()
    submitted(play, service("web", "busybox:1"))
    play.least = 1
    nowhere = Rules(constraints=(Constraint(field="rack", operator=Operator.IS, values=("none",)),))
    changed = service("web", "busybox:2", update=replace(PROMPT, deadline_seconds=30.0))
    submitted(play, replace(changed, rules=nowhere), seconds=60)
    assert images_of(play, "web") == ["busybox:1"] and play.least == 1
    assert play.rollout is not None and "rack (wanted none" in play.rollout.groups[0].problem


def kept_apart(*more: Group) -> Play:
    """One agent, with web on it and these; web is to move for a new rule, and finds no other agent."""
    play = Play(Conversation(), offered=1)
    play.talk.subscribe(play.talk.agent(1))
    update = replace(PROMPT, order=Order.START_FIRST, deadline_seconds=600.0)
    web = service("web", "busybox:1", update=update)
    submitted(play, web, *more)
    others = ("job", "db")
    apart = tuple(Neighbour(to=Selector(service=each), field="hostname") for each in others)
    submitted(play, replace(web, rules=Rules(apart=apart)), *more)
    assert play.rollout is not None and play.rollout.state is RolloutState.RUNNING
    play.launched.clear()
    return play


def test_the_rollout_of_a_stopped_group_waits_for_no_task_that_was_to_move() -> None:
    play = kept_apart(service("job", "busybox:1"))
    play.on(1, *play.talk.say(StopRequested(request_id=7, pattern="shop/web")))
    assert images_of(play, "web") == [] and images_of(play, "job") == ["busybox:1"]
    assert play.rollout is None and play.past == [RolloutState.DONE]


def test_a_task_stays_once_what_it_was_to_leave_is_gone() -> None:
    """Nothing happens to the group itself: a task of another one ends."""
    play = kept_apart(service("job", "busybox:1"))
    (web,) = (task for task in play.talk.tasks if task.group.service == "web")
    play.on(1, *play.talk.say(StopRequested(request_id=7, pattern="shop/job")))
    assert [task.id for task in play.talk.tasks] == [web.id] and not play.launched
    assert play.rollout is None and play.past == [RolloutState.DONE]


def test_a_task_waits_to_move_as_long_as_one_that_it_was_to_leave_is_there() -> None:
    play = kept_apart(service("job", "busybox:1"), service("db", "busybox:1"))
    play.on(1, *play.talk.say(StopRequested(request_id=7, pattern="shop/job")))
    assert play.rollout is not None and play.rollout.state is RolloutState.RUNNING
    play.on(1, *play.talk.say(StopRequested(request_id=8, pattern="shop/db")))
    assert not play.launched and play.rollout is None and play.past == [RolloutState.DONE]
