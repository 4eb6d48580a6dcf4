"""In-place updates of running tasks: new in-place settings. (Signals: test_dependants.)"""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Command, Done, UpdateInPlace
from framework.core.converge.inplace_update import RESEND_SECONDS
from framework.core.converge.slots import _worth
from framework.core.events import Disconnected, RollbackRequested
from framework.core.model import RolloutState, Task
from framework.core.rollout.updater import UNPROVED
from framework.core.views import GroupState
from placement.surplus import Worth
from specs.ids import VersionId, is_same_container
from specs.model.in_place import in_place_settings
from specs.model.stack import CheckKind, Container, Group, HealthCheck, Stop
from specs.model.update import Order, Share, Update
from specs.states import Health, Readiness, TaskState
from tests.kit.conversation import Conversation, announced, group, killed, stack
from tests.kit.rollouts import Play, fine

CHECK = HealthCheck(kind=CheckKind.TCP)
OTHER = HealthCheck(kind=CheckKind.TCP, interval_seconds=2.0)
BARE = Container(image="acme/web:1")


def web(**changes: object) -> Group:
    return group("shop/web", instances=2, container=replace(BARE, **changes))  # type: ignore[arg-type]


def updates(heard: list[Command]) -> list[UpdateInPlace]:
    return [command for command in heard if isinstance(command, UpdateInPlace)]


def submitted(talk: Conversation, group: Group) -> list[Command]:
    """The commands that follow from a submit."""
    before = len(talk.heard)
    assert isinstance(talk.submit(stack(group)), Done)
    return talk.heard[before:]


def desired(talk: Conversation) -> VersionId:
    (spec,) = talk.scheduler.context.state.specs.values()
    return spec.version


def has(talk: Conversation, task: Task, **more: object) -> list[Command]:
    """The executor says that a task has what is desired."""
    return talk.status(task, TaskState.RUNNING, version=desired(talk), **more)


def up(**changes: object) -> Conversation:
    talk = Conversation()
    talk.up(web(**changes))
    return talk


def test_an_update_is_sent_at_once_and_again_until_each_task_has_it() -> None:
    talk = up()
    first, second = talk.tasks
    heard = updates(submitted(talk, web(stop=Stop(drain_seconds=5.0))))
    assert {id for each in heard for id in each.tasks} == {first.id, second.id}
    wanted = in_place_settings(Container(stop=Stop(drain_seconds=5.0)))
    assert all(each.settings == wanted and each.version == desired(talk) for each in heard)
    assert not updates(talk.wait(RESEND_SECONDS - 1))
    has(talk, first)
    assert [each.tasks for each in updates(talk.wait(2))] == [(second.id,)]
    assert "TaskApplied" in announced(has(talk, second))
    assert not updates(talk.wait(100)) and not killed(talk.heard)
    assert [(task.id, task.version) for task in talk.tasks] == [(first.id, desired(talk)), (second.id, desired(talk))]
    assert len(talk.scheduler.context.state.versions) == 2  # that of the tasks, and of the definition before


def test_it_is_no_rollout_and_going_back_is_none_either() -> None:
    talk = up()
    before = desired(talk)
    submitted(talk, web(health=CHECK))
    state = talk.scheduler.context.state
    assert not state.rollouts and state.histories["shop"].revisions[-1].text == "changed in place web"
    for task in talk.tasks:
        has(talk, task, is_healthy=True)
    talk.say(RollbackRequested(request_id=77, name="shop"))
    assert desired(talk) == before and not state.rollouts and not killed(talk.heard)
    assert {each.version for each in updates(talk.heard)[-2:]} == {before}


