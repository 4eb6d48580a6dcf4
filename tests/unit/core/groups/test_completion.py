"""When a group still needs something: what it depends on comes first, and a slot that has finished stays so."""

from __future__ import annotations

from framework.core.views import GroupState
from specs.model.stack import CheckKind, Condition, Container, Dependency, HealthCheck, Port, Restart
from specs.states import TaskState
from tests.kit.conversation import Conversation, group, launched, only_view, stack


def test_dependencies_start_first() -> None:
    health = HealthCheck(kind=CheckKind.TCP, port="main")
    redis = Container(image="redis:1", ports=(Port(name="main", container_port=6379),), health=health)
    for condition, until_ready in ((Condition.STARTED, False), (Condition.HEALTHY, True)):
        talk = Conversation()
        talk.subscribe()
        talk.submit(
            stack(
                group("shop/redis", container=redis),
                group(dependencies=(Dependency(service="redis", condition=condition),)),
            )
        )
        (first,) = launched(talk.offers())
        assert first.group.service == "redis"
        waiting = only_view(talk, index=1).waiting[0].cause
        assert waiting == ("waits for shop/redis to be healthy" if until_ready else "waits for shop/redis to run")
        talk.run(first)
        talk.wait(2)
        assert bool(launched(talk.offers())) is not until_ready
        if until_ready:
            talk.status(first, TaskState.RUNNING, is_healthy=True)
            talk.wait(2)
            assert [task.group.service for task in launched(talk.offers())] == ["web"]


def test_a_completed_dependency_lets_go() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(
        stack(
            group("shop/migrate", restart=Restart.ON_FAILURE),
            group(dependencies=(Dependency(service="migrate", condition=Condition.COMPLETED),)),
        )
    )
    (migrate,) = launched(talk.offers())
    talk.run(migrate)
    talk.status(migrate, TaskState.FINISHED)
    talk.wait(2)
    assert [task.group.service for task in launched(talk.offers())] == ["web"]


def test_restart_policies() -> None:
    for restart, state, follows in (
        (Restart.ALWAYS, TaskState.FINISHED, True),
        (Restart.ON_FAILURE, TaskState.FINISHED, False),
        (Restart.ON_FAILURE, TaskState.FAILED, True),
        (Restart.NEVER, TaskState.FAILED, False),
        (Restart.NEVER, TaskState.FINISHED, False),
    ):
        talk = Conversation()
        talk.up(group(restart=restart))
        talk.status(talk.tasks[0], state)
        talk.wait(2)
        assert bool(launched(talk.offers())) is follows, (restart, state)
        assert (only_view(talk).state is GroupState.FINISHED) is not follows
        again = Conversation(shelf=talk.shelf)
        again.subscribe()
        assert bool(again.tasks) is follows, "a finished slot stays finished under the next leader"
        assert launched(again.offers()) == []


def test_a_slot_that_has_finished_stays_so_when_an_earlier_task_that_was_given_up_ends_after_it() -> None:
    talk = Conversation()
    talk.up(group(restart=Restart.ON_FAILURE))
    (old,) = talk.tasks
    talk.status(old, TaskState.UNREACHABLE, uuid="")
    talk.wait(2)
    (new,) = launched(talk.offers(talk.offer(2)))
    talk.run(new)
    talk.status(new, TaskState.FINISHED)
    talk.status(old, TaskState.GONE, uuid="")
    talk.wait(2)
    (only,) = launched(talk.offers())
    assert only.sweeps, "where the earlier one was its container may run on; the slot itself wants nothing"
    assert only_view(talk).state is GroupState.FINISHED
