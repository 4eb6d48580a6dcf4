"""The core as conversations: events in, command lists compared."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import (
    Accept,
    Acknowledge,
    Decline,
    Done,
    Halt,
    HaltCause,
    Kill,
    PutFramework,
    PutTask,
    Reconcile,
    Refused,
    Reply,
    Revive,
    Save,
    Subscribe,
    Suppress,
)
from framework.core.events import (
    CallFailed,
    Disconnected,
    FrameworkRefused,
    OfferRescinded,
    OffersReceived,
    RestartRequested,
    Saved,
    SaveFailed,
    ScaleRequested,
    StackRemoved,
    StackSubmitted,
    StartRequested,
    StopRequested,
)
from framework.core.model import Version
from framework.core.state.offer_pool import between_revives
from framework.core.views import GroupState
from specs.ids import TaskId, VersionId
from specs.model.resources import Resources
from specs.model.stack import CheckKind, Condition, Container, Dependency, HealthCheck, Port, Restart
from specs.states import Goal, Health, TaskState
from tests.kit.conversation import (
    FRAMEWORK,
    SETTINGS,
    Conversation,
    acknowledged,
    announced,
    group,
    killed,
    launched,
    only_view,
    outcome,
    stack,
)


def test_first_start_subscribes_as_a_new_framework_and_stores_the_id_it_is_given() -> None:
    talk = Conversation()
    assert talk.heard[0] == Subscribe(framework_id=None)
    heard = talk.subscribe()
    assert isinstance(heard[0], Save)
    assert heard[0].writes == (PutFramework(framework_id=FRAMEWORK, next_serial=1),)
    assert Reconcile() in heard


def test_a_submitted_stack_is_stored_before_it_is_acknowledged_and_launched_after_its_intents_are() -> None:
    talk = Conversation()
    talk.subscribe()
    assert talk.submit(stack(group(instances=3))) == Done(changed=("shop/web",), index=1, message="created")
    assert Revive() in talk.wait(0.1)
    talk.holds_saves = True
    heard = talk.offers()
    saves = [command for command in heard if isinstance(command, Save)]
    assert not [command for command in heard if isinstance(command, Accept)], "an Accept before its intent is stored"
    assert sum(isinstance(write, PutTask) for save in saves for write in save.writes) == 3
    tasks = launched(talk.release())
    assert sorted(task.slot for task in tasks) == [0, 1, 2]
    assert len({task.hostname for task in tasks}) == 3, "one on each of three equal agents"
    assert all(task.state is TaskState.INTENT for task in talk.shelf.tasks.values())


def test_serial_numbers_are_stored_with_the_intents_and_never_given_twice() -> None:
    talk = Conversation()
    talk.up(group(instances=3))
    ids = {task.id for task in talk.tasks}
    assert talk.shelf.next_serial == 4
    again = Conversation(shelf=talk.shelf)
    again.subscribe()
    again.submit(stack(group(instances=4)))
    again.offers()
    assert {task.id for task in again.tasks} - ids == {"shop.web.3.4"}


def test_statuses_are_acknowledged_only_after_they_are_stored() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    talk.offers()
    (task,) = talk.tasks
    talk.holds_saves = True
    assert acknowledged(talk.status(task, TaskState.RUNNING)) == []
    assert acknowledged(talk.release()) == [task.id]
    assert talk.shelf.tasks[task.id].state is TaskState.RUNNING


def test_a_repeated_status_is_acknowledged_without_a_save() -> None:
    talk = Conversation()
    talk.up(group())
    heard = talk.status(talk.tasks[0], TaskState.RUNNING)
    assert [type(command) for command in heard] == [Acknowledge]


def test_a_status_without_uuid_is_not_acknowledged() -> None:
    talk = Conversation()
    talk.up(group())
    assert acknowledged(talk.status(talk.tasks[0], TaskState.FAILED, uuid="")) == []


def test_more_is_asked_for_soon_after_and_the_less_often_the_more_agents_there_are() -> None:
    talk = Conversation()
    talk.subscribe(*(talk.agent(number) for number in range(1, 201)))
    talk.submit(stack(group()))
    assert Revive() in talk.wait(0.02)
    talk.offers()
    talk.say(ScaleRequested(request_id=90, pattern="shop/web", delta=1))
    assert Revive() not in talk.wait(0.25), "it was asked for less than 0.4 s ago"
    assert Revive() in talk.wait(0.05)
    assert [between_revives(number) for number in (1, 200, 500, 10_000)] == [0.1, 0.4, 1.0, 1.0]


def test_idle_it_declines_for_long_and_suppresses_once() -> None:
    talk = Conversation()
    talk.up(group())
    heard = talk.offers(talk.offer(1), talk.offer(2))
    assert [command.refuse_seconds for command in heard if isinstance(command, Decline)] == [3600.0]
    assert sum(isinstance(command, Suppress) for command in talk.heard) == 1


def test_a_group_scaled_up_revives_and_launches_only_what_is_missing() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    heard = talk.say(ScaleRequested(request_id=90, pattern="shop/web", delta=2))
    assert outcome(heard, 90) == Done(changed=("shop/web",), index=2)
    assert Revive() in talk.wait(2)
    assert sorted(task.slot for task in launched(talk.offers())) == [2, 3]


def test_scaled_down_the_highest_slots_stop_after_that_is_stored() -> None:
    talk = Conversation()
    talk.up(group(instances=4))
    heard = talk.say(ScaleRequested(request_id=90, pattern="shop/web", instances=2))
    kinds = [type(command) for command in heard if isinstance(command, Save | Kill)]
    assert kinds == [Save, Save, Kill, Kill], "the spec, then the goals, then the kills"
    assert sorted(talk.scheduler.context.state.tasks[id].slot for id in killed(heard)) == [2, 3]


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


def test_scaling_refuses_what_cannot_be() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    refused = outcome(talk.say(ScaleRequested(request_id=90, pattern="shop/web", delta=-3)), 90)
    assert isinstance(refused, Refused) and refused.kind == "invalid" and "-1 instances" in refused.message
    missing = outcome(talk.say(ScaleRequested(request_id=91, pattern="shop/wbe", instances=1)), 91)
    assert isinstance(missing, Refused) and missing.kind == "not_found"
    assert outcome(talk.say(ScaleRequested(request_id=92, pattern="shop", factor=2.0)), 92) == Done(
        changed=("shop/web",), index=2
    )


def test_the_same_stack_again_is_unchanged_and_touches_nothing() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    assert talk.submit(stack(group(instances=2))) == Done(changed=(), index=1, message="unchanged")
    assert killed(talk.wait(60)) == []


def test_a_submit_with_the_index_of_yesterday_is_refused() -> None:
    talk = Conversation()
    talk.up(group())

    heard = talk.say(StackSubmitted(request_id=7, stack=stack(group(instances=5)), if_index=9))
    refused = outcome(heard, 7)
    assert isinstance(refused, Refused) and refused.kind == "conflict" and "index 1, not 9" in refused.message
    assert len(talk.tasks) == 1


def test_a_changed_image_replaces_one_ready_task_at_a_time() -> None:
    talk = Conversation()
    talk.up(group(instances=3))
    talk.submit(stack(group(instances=3, image="busybox:2")))
    assert [task.goal for task in talk.tasks] == [Goal.RUN] * 3
    (new,) = launched(talk.offers())
    assert (new.slot, new.attempt, new.beside) == (0, 2, "shop.web.0.1")
    assert killed(talk.wait(2)) == [], "the old one stays until the new one runs"
    assert killed(talk.run(new)) == [], "and has run for a moment"
    assert killed(talk.wait(1)) == ["shop.web.0.1"]
    assert launched(talk.offers()) == [], "the next only when the old one has ended"
    talk.status(TaskId("shop.web.0.1"), TaskState.KILLED)
    assert [task.slot for task in launched(talk.offers())] == [1]


def test_outdated_tasks_that_are_not_ready_are_replaced_at_once() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group(instances=3)))
    talk.offers()
    talk.submit(stack(group(instances=3, image="busybox:2")))
    assert all(task.goal is Goal.STOP for task in talk.tasks)


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


def test_restart_replaces_tasks_of_the_same_version() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    talk.say(RestartRequested(request_id=5, pattern="shop/web"))
    talk.run(*launched(talk.offers()))
    talk.wait(1)
    (stopping,) = [task for task in talk.tasks if task.goal is Goal.STOP]
    assert stopping.stop_cause == "restart asked: shop.web.0.3 has taken its place"
    talk.status(stopping, TaskState.KILLED)
    assert [task.generation for task in talk.tasks] == [1, 0]


def test_stop_keeps_the_definition_and_start_brings_it_back() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    talk.say(StopRequested(request_id=5, pattern="shop"))
    for task in talk.tasks:
        talk.status(task, TaskState.KILLED)
    assert talk.tasks == []
    assert only_view(talk).state is GroupState.STOPPED
    talk.say(StartRequested(request_id=6, pattern="shop"))
    talk.wait(2)
    assert len(launched(talk.offers())) == 2


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


def test_a_stack_submitted_while_it_is_removed_comes_back() -> None:
    talk = Conversation()
    talk.up(group())
    (old,) = talk.tasks
    talk.remove()
    talk.submit(stack(group()))
    assert launched(talk.offers()) == [], "the slot is still held by the task that is ending"
    talk.status(old, TaskState.KILLED)
    talk.wait(2)
    assert [task.slot for task in launched(talk.offers())] == [0]


def test_a_group_taken_out_of_the_file_is_stopped() -> None:
    talk = Conversation()
    talk.up(group(), group("shop/redis"))
    talk.submit(stack(group("shop/redis")))
    (task,) = [task for task in talk.tasks if task.goal is Goal.STOP]
    assert (task.group.service, task.stop_cause) == ("web", "the group was taken out of the stack")
    talk.status(task, TaskState.KILLED)
    assert [str(view.spec.id) for view in talk.scheduler.view(talk.now).stacks["shop"].groups] == ["shop/redis"]


def test_ends_back_off_and_well_run_resets() -> None:
    talk = Conversation()
    talk.up(group())
    delays = []
    for _ in range(4):
        talk.status(talk.tasks[0], TaskState.FAILED, message="exit code 1")
        (waiting,) = only_view(talk).waiting
        delays.append(round(waiting.until - talk.now, 3))
        talk.wait(waiting.until - talk.now + 2)
        talk.run(*launched(talk.offers()))
    assert delays == [1.0, 1.15, 1.323, 1.521]
    talk.wait(301)
    talk.status(talk.tasks[0], TaskState.FINISHED)
    assert only_view(talk).waiting[0].until - talk.now == 1.0


def test_within_a_back_off_nothing_is_launched_and_the_cause_is_told() -> None:
    talk = Conversation()
    talk.up(group())
    talk.status(talk.tasks[0], TaskState.FAILED, message="exit code 3")
    assert launched(talk.offers()) == []
    assert only_view(talk).waiting[0].cause == "waits 1 s after: exit code 3"


def test_many_instances_that_fail_together_have_failed_once() -> None:
    talk = Conversation()
    talk.up(group(instances=6))
    for task in talk.tasks:
        talk.status(task, TaskState.FAILED)
    (backoff,) = talk.scheduler.context.state.backoffs.values()
    assert (backoff.delay_seconds, backoff.failures) == (1.0, 1)


def test_a_new_version_does_not_wait_for_the_back_off_of_the_old() -> None:
    talk = Conversation()
    talk.up(group())
    talk.status(talk.tasks[0], TaskState.FAILED)
    talk.submit(stack(group(image="busybox:2")))
    talk.wait(0.1)
    assert len(launched(talk.offers())) == 1


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


def test_an_unreachable_task_is_replaced_and_stopped_when_it_returns() -> None:
    talk = Conversation()
    talk.up(group())
    (old,) = talk.tasks
    talk.status(old, TaskState.UNREACHABLE, uuid="")
    talk.wait(2)
    (new,) = launched(talk.offers(talk.offer(2)))
    assert new.slot == old.slot
    talk.run(new)
    heard = talk.status(old, TaskState.RUNNING, uuid="")
    assert killed(heard) == [old.id]
    talk.status(old, TaskState.KILLED)
    assert [task.id for task in talk.tasks] == [new.id]


def test_a_task_that_came_back_holds_its_slot_again_when_its_replacement_has_ended_first() -> None:
    talk = Conversation()
    talk.up(group())
    (old,) = talk.tasks
    talk.status(old, TaskState.UNREACHABLE, uuid="")
    talk.wait(2)
    (new,) = launched(talk.offers(talk.offer(2)))
    talk.run(new)
    talk.status(old, TaskState.RUNNING, uuid="")
    talk.status(new, TaskState.FAILED)
    talk.wait(2)
    assert launched(talk.offers()) == [], "the old one is still being stopped"
    talk.status(old, TaskState.KILLED)
    talk.wait(2)
    assert len(launched(talk.offers())) == 1


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


def test_a_task_that_was_given_up_as_gone_and_returns_is_stopped() -> None:
    talk = Conversation()
    talk.up(group())
    (old,) = talk.tasks
    talk.status(old, TaskState.GONE)
    assert killed(talk.status(old, TaskState.RUNNING) + talk.wait(2)) == [old.id]


def test_a_kill_is_repeated_until_the_task_has_ended() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    talk.say(StopRequested(request_id=1, pattern="shop"))
    assert killed(talk.wait(65)) == [task.id] * 3
    talk.status(task, TaskState.KILLED)
    assert killed(talk.wait(600)) == []


def test_a_launch_that_nobody_answers_is_given_up() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    talk.offers()
    heard = talk.wait(301)
    assert killed(heard) == ["shop.web.0.1"]
    assert talk.tasks[0].stop_cause == "its executor did not start it within 300 s"


def test_a_dropped_launch_is_tried_again_without_back_off() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    talk.offers()
    talk.status(talk.tasks[0], TaskState.DROPPED, uuid="", reason="INVALID_OFFERS")
    talk.wait(1.1)
    assert [task.attempt for task in launched(talk.offers())] == [2]


def test_a_refused_accept_frees_its_slots() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    (accept,) = [command for command in talk.offers() if isinstance(command, Accept)]
    talk.say(CallFailed(call=accept, problem="503"))
    assert talk.tasks == []
    talk.wait(1.1)
    assert len(launched(talk.offers())) == 1


def test_an_accept_whose_session_is_over_is_not_sent() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    talk.wait(0.1)
    talk.holds_saves = True
    talk.offers()
    held, talk.held = talk.held, []
    talk.holds_saves = False
    talk.say(Disconnected(problem="the master at 127.0.0.1:5050 closed the connection"))
    talk.subscribe()

    for save in held:
        talk.shelf.write(save)
    heard = talk.say(*(Saved(ticket=save.ticket) for save in held))
    assert launched(heard) == []
    assert talk.tasks == []


def test_rescinded_offers_are_not_used() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))

    offer = talk.offer(1)
    talk.say(OffersReceived(offers=(offer,)), OfferRescinded(offer_id=offer.id))
    assert launched(talk.wait(1)) == []


def test_what_does_not_fit_holds_the_offers_a_while_then_lets_them_go_with_the_cause_told() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group(resources=Resources(cpus_milli=8000, mem_mib=64))))
    talk.wait(1.1)
    heard = talk.offers()
    assert not [command for command in heard if isinstance(command, Decline)]
    assert only_view(talk).waiting[0].cause == "0/3 agents fit: 3 cpus (wanted 8, best 3.9)"
    heard = talk.wait(6)
    assert [command.refuse_seconds for command in heard if isinstance(command, Decline)] == [3600.0]
    assert not [command for command in talk.wait(60) if isinstance(command, Revive)]


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


def test_health_decides_over_readiness() -> None:
    health = HealthCheck(kind=CheckKind.HTTP, port="http")
    container = Container(image="a:1", ports=(Port(name="http", container_port=80),), health=health)
    talk = Conversation()
    talk.up(group(container=container))
    (task,) = talk.tasks
    assert (task.health, only_view(talk).state) == (Health.UNKNOWN, GroupState.WAITING)
    talk.status(task, TaskState.RUNNING, is_healthy=True)
    assert only_view(talk).state is GroupState.RUNNING
    assert "TaskUnhealthy" in announced(talk.status(task, TaskState.RUNNING, is_healthy=False, message="503"))
    assert only_view(talk).ready == 0


def test_the_executor_is_counted_once_for_each_agent() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group(instances=4, resources=Resources(cpus_milli=1000, mem_mib=64))))
    assert len(launched(talk.offers(talk.offer(1, cpus=4)))) == 3, "4 cpus hold the executor's 0.1 and 3 tasks of 1"
    talk.run(*talk.tasks)
    assert len(launched(talk.offers(talk.offer(1, cpus=1)))) == 1, "the executor runs there already"


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


def test_a_removed_framework_halts_and_touches_nothing() -> None:
    talk = Conversation()
    talk.up(group())
    (halt,) = talk.say(FrameworkRefused(message="Framework has been removed"))
    assert isinstance(halt, Halt) and halt.cause is HaltCause.FRAMEWORK_REMOVED
    (halt,) = talk.say(FrameworkRefused(message="Role 'x' is not present in the master's --roles"))
    assert isinstance(halt, Halt) and halt.cause is HaltCause.MESOS_REFUSED


def test_a_submit_that_cannot_be_stored_changes_nothing() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.holds_saves = True

    talk.say(StackSubmitted(request_id=1, stack=stack(group())))
    (save,) = talk.held
    heard = talk.say(SaveFailed(ticket=save.ticket, problem="1,200,000 bytes"))
    (reply,) = [command for command in heard if isinstance(command, Reply)]
    assert isinstance(reply.outcome, Refused) and "nothing was changed" in reply.outcome.message
    assert talk.scheduler.view(talk.now).stacks == {}


def test_a_status_that_cannot_be_stored_halts() -> None:
    talk = Conversation()
    talk.up(group())
    talk.holds_saves = True
    talk.status(talk.tasks[0], TaskState.FAILED)
    heard = talk.say(SaveFailed(ticket=talk.held[0].ticket, problem="no"))
    assert [command.cause for command in heard if isinstance(command, Halt)] == [HaltCause.STORE_REFUSED]


def test_asks_are_decided_one_after_the_other_on_what_is_stored() -> None:
    talk = Conversation()
    talk.up(group(instances=1))
    talk.holds_saves = True
    talk.say(ScaleRequested(request_id=11, pattern="shop", delta=1))
    talk.say(ScaleRequested(request_id=12, pattern="shop", delta=1))
    assert len(talk.held) == 1
    heard = talk.release()
    assert outcome(heard, 11) == Done(changed=("shop/web",), index=2)
    assert outcome(heard, 12) == Done(changed=("shop/web",), index=3)
    assert talk.shelf.stacks["shop"].groups[0].instances == 3


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


def test_fixed_and_dynamic_ports_never_clash() -> None:
    ports = (Port(name="a", container_port=80), Port(name="b", container_port=81, host_port=31005))
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group(instances=4, container=Container(image="a:1", ports=ports))))
    (accept,) = [c for c in talk.offers(talk.offer(1, ports=(31000, 31009))) if isinstance(c, Accept)]
    assert len(accept.launches) == 1, "the fixed port is there once"
    assert accept.launches[0].task.host_ports[1] == 31005
    assert "1 host port 31005 (taken or not offered)" in only_view(talk).waiting[0].cause