def test_what_is_known_of_a_task_follows_what_it_is_asked() -> None:
    talk = up()
    submitted(talk, web(health=CHECK, ready=CHECK))
    task = talk.tasks[0]
    assert (task.health, task.readiness) == (Health.NONE, Readiness.NONE) and task.is_ready
    has(talk, task, is_healthy=True, is_ready=True)
    assert talk.tasks[0].is_ready and talk.tasks[0].health is Health.HEALTHY
    has(talk, talk.tasks[1])
    assert talk.tasks[1].health is Health.UNKNOWN and not talk.tasks[1].is_ready
    submitted(talk, web())
    for task in talk.tasks:
        has(talk, task)
    assert all(task.is_ready and task.health is Health.NONE for task in talk.tasks)


def test_a_task_that_has_not_begun_is_sent_its_update_once_its_executor_sends_a_status() -> None:
    talk = Conversation()
    talk.subscribe()
    submitted(talk, web())
    talk.offers()
    task, _ = talk.tasks
    assert not updates(submitted(talk, web(health=CHECK)))
    assert [each.tasks for each in updates(talk.status(task, TaskState.STARTING, version=task.version))] == [(task.id,)]
    assert is_same_container(task.version, desired(talk)) and task.version != desired(talk)


def test_the_next_leader_and_the_next_connection_tell_again() -> None:
    talk = up()
    submitted(talk, web(health=CHECK))
    heir = Conversation(shelf=talk.shelf)
    assert len(updates(heir.subscribe())) == 2
    heir.say(Disconnected(problem="gone"))
    assert len(updates(heir.subscribe())) == 2


def test_what_an_executor_says_of_a_version_that_is_forgotten_is_no_news() -> None:
    talk = up()
    before = talk.tasks[0]
    talk.status(before, TaskState.RUNNING, version=VersionId(f"{before.version}-00000000"))
    assert talk.tasks[0].version == before.version


def test_a_rollout_that_failed_begins_anew_where_its_group_is_mended_in_place() -> None:
    play = Play(Conversation())
    play.talk.subscribe()
    pace = Update(monitor_seconds=0.0, max_failures=Share())
    play.talk.submit(stack(replace(web(), update=pace)))
    play.on(5)
    play.fault = lambda task: "never healthy"
    second = replace(web(image="acme/web:2"), update=pace)
    play.talk.submit(stack(second))
    play.on(30)
    assert play.rollout is not None and play.rollout.state is RolloutState.FAILED
    play.fault = fine
    mended = replace(second, container=replace(second.container, stop=Stop(grace_seconds=1.0)))
    play.talk.submit(stack(mended))
    play.on(60)
    assert play.rollout is None and play.past == [RolloutState.DONE, RolloutState.SUPERSEDED]


