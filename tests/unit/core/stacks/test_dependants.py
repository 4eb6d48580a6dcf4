"""Dependencies between groups: the order of stopping, restarts that follow a change, and steps that must complete."""

from __future__ import annotations

from dataclasses import replace

import pytest

from framework.core.commands import Command, Done, UpdateInPlace
from framework.core.events import RestartRequested, RolloutAction, RolloutActionRequested, StartRequested, StopRequested
from framework.core.model import RolloutState, Task
from specs.model.stack import Condition, Dependency, Group, OnChange, Restart, Stack, Stop
from specs.model.update import OnFailure, Order, Share, Update
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, announced, group, killed, outcome, stack
from tests.kit.rollouts import PROMPT as ONE_BY_ONE
from tests.kit.rollouts import Play

PROMPT = Update(max_surge=Share(count=1), monitor_seconds=0.0)
REDIS, AUTH, WEB = "shop/redis", "shop/auth", "shop/web"


def on(service: str, condition: Condition = Condition.STARTED, change: OnChange = OnChange.NONE) -> Dependency:
    return Dependency(service=service, condition=condition, on_change=change)


def one(name: str, *needs: Dependency, image: str = "busybox:1", update: Update = PROMPT, **more: object) -> Group:
    made = group(name, image=image, dependencies=needs)
    return replace(made, update=update, **more)  # type: ignore[arg-type]


CHAIN = (one(REDIS), one(AUTH, on("redis")), one(WEB, on("auth")), one("shop/mail"))


def up(*groups: Group) -> Play:
    """A stack of which all runs, started in as many rounds as it takes."""
    play = Play(Conversation())
    play.talk.subscribe()
    assert isinstance(play.talk.submit(stack(*groups)), Done)
    play.on(20)
    play.launched.clear()
    play.talk.heard.clear()
    return play


def ends(talk: Conversation, service: str) -> list[str]:
    """Lets the tasks of a service that were told to stop end; returns which services are told to stop then."""
    heard = []
    for task in talk.tasks:
        if task.group.service == service:
            heard += talk.status(task, TaskState.KILLED)
    return sorted(id.split(".")[1] for id in killed(heard))


def stopping(talk: Conversation) -> list[str]:
    return sorted(task.group.service for task in talk.tasks if task.goal is Goal.STOP)


def the(talk: Conversation, service: str) -> Task:
    return next(task for task in talk.tasks if task.group.service == service)


def cause(talk: Conversation, service: str) -> str:
    """Why a group waits, as its view says."""
    view = talk.scheduler.view(talk.now)
    found = next(each for each in view.stacks["shop"].groups if each.spec.id.service == service)
    return found.waiting[0].cause if found.waiting else ""


class TestStopping:
    def test_a_stack_is_removed_from_the_top(self) -> None:
        talk = up(*CHAIN).talk
        assert isinstance(talk.remove(), Done)
        assert stopping(talk) == ["mail", "web"]
        assert cause(talk, "redis") == "stops after shop/auth, shop/web"
        assert cause(talk, "auth") == "stops after shop/web"
        assert ends(talk, "web") == ["auth"]
        assert cause(talk, "redis") == "stops after shop/auth" and ends(talk, "auth") == ["redis"]
        ends(talk, "redis")
        ends(talk, "mail")
        assert not talk.scheduler.context.state.stacks and not talk.scheduler.context.deferred_stops

    def test_several_groups_are_stopped_in_order_and_one_alone_at_once(self) -> None:
        talk = up(*CHAIN).talk
        heard = talk.say(StopRequested(request_id=9, pattern="shop/redis"))
        assert isinstance(outcome(heard, 9), Done) and stopping(talk) == ["redis"]
        talk = up(*CHAIN).talk
        heard = talk.say(StopRequested(request_id=9, pattern="shop/*"))
        assert stopping(talk) == ["mail", "web"] and announced(heard).count("GroupHeld") == 2

    def test_what_runs_on_behind_one_that_has_no_tasks_is_waited_for(self) -> None:
        step = replace(one(AUTH, on("redis")), restart=Restart.NEVER)
        talk = Conversation()
        play = Play(talk)
        talk.subscribe()
        talk.submit(stack(one(REDIS), step, one(WEB, on("auth", Condition.COMPLETED))))
        play.on(20, until=lambda: any(task.group.service == "auth" and task.is_ready for task in talk.tasks))
        talk.status(the(talk, "auth"), TaskState.FINISHED)
        play.on(5)
        assert [task.group.service for task in talk.tasks] == ["redis", "web"]
        talk.remove()
        assert stopping(talk) == ["web"] and ends(talk, "web") == ["redis"]

    def test_one_that_cannot_be_reached_is_not_waited_for(self) -> None:
        talk = up(*CHAIN).talk
        talk.remove()
        talk.status(the(talk, "web"), TaskState.UNREACHABLE)
        assert "auth" in stopping(talk)

    def test_one_that_ends_by_itself_while_it_is_held_is_not_started_again(self) -> None:
        play = up(*CHAIN)
        play.talk.say(StopRequested(request_id=9, pattern="shop/*"))
        play.talk.status(the(play.talk, "redis"), TaskState.FAILED)
        play.stubborn = True
        play.on(30)
        assert not play.launched

    def test_the_next_leader_keeps_the_order(self) -> None:
        talk = up(*CHAIN).talk
        talk.remove()
        after = Conversation(shelf=talk.shelf)
        after.subscribe()
        assert stopping(after) == ["mail", "web"] and cause(after, "auth") == "stops after shop/web"
        assert ends(after, "web") == ["auth"] and ends(after, "auth") == ["redis"]

    def test_what_is_desired_again_meanwhile_just_runs_on(self) -> None:
        talk = up(*CHAIN).talk
        redis = the(talk, "redis").id
        talk.say(StopRequested(request_id=9, pattern="shop/*"))
        talk.say(StartRequested(request_id=10, pattern="shop/*"))
        ends(talk, "web")
        assert the(talk, "redis").id == redis and stopping(talk) == ["mail"]
        assert not talk.scheduler.context.deferred_stops


