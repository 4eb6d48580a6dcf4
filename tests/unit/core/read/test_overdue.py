"""Every way in which a task that is to go can be left where it is has a sentence, for `ps`, `explain` and the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from framework.api.answers.tasks import task_line
from framework.core.events import RolloutAction, ScaleRequested
from framework.core.groups.pace import WHAT_MOVES_IT
from framework.core.read.explain import explain
from framework.core.read.pace_warnings import warned
from framework.core.views import GroupView, View
from placement.agent import AgentState
from specs.model.autoscale import Autoscale
from specs.model.constraints import STICKY_ALWAYS, Mode, Rules
from specs.model.stack import Container, Dependency, Group, Port, Unreachable
from specs.model.update import Order, Share, Step, Update
from specs.states import TaskState
from tests.kit.conversation import Conversation, group, stack
from tests.kit.rollouts import ALL, ONE, PROMPT, STOP_FIRST, Play, ask, change, is_new, playing, web

HALF = Share(percent=50)
DRAINS = "waits to be replaced (its agent agent2 is draining): "
Case = Callable[[], Play]


def drained(play: Play, seconds: float = 5.0, state: AgentState = AgentState.DRAINING) -> Play:
    """Agent 2 is draining."""
    talk = play.talk
    play.offered = 1
    play.on(seconds, *talk.report(talk.agent(1), talk.agent(2, state=state), talk.agent(3)))
    return play


def scaled_down() -> Play:
    """Two tasks that stop first, half of which stay ready; of one task half is one."""
    play = playing(2, replace(STOP_FIRST, min_healthy=HALF))
    play.on(5, *play.talk.say(ScaleRequested(request_id=5, pattern="shop/web", instances=1)))
    (left,) = play.talk.tasks
    number = int(left.agent_id.rpartition("-")[2])
    agents = [play.talk.agent(n, state=AgentState.DRAINING if n == number else AgentState.ACTIVE) for n in (1, 2, 3)]
    play.talk.report(*agents)
    return play


def paused(action: RolloutAction) -> Play:
    play = change(playing(update=PROMPT_STEPS), 5, update=PROMPT_STEPS)
    ask(play, action)
    return play


PROMPT_STEPS = replace(PROMPT, steps=(Step(until=ONE), Step()))


def failed() -> Play:
    play = playing()
    play.fault = lambda task: "exit code 1" if is_new(task) else ""
    return change(play, 60)


def after_another() -> Play:
    """Both services change; the first does not get on."""
    play = Play(Conversation())
    play.talk.subscribe()

    def both(image: str) -> None:
        needs = (Dependency(service="db"),)
        changed = (group("shop/db", image=image), group("shop/web", image=image, dependencies=needs))
        play.talk.submit(stack(*(replace(each, update=PROMPT) for each in changed)))

    both("busybox:1")
    play.on(3)
    play.fault = lambda task: "hangs"
    both("busybox:2")
    play.on(3, *play.talk.heard)
    return play


def not_ready() -> Play:
    play = playing()
    play.fault = lambda task: "hangs" if is_new(task) else ""
    return drained(play)


def watched() -> Play:
    play = playing(3, replace(PROMPT, wait_seconds=100.0))
    play.on(120)
    return drained(play)


def backing_off() -> Play:
    play = playing()
    play.fault = lambda task: "exit code 1" if is_new(task) else ""
    return drained(play, 10)


def nowhere() -> Play:
    play = playing(3, replace(PROMPT, order=Order.START_FIRST))
    play.cpus = 0.2
    return drained(play)


def without_offers() -> Play:
    play = playing()
    play.talk.report(play.talk.agent(1), play.talk.agent(2, state=AgentState.DRAINING), play.talk.agent(3))
    return play


def surging() -> Play:
    play = playing(3, replace(PROMPT, order=Order.START_FIRST))
    play.stubborn = True
    return change(play, 10, update=replace(PROMPT, order=Order.START_FIRST, parallelism=ALL))


def pinned(**changes: object) -> Play:
    play = Play(Conversation())
    play.talk.subscribe()
    play.talk.submit(stack(replace(group(instances=3), **changes)))  # type: ignore[arg-type]
    play.on(3)
    assert len(play.talk.tasks) == 3
    return play


def everywhere() -> Play:
    """A global group stays until Mesos takes the agent away; that its window comes is known before."""
    play = pinned(mode=Mode.GLOBAL, instances=1)
    talk = play.talk
    talk.report(talk.agent(1), talk.agent(2, window=(talk.now + 300, talk.now + 4000)), talk.agent(3))
    return play


def unreachable() -> Play:
    play = pinned(unreachable=Unreachable(replace_after_seconds=300))
    play.talk.status(play.talk.tasks[0], TaskState.UNREACHABLE)
    return play


CASES: dict[str, tuple[Case, str]] = {
    "fewer instances than the pace was made for": (
        scaled_down,
        f"1 of 1 are ready, and 1 must stay so: {WHAT_MOVES_IT}",
    ),
    "stop-first, and all must stay": (
        lambda: drained(playing(3, replace(STOP_FIRST, min_healthy=ALL))),
        f"{DRAINS}3 of 3 are ready, and 3 must stay so: {WHAT_MOVES_IT}",
    ),
    "a rollout that is paused": (lambda: paused(RolloutAction.PAUSE), "paused by ann"),
    "a rollout that is aborted": (lambda: paused(RolloutAction.ABORT), "the rollout is aborted: aborted by ann"),
    "a step that waits": (
        lambda: change(playing(update=PROMPT_STEPS), 5, update=PROMPT_STEPS),
        "waits for `framework rollout promote`",
    ),
    "a rollout that failed": (failed, "the rollout failed: "),
    "another group first": (after_another, "waits until shop/db is changed"),
    "a new task that is not ready": (not_ready, "is not ready (LAUNCHING, NONE)"),
    "a new task that is watched": (
        watched,
        "is ready, and is watched for a while (wait)",
    ),
    "a back-off": (backing_off, "waits "),
    "no room beside": (nowhere, "agents fit"),
    "no offers": (without_offers, "waits for offers"),
    "as many tasks as may be": (surging, "max_surge allows 4"),
    "as many at a time as may be": (lambda: change(not_ready(), 1), "as many as may be at a time"),
    "a slot that belongs to its agent": (
        lambda: drained(pinned(rules=Rules(sticky_wait_seconds=STICKY_ALWAYS))),
        "stays on agent2, which is draining: its slot belongs to that agent (sticky: always)",
    ),
    "one on every agent": (everywhere, "its slot belongs to that agent (mode: global)"),
    "an agent that may come back": (unreachable, "is away, and its slot is kept for it for 300 s (unreachable)"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_says_why(name: str) -> None:
    make, sentence = CASES[name]
    play = make()
    view, shown = seen(play)
    assert due(play) and due(play) <= set(shown.waits)
    assert any(sentence in each for each in shown.waits.values()), shown.waits
    for task in shown.tasks:
        if task.id not in shown.waits:
            continue
        assert task_line(view, shown, task)["waits"] == shown.waits[task.id]
        if task.state is not TaskState.UNREACHABLE:
            assert f"{task.id} {shown.waits[task.id]}" in explain(view, shown, task.slot).sentences


def test_what_may_stay_waits_for_nothing() -> None:
    _, shown = seen(playing())
    assert shown.waits == {}


def seen(play: Play) -> tuple[View, GroupView]:
    view = play.talk.scheduler.view(play.talk.now)
    groups = view.stacks["shop"].groups
    return view, groups[-1]


def due(play: Play) -> set[str]:
    """The tasks that are to go, by what is stored."""
    index = play.talk.scheduler.context.state.groups[seen(play)[1].spec.id]
    away = [task for task in play.talk.tasks if task.state is TaskState.UNREACHABLE]
    slots = {**index.draining, **index.outdated, **index.violating}
    return {index.holders[slot] for slot in slots if slot in index.holders} | {task.id for task in away}


class TestWarnings:
    """A pace that can never replace a task is warned about when it is submitted, not when it is needed."""

    def of(self, instances: int, update: Update, **changes: object) -> list[str]:
        found: Group = replace(web(instances, update=update), **changes)  # type: ignore[arg-type]
        return [line.partition(":")[0] for line in warned(found, found.container, 0)]

    @pytest.mark.parametrize(
        ("instances", "update", "is_warned"),
        [
            (1, replace(STOP_FIRST, min_healthy=HALF), True),
            (2, replace(STOP_FIRST, min_healthy=HALF), False),
            (3, replace(STOP_FIRST, min_healthy=ALL), True),
            (3, replace(STOP_FIRST, min_healthy=Share(count=5)), True),
            (0, replace(STOP_FIRST, min_healthy=ALL), False),
            (1, STOP_FIRST, False),
            (1, replace(PROMPT, order=Order.START_FIRST, min_healthy=ALL), False),
            (1, replace(PROMPT, min_healthy=ALL), False),
        ],
    )
    def test_a_pace_that_moves_nothing(self, instances: int, update: Update, is_warned: bool) -> None:
        assert self.of(instances, update) == ["shop/web"] * is_warned

    def test_two_tasks_that_cannot_run_beside_each_other_stop_first(self) -> None:
        container = Container(image="busybox:1", ports=(Port(name="http", container_port=80, host_port=8080),))
        assert self.of(1, replace(PROMPT, min_healthy=ALL), container=container) == ["shop/web"]

    def test_the_fewest_to_which_its_load_may_scale_it_count_and_so_does_the_way_back(self) -> None:
        update = replace(STOP_FIRST, min_healthy=HALF)
        assert self.of(4, update, autoscale=Autoscale(min=1, max=9)) == ["shop/web"]
        assert self.of(4, STOP_FIRST, rollback=replace(STOP_FIRST, min_healthy=ALL)) == ["shop/web"]

    def test_a_global_group(self) -> None:
        assert self.of(1, replace(STOP_FIRST, min_healthy=ALL), mode=Mode.GLOBAL) == ["shop/web"]
        assert self.of(1, replace(STOP_FIRST, min_healthy=HALF), mode=Mode.GLOBAL) == []