class TestProbation:
    """A check that changes while tasks serve: these serve on, and their health is unknown before it has spoken."""

    def changed(self, check: HealthCheck = OTHER, order: Order | None = None) -> Play:
        """Two healthy tasks get another check, of which nothing is known yet."""
        play = Play(Conversation())
        talk = play.talk
        talk.up(replace(web(health=CHECK), update=Update(order=order)))
        for task in talk.tasks:
            talk.status(task, TaskState.RUNNING, version=task.version, is_healthy=True)
        assert isinstance(talk.submit(stack(replace(web(health=check), update=Update(order=order)))), Done)
        for task in talk.tasks:
            has(talk, task, is_on_probation=True)
        return play

    def says(self, play: Play, is_healthy: bool, *, is_on_probation: bool = False) -> list[Command]:
        """The check says so of each task that serves."""
        said = {"is_healthy": is_healthy, "is_on_probation": is_on_probation}
        return [each for task in play.talk.tasks if task.is_ready for each in has(play.talk, task, **said)]

    def test_a_task_serves_on_and_its_health_is_unknown(self) -> None:
        play = self.changed()
        talk = play.talk
        group = talk.scheduler.view(talk.now).stacks["shop"].groups[0]
        assert [(task.health, task.is_ready) for task in talk.tasks] == [(Health.UNKNOWN, True)] * 2
        assert (group.state, group.ready, group.on_probation) == (GroupState.RUNNING, 2, 2)
        assert not {"TaskUnknown", "TaskUnhealthy"} & set(announced(talk.heard))
        talk.status(talk.tasks[0], TaskState.RUNNING)  # a master that was asked to reconcile
        assert Conversation(shelf=talk.shelf).tasks[0].is_on_probation, "the next leader knows it"
        self.says(play, True)
        assert [(task.health, task.is_ready) for task in talk.tasks] == [(Health.HEALTHY, True)] * 2
        assert not talk.scheduler.view(talk.now).stacks["shop"].groups[0].on_probation and not killed(talk.heard)

    def test_those_that_never_pass_are_replaced_at_the_pace_of_their_group(self) -> None:
        play = self.changed()
        talk, before = play.talk, play.talk.tasks
        play.on(20, *self.says(play, False, is_on_probation=True))
        assert len(play.launched) == 1 and not killed(talk.heard), "nothing stops before another has passed"
        assert all(task.is_ready for task in before)
        play.on(5, *has(talk, play.launched[0], is_healthy=True))
        assert killed(talk.heard) == [before[0].id]
        assert talk.scheduler.context.state.tasks[before[0].id].stop_cause.startswith(UNPROVED)
        play.on(5, *has(talk, play.launched[1], is_healthy=True))
        assert killed(talk.heard) == [task.id for task in before] and play.least == 2
        assert talk.scheduler.context.state.group(before[0].group).stall == ""

    def test_a_check_that_is_wrong_stops_nothing_that_serves(self) -> None:
        play = self.changed()
        play.fault = lambda task: "unhealthy: 3 checks failed in a row"
        before = play.talk.tasks
        play.on(300, *self.says(play, False, is_on_probation=True))
        assert play.launched and not killed(play.talk.heard) and play.least == 2
        play.on(20, *self.says(play, True))
        assert [task.id for task in play.talk.tasks] == [task.id for task in before], "one that passes stays"

    def test_where_tasks_stop_first_one_at_a_time_is_tried(self) -> None:
        play = self.changed(order=Order.STOP_FIRST)
        before = play.talk.tasks
        play.on(60, *self.says(play, False, is_on_probation=True))
        assert killed(play.talk.heard) == [before[0].id] and play.least == 1

    def test_a_check_that_stops_no_task_stops_none_here_either(self) -> None:
        play = self.changed(replace(OTHER, failures=0), Order.STOP_FIRST)
        play.on(60, *self.says(play, False, is_on_probation=True))
        group = play.talk.scheduler.view(play.talk.now).stacks["shop"].groups[0]
        assert not killed(play.talk.heard) and not play.launched
        assert (
            group.stall
            == f"{group.tasks[0].id}: {UNPROVED}, and no task is stopped for that before another has passed it"
        )

    def test_of_too_many_those_go_first_that_have_not_passed(self) -> None:
        play = self.changed(order=Order.STOP_FIRST)
        talk = play.talk
        first, second = talk.tasks
        has(talk, first, is_healthy=True)
        has(talk, second, is_healthy=False, is_on_probation=True)
        assert _worth(talk.tasks[0]) is Worth.READY and _worth(talk.tasks[1]) is Worth.UNHEALTHY

    def test_of_one_that_did_not_serve_nothing_is_known_until_the_check_has_spoken(self) -> None:
        play = self.changed()
        talk = play.talk
        self.says(play, False)
        assert [task.health for task in talk.tasks] == [Health.UNHEALTHY] * 2
        talk.submit(stack(web(health=CHECK)))
        has(talk, talk.tasks[0])
        assert talk.tasks[0].health is Health.UNKNOWN and not talk.tasks[0].is_ready

    def test_without_a_check_nothing_is_announced_of_its_health(self) -> None:
        talk = self.changed().talk
        talk.submit(stack(web()))
        heard = announced(has(talk, talk.tasks[0]))
        assert talk.tasks[0].health is Health.NONE and heard == ["TaskApplied"]