class TestRestarts:
    FOLLOWS = on("redis", change=OnChange.RESTART)

    def stack_of(self, image: str, follows: Dependency = FOLLOWS, update: Update = PROMPT) -> tuple[Group, ...]:
        top = on("auth", change=OnChange.RESTART)
        return one(REDIS, image=image, update=update), one(AUTH, follows), one(WEB, top), one("shop/mail", on("redis"))

    def test_those_that_follow_are_restarted_after_it_in_order(self) -> None:
        play = up(*self.stack_of("busybox:1"))
        done = play.talk.submit(stack(*self.stack_of("busybox:2")))
        assert isinstance(done, Done) and done.changed == (AUTH, REDIS, WEB)
        old = the(play.talk, "auth").id
        play.on(30)
        assert [task.group.service for task in play.launched] == ["redis", "auth", "web"]
        assert play.talk.shelf.tasks[old].stop_cause.startswith("restarted, as shop/redis was changed")

    def test_nobody_is_restarted_who_does_not_say_so(self) -> None:
        play = up(*self.stack_of("busybox:1", on("redis")))
        play.talk.submit(stack(*self.stack_of("busybox:2", on("redis"))))
        play.on(30)
        assert [task.group.service for task in play.launched] == ["redis"]

    def test_a_restart_of_it_counts_and_scaling_does_not(self) -> None:
        play = up(*self.stack_of("busybox:1"))
        heard = play.talk.say(RestartRequested(request_id=9, pattern=REDIS))
        assert isinstance(outcome(heard, 9), Done)
        play.on(30, *heard)
        assert [task.group.service for task in play.launched] == ["redis", "auth", "web"]
        play.launched.clear()
        redis, *others = self.stack_of("busybox:1")
        play.talk.submit(stack(replace(redis, instances=2), *others))
        play.on(30)
        assert [task.group.service for task in play.launched] == ["redis"]

    def test_one_that_asks_twice_is_restarted_once(self) -> None:
        play = up(*self.stack_of("busybox:1"))
        heard = play.talk.say(RestartRequested(request_id=9, pattern="shop/*"))
        play.on(60, *heard)
        assert sorted(task.group.service for task in play.launched) == ["auth", "mail", "redis", "web"]

    def test_the_next_leader_goes_on_with_it(self) -> None:
        play = up(*self.stack_of("busybox:1"))
        play.talk.submit(stack(*self.stack_of("busybox:2")))
        play.on(20, until=lambda: len(play.launched) == 1)
        after = Play(Conversation(shelf=play.talk.shelf))
        after.talk.now = play.talk.now
        after.talk.subscribe()
        after.on(60)
        assert [task.group.service for task in after.launched] == ["auth", "web"]

    def test_none_is_restarted_where_the_change_fails(self) -> None:
        update = replace(PROMPT, max_failures=Share())
        play = up(*self.stack_of("busybox:1", update=update))
        play.fault = lambda task: "no such file" if task.group.service == "redis" else ""
        play.talk.submit(stack(*self.stack_of("busybox:2", update=update)))
        play.on(60)
        assert {task.group.service for task in play.launched} == {"redis"}
        assert play.rollout is not None and play.rollout.state == "failed"

    def test_going_back_restarts_those_that_had_been(self) -> None:
        play = up(*self.stack_of("busybox:1"))
        play.talk.submit(stack(*self.stack_of("busybox:2")))
        play.on(30, until=lambda: "auth" in [task.group.service for task in play.launched])
        back = RolloutActionRequested(request_id=9, stack="shop", action=RolloutAction.ROLLBACK)
        heard = play.talk.say(back)
        assert isinstance(outcome(heard, 9), Done)
        play.launched.clear()
        play.on(60, *heard)
        assert [task.group.service for task in play.launched][:2] == ["redis", "auth"]


class TestInitSteps:
    def stack_of(self, image: str, policy: Restart = Restart.NEVER, update: Update = PROMPT) -> tuple[Group, ...]:
        step = one("shop/migrate", image=image, restart=policy, update=update)
        web = one(WEB, on("migrate", Condition.COMPLETED), image=image)
        return step, web, one("shop/mail", image=image)

    def up(self, policy: Restart = Restart.NEVER, update: Update = PROMPT) -> Play:
        play = up(*self.stack_of("busybox:1", policy, update))
        play.talk.status(the(play.talk, "migrate"), TaskState.FINISHED)
        play.on(5)
        assert [task.group.service for task in play.talk.tasks] == ["mail", "web"]
        play.launched.clear()
        return play

    def test_a_changed_step_runs_again_before_those_that_wait_for_it(self) -> None:
        play = self.up()
        play.talk.submit(stack(*self.stack_of("busybox:2")))
        play.on(60)
        assert sorted(task.group.service for task in play.launched) == ["mail", "migrate"], "it runs for a minute"
        play.talk.status(the(play.talk, "migrate"), TaskState.FINISHED)
        play.on(10)
        assert [task.group.service for task in play.launched][-1] == "web"
        assert play.rollout is None and play.images() == ["busybox:2"] * 2

    @pytest.mark.parametrize("on_failure", [OnFailure.PAUSE, OnFailure.CONTINUE])
    def test_a_step_that_fails_keeps_those_that_wait_for_it_and_nobody_else(self, on_failure: OnFailure) -> None:
        update = replace(PROMPT, on_failure=on_failure)
        play = self.up(update=update)
        play.talk.submit(stack(*self.stack_of("busybox:2", update=update)))
        play.on(20)
        play.talk.status(the(play.talk, "migrate"), TaskState.FAILED, message="exit code 3")
        play.on(60)
        assert sorted(task.group.service for task in play.launched) == ["mail", "migrate"]
        assert play.images() == ["busybox:2", "busybox:1"], "mail went on, and the old web runs"
        stall = play.talk.scheduler.context.state.groups[the(play.talk, "web").group].stall
        assert "shop/migrate" in stall
        if on_failure is OnFailure.PAUSE:
            assert stall.startswith("waits until shop/migrate is changed, which failed: a new task failed")
            assert stall.endswith("exit code 3")
        play.talk.heard.clear()
        heard = play.talk.say(RestartRequested(request_id=9, pattern="shop/migrate"))
        play.on(10, *heard)
        play.talk.status(the(play.talk, "migrate"), TaskState.FINISHED)
        play.on(20)
        assert play.images() == ["busybox:2"] * 2 and play.rollout is None

    def test_a_step_that_is_tried_again_counts_its_failures(self) -> None:
        update = replace(PROMPT, max_failures=Share(count=1))
        play = self.up(Restart.ON_FAILURE, update)
        play.fault = lambda task: "exit code 3" if task.group.service == "migrate" else ""
        play.talk.submit(stack(*self.stack_of("busybox:2", Restart.ON_FAILURE, update)))
        play.on(60)
        part = play.rollout.part(next(iter(self.stack_of("")[0:1])).id) if play.rollout else None
        assert part is not None and part.problem.startswith("2 new tasks failed, and max_failures is 1")

    def test_the_first_time_it_says_what_failed(self) -> None:
        play = up(*self.stack_of("busybox:1"))
        failed = the(play.talk, "migrate")
        play.talk.status(failed, TaskState.FAILED, message="exit code 3")
        play.on(5)
        assert cause(play.talk, "web") == (
            f"waits for shop/migrate to complete, but {failed.id} failed: exit code 3; `framework restart shop/migrate`"
            " runs it again"
        )


def test_what_could_not_start_is_not_stopped_for() -> None:
    """The new task of a group waits for what it depends on: until that is there, the old one stays."""
    alone = replace(PROMPT, order=Order.STOP_FIRST)
    play = up(one(REDIS), one(WEB, on("redis"), update=alone))
    play.fault = lambda task: "hangs" if task.group.service == "redis" else ""
    play.talk.status(the(play.talk, "redis"), TaskState.FAILED)
    play.talk.submit(stack(one(REDIS), one(WEB, on("redis"), image="busybox:2", update=alone)))
    play.on(20)
    assert play.images() == ["busybox:1", "busybox:1"] and not stopping(play.talk), play.facts()
    play.on(20, *play.talk.run(the(play.talk, "redis")))
    assert play.images() == ["busybox:1", "busybox:2"]


HUPPED = replace(on("redis", change=OnChange.SIGNAL), signal="SIGHUP")


def signals(heard: list[Command]) -> list[tuple[int, str]]:
    return [(command.signals, command.signal) for command in heard if isinstance(command, UpdateInPlace)]


class TestSignals:
    def test_a_signal_follows_once_the_change_is_proved_and_is_told_again_until_it_was_had(self) -> None:
        play = up(one(REDIS), one(WEB, HUPPED))
        play.talk.submit(stack(one(REDIS, image="busybox:2"), one(WEB, HUPPED)))
        web = the(play.talk, "web")
        assert not signals(play.talk.heard)
        play.on(30)
        assert set(signals(play.talk.heard)) == {(1, "SIGHUP")} and len(signals(play.talk.heard)) > 1
        assert the(play.talk, "web").id == web.id and not the(play.talk, "web").stop_cause
        heard = play.talk.status(web, TaskState.RUNNING, version=web.version, signals=1)
        assert "TaskSignalled" in announced(heard) and not signals(play.talk.wait(60))

    def test_each_change_has_its_signal_and_the_same_file_again_has_none(self) -> None:
        play = up(one(REDIS), one(WEB, HUPPED))
        for number in (1, 2):
            desired = stack(one(REDIS, image=f"busybox:{number + 1}"), one(WEB, HUPPED))
            assert play.talk.submit(desired) == Done(
                changed=(REDIS, WEB), index=number + 1, message="replaced redis; signalled web"
            )
            play.talk.heard.clear()
            play.on(30)
            assert set(signals(play.talk.heard)) == {(number, "SIGHUP")}
            play.talk.status(
                the(play.talk, "web"), TaskState.RUNNING, version=the(play.talk, "web").version, signals=number
            )
            assert play.talk.submit(desired) == Done(index=number + 1, message="unchanged")

    def test_a_task_that_begins_before_the_change_is_proved_gets_it_too_and_a_later_one_does_not(self) -> None:
        play = up(one(REDIS), one(WEB, HUPPED))
        play.fault = lambda task: "hangs" if task.group.service == "redis" else ""
        play.talk.submit(stack(one(REDIS, image="busybox:2"), one(WEB, HUPPED)))
        play.on(5)
        play.talk.status(the(play.talk, "web"), TaskState.FAILED)
        play.on(10)
        assert the(play.talk, "web").signals == 0
        hanging = next(task for task in play.talk.tasks if task.beside)
        play.talk.run(hanging)
        play.on(30)
        assert (1, "SIGHUP") in signals(play.talk.heard)
        play.talk.status(the(play.talk, "web"), TaskState.FAILED)
        play.on(10)
        assert the(play.talk, "web").signals == 1

    def test_what_is_applied_in_place_is_no_change(self) -> None:
        play = up(one(REDIS), one(WEB, HUPPED))
        other = replace(one(REDIS).container, stop=Stop(drain_seconds=1.0))
        play.talk.submit(stack(one(REDIS, container=other), one(WEB, HUPPED)))
        play.on(30)
        assert {each for each, _ in signals(play.talk.heard)} == {0}


def test_dependants_are_changed_after_what_they_depend_on() -> None:
    talk = Conversation()
    play = Play(talk)
    talk.subscribe()

    def both(image: str) -> Stack:
        return stack(
            replace(group("shop/db", image=image), update=ONE_BY_ONE),
            replace(group("shop/web", image=image, dependencies=(Dependency(service="db"),)), update=ONE_BY_ONE),
        )

    talk.submit(both("busybox:1"))
    play.on(3)
    play.launched.clear()
    talk.submit(both("busybox:2"))
    play.on(30)
    assert [task.group.service for task in play.launched] == ["db", "web"]
    assert play.past == [RolloutState.DONE]
