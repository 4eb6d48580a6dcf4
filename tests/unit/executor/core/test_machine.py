"""The executor's core as conversations."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from executor.codec import status_message
from executor.core import commands as do
from executor.core import events as on
from executor.core.events import FoundContainer, Operation
from specs.ids import TaskId
from specs.model.stack import Container, Pull, Stop
from specs.records_pb2 import StatusDetail
from specs.states import TaskState
from tests.kit.executor_talk import EPOCH, Talk, only, order

TASK = order().task_id


def test_a_task_runs_from_its_order_to_its_end() -> None:
    talk = Talk()
    assert talk.launch()[-1] == do.Create(order=order())
    assert talk.tell(on.Created(task_id=TASK, container_id="c" * 64)) == [do.Start(order=order())]
    talk.now = 1.0
    talk.tell(on.Started(task_id=TASK, addresses=("172.17.0.2",)))
    talk.now = 13.4
    assert only(do.Remove, talk.tell(on.Exited(task_id=TASK, exit_code=0))) == [do.Remove(order=order())]
    talk.tell(on.Removed(task_id=TASK, exit_code=0, last_words="bye"))
    assert talk.states == ["STARTING", "RUNNING", "FINISHED"]
    running, finished = talk.statuses[1:]
    assert (running.message, running.addresses) == ("runs as container cccccccccccc", ("172.17.0.2",))
    assert (finished.message, finished.exit_code, finished.container_id) == ("exit code 0 after 12 s", 0, "c" * 64)
    assert finished.timestamp == EPOCH + 13.4


def test_a_failure_is_told_with_exit_code_and_last_words() -> None:
    talk = Talk()
    wanted = talk.run()
    talk.now += 2
    talk.end(wanted, 137, last_words="panic: no disk")
    assert talk.states[-1] == "FAILED"
    assert talk.statuses[-1].message == "exit code 137 (SIGKILL) after 2.0 s; last line on stderr: panic: no disk"


def test_the_engine_knows_better_than_its_event() -> None:
    talk = Talk()
    talk.run()
    talk.tell(on.Exited(task_id=TASK, exit_code=None))
    talk.tell(on.Removed(task_id=TASK, exit_code=137, is_out_of_memory=True))
    status = talk.statuses[-1]
    assert (status.state, status.reason, status.exit_code) == ("FAILED", "REASON_CONTAINER_LIMITATION_MEMORY", 137)
    assert status.message.startswith("out of memory after 0.0 s: the limit is 64 MiB")
    assert status.is_out_of_memory


def test_a_container_that_somebody_removed_is_a_failure_without_a_code() -> None:
    talk = Talk()
    talk.end(talk.run(), None)
    assert talk.states[-1] == "FAILED"
    assert talk.statuses[-1].exit_code is None
    assert "removed by somebody else" in talk.statuses[-1].message


def test_the_end_may_be_heard_before_the_start() -> None:
    talk = Talk()
    talk.launch()
    talk.tell(on.Created(task_id=TASK, container_id="c"))
    assert talk.tell(on.Exited(task_id=TASK, exit_code=0)) == []
    assert only(do.Remove, talk.tell(on.Started(task_id=TASK, addresses=())))
    talk.tell(on.Removed(task_id=TASK, exit_code=0))
    assert talk.states == ["STARTING", "RUNNING", "FINISHED"]


def test_a_second_launch_of_a_task_is_an_echo() -> None:
    talk = Talk()
    talk.run()
    assert talk.launch() == []


def test_an_order_that_cannot_be_read_is_an_error_with_the_fault() -> None:
    talk = Talk()
    talk.tell(on.LaunchGarbled(task_id=TASK, task={}, fault="no such thing"))
    assert [(s.state, s.message, s.reason) for s in talk.statuses] == [
        ("ERROR", "no such thing", "REASON_TASK_INVALID")
    ]


# ---- images -------------------------------------------------------------------


def test_a_missing_image_is_pulled_and_the_container_created_then() -> None:
    talk = Talk()
    talk.launch()
    assert talk.tell(on.ImageMissing(task_id=TASK)) == [do.Pull(order=order())]
    told = talk.tell(on.PullProgressed(task_id=TASK, done_bytes=5, total_bytes=10))
    assert told == [do.SendProgress(task_id=TASK, stage="pulling acme/web:1", done_bytes=5, total_bytes=10)]
    assert talk.tell(on.PullProgressed(task_id=TASK, done_bytes=6, total_bytes=10)) == []
    talk.now += 1
    assert talk.tell(on.PullProgressed(task_id=TASK, done_bytes=7, total_bytes=10))
    assert talk.tell(on.Pulled(task_id=TASK)) == [do.Create(order=order())]
    talk.tell(on.ImageMissing(task_id=TASK))
    assert talk.statuses[-1].message == "image acme/web:1 was pulled, and yet the engine does not have it"


@pytest.mark.parametrize(
    ("pull", "first"), [(Pull.ALWAYS, do.Pull), (Pull.MISSING, do.Create), (Pull.NEVER, do.Create)]
)
def test_when_an_image_is_pulled(pull: Pull, first: type) -> None:
    talk = Talk()
    wanted = order(container=Container(image="acme/web:1", pull=pull))
    assert isinstance(talk.launch(wanted)[-1], first)
    if pull is Pull.NEVER:
        talk.tell(on.ImageMissing(task_id=TASK))
        assert talk.statuses[-1].message == (
            "image acme/web:1 is not on this agent, and the service says never to pull it"
        )


def test_a_pull_that_fails_ends_the_task_with_the_engines_words() -> None:
    talk = Talk()
    talk.launch()
    talk.tell(on.ImageMissing(task_id=TASK))
    message = "image acme/web:1 could not be pulled: manifest unknown"
    failed = on.OperationFailed(task_id=TASK, operation=Operation.PULL, message=message, permanent="image-not-found")
    talk.tell(failed)
    status = talk.statuses[-1]
    assert (status.state, status.reason, status.message) == ("FAILED", "REASON_CONTAINER_LAUNCH_FAILED", message)
    assert status.permanent == "image-not-found"
    told = StatusDetail.FromString(base64.b64decode(status_message(status, "executor", "/sandbox")["data"]))
    assert told.permanent == "image-not-found"


def test_a_pull_has_a_timeout_of_its_own() -> None:
    talk = Talk()
    talk.launch(order(container=Container(image="acme/web:1", pull_timeout_seconds=90)))
    talk.tell(on.ImageMissing(task_id=TASK))
    talk.tell(on.PullProgressed(task_id=TASK, done_bytes=5, total_bytes=10))
    assert only(do.CancelPull, talk.wait(91))
    assert talk.statuses[-1].message == (
        "image acme/web:1 could not be pulled within 90 s (pull timeout): 5 of 10 bytes had come"
    )
    assert talk.tell(on.Pulled(task_id=TASK)) == []


# ---- stopping -----------------------------------------------------------------


def test_a_kill_is_term_then_grace_then_kill() -> None:
    talk = Talk()
    wanted = talk.run(order(container=Container(image="a", stop=Stop(signal="SIGQUIT", grace_seconds=7))))
    answer = talk.tell(on.KillReceived(task_id=TASK))
    assert only(do.Signal, answer) == [do.Signal(order=wanted, signal="SIGQUIT")]
    assert talk.states[-1] == "KILLING"
    assert talk.wait(6.9) == []
    assert talk.wait(0.2) == [do.Signal(order=wanted, signal="SIGKILL")]
    assert talk.tell(on.KillReceived(task_id=TASK)) == []
    talk.end(wanted, 137)
    assert talk.states[-1] == "KILLED"
    assert talk.statuses[-1].message == "killed as asked; exit code 137 (SIGKILL) after 7.1 s"


def test_a_kill_with_a_shorter_grace_wins_and_none_at_all_is_kill() -> None:
    talk = Talk()
    wanted = talk.run()
    talk.tell(on.KillReceived(task_id=TASK))
    talk.tell(on.KillReceived(task_id=TASK, grace_seconds=1))
    assert talk.wait(1.1) == [do.Signal(order=wanted, signal="SIGKILL")]
    other = talk.run(order("b"))
    answer = talk.tell(on.KillReceived(task_id=other.task_id, grace_seconds=0))
    assert only(do.Signal, answer) == [do.Signal(order=other, signal="SIGKILL")]


def test_a_kill_while_the_image_is_pulled_ends_the_task_at_once() -> None:
    talk = Talk()
    talk.launch()
    talk.tell(on.ImageMissing(task_id=TASK))
    assert talk.tell(on.KillReceived(task_id=TASK))[0] == do.CancelPull(order=order())
    assert talk.states == ["STARTING", "KILLED"]


def test_a_kill_while_the_container_is_created_waits_for_it_and_removes_it() -> None:
    talk = Talk()
    talk.launch()
    assert talk.states == ["STARTING"]
    talk.tell(on.KillReceived(task_id=TASK))
    assert talk.states[-1] == "KILLING"
    assert talk.tell(on.Created(task_id=TASK, container_id="c")) == [do.Remove(order=order())]
    talk.tell(on.Removed(task_id=TASK, exit_code=None))
    assert talk.states[-1] == "KILLED"
    assert talk.statuses[-1].message == "killed as asked"


def test_a_kill_while_the_container_starts_signals_it_then() -> None:
    talk = Talk()
    talk.launch()
    talk.tell(on.Created(task_id=TASK, container_id="c"))
    talk.tell(on.KillReceived(task_id=TASK))
    assert talk.tell(on.Started(task_id=TASK, addresses=())) == [do.Signal(order=order(), signal="SIGTERM")]
    assert "RUNNING" not in talk.states


def test_the_kill_of_an_unknown_task_is_answered_and_holds_for_a_late_launch() -> None:
    talk = Talk()
    talk.tell(on.KillReceived(task_id=TASK))
    assert talk.states == ["KILLED"]
    assert talk.tell(on.KillReceived(task_id=TASK)) == []
    talk.launch()
    assert talk.states == ["KILLED", "KILLED"]
    assert not only(do.Create, talk.said)


def test_the_kill_of_a_task_that_has_ended_says_nothing_new() -> None:
    talk = Talk()
    talk.end(talk.run())
    assert talk.tell(on.KillReceived(task_id=TASK)) == []


def test_a_signal_that_docker_did_not_take_is_repeated() -> None:
    talk = Talk()
    wanted = talk.run()
    talk.tell(on.KillReceived(task_id=TASK))
    talk.tell(on.OperationFailed(task_id=TASK, operation=Operation.SIGNAL, message="away", is_temporary=True))
    assert talk.wait(5.1) == [do.Signal(order=wanted, signal="SIGKILL")]


# ---- failures of the engine -----------------------------------------------------


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.START])
def test_a_launch_that_fails_leaves_nothing_behind(operation: Operation) -> None:
    talk = Talk()
    talk.launch()
    if operation is Operation.START:
        talk.tell(on.Created(task_id=TASK, container_id="c"))
        talk.tell(on.Exited(task_id=TASK, exit_code=127))
    failed = on.OperationFailed(
        task_id=TASK, operation=operation, message="the container could not: no", permanent="bad-command"
    )
    assert talk.tell(failed) == [do.Remove(order=order())]
    talk.tell(on.Removed(task_id=TASK, exit_code=127, last_words=""))
    status = talk.statuses[-1]
    assert (status.state, status.reason) == ("FAILED", "REASON_CONTAINER_LAUNCH_FAILED")
    assert (status.message, status.exit_code) == ("the container could not: no", None)
    assert status.permanent == "bad-command"


def test_a_removal_that_fails_is_tried_again_unless_the_container_has_ended() -> None:
    talk = Talk()
    talk.launch()
    talk.tell(on.OperationFailed(task_id=TASK, operation=Operation.CREATE, message="away", is_temporary=True))
    failed = on.OperationFailed(task_id=TASK, operation=Operation.REMOVE, message="away", is_temporary=True)
    talk.tell(failed)
    assert talk.states == ["STARTING"]
    assert talk.wait(5.1) == [do.Remove(order=order())]
    talk.tell(on.Removed(task_id=TASK, exit_code=None))
    other = talk.run(order("b"))
    talk.tell(on.Exited(task_id=other.task_id, exit_code=0))
    talk.tell(replace(failed, task_id=other.task_id))
    assert talk.states[-1] == "FINISHED"


def test_a_container_that_the_engine_makes_after_its_launch_was_given_up_is_removed() -> None:
    """A frozen engine takes a call, answers too late, and does what it was asked when it wakes."""
    talk = Talk(idle_seconds=20.0, reap_after_seconds=30.0)
    talk.tell(on.ContainersListed(containers=()))
    talk.launch()
    talk.tell(on.OperationFailed(task_id=TASK, operation=Operation.CREATE, message="away", is_temporary=True))
    talk.tell(on.Removed(task_id=TASK, exit_code=None))
    assert talk.states == ["STARTING", "FAILED"]
    for _ in range(3):
        said = talk.wait(30.0)
        assert only(do.ListContainers, said), "unanswered, it looks again"
        assert not only(do.Exit, said), "and does not end before"
    talk.tell(on.ContainersListed(containers=()))
    assert only(do.ListContainers, talk.wait(30.0)), "it may be made only now"
    late = on.FoundContainer(container_id="late", task_id=TASK, is_ours=True, is_abandoned=False)
    assert only(do.Reap, talk.tell(on.ContainersListed(containers=(late,)))) == [
        do.Reap(container_id="late", task_id=TASK)
    ]
    assert only(do.Exit, talk.wait(20.1))


# ---- the agent comes and goes ------------------------------------------------------


def test_subscribing_again_names_what_the_agent_may_not_know() -> None:
    talk = Talk(acknowledges=False)
    talk.launch()
    starting = talk.statuses[-1]
    answer = talk.tell(on.Disconnected(reason="closed"))
    assert answer == [do.Subscribe(statuses=(starting,), tasks=({"raw": "task"},))]
    talk.tell(on.Created(task_id=TASK, container_id="c"))
    assert talk.tell(on.Started(task_id=TASK, addresses=())) == []
    assert talk.tell(on.Subscribed()) == []
    answer = talk.tell(on.Acknowledged(task_id=TASK, uuid=starting.uuid))
    assert [status.state for status in (command.status for command in only(do.SendStatus, answer))] == ["RUNNING"]
    (again,) = only(do.Subscribe, talk.tell(on.Disconnected(reason="closed")))
    assert again.tasks == ()


def test_a_task_that_is_only_acknowledged_by_an_echo_stays_unacknowledged() -> None:
    talk = Talk(acknowledges=False)
    talk.launch()
    talk.tell(on.Acknowledged(task_id=TASK, uuid=b"x" * 16))
    (again,) = only(do.Subscribe, talk.tell(on.Disconnected(reason="closed")))
    assert len(again.tasks) == len(again.statuses) == 1


def test_a_status_is_sent_again_until_it_is_acknowledged() -> None:
    talk = Talk(acknowledges=False)
    talk.launch()
    talk.wait(36)
    assert talk.states == ["STARTING"] * 4  # after 0, 5, 15 and 35 s
    assert len({status.uuid for status in talk.statuses}) == 1


def test_tasks_end_and_the_executor_too_when_the_agent_does_not_come_back() -> None:
    talk = Talk(recovery_seconds=60.0)
    wanted = talk.run()
    talk.tell(on.Disconnected(reason="closed"))
    answer = talk.wait(61)
    assert only(do.Signal, answer)[0] == do.Signal(order=wanted, signal="SIGTERM")
    talk.end(wanted, 143)
    assert only(do.Exit, talk.said)[-1].reason == "the executor shuts down: the agent did not come back within 60 s"


def test_without_checkpointing_a_lost_agent_is_the_end() -> None:
    talk = Talk(recovery_seconds=None)
    wanted = talk.run()
    assert only(do.Signal, talk.tell(on.Disconnected(reason="closed"))) == [do.Signal(order=wanted, signal="SIGTERM")]


def test_shutdown_ends_everything_in_the_time_that_mesos_gives() -> None:
    talk = Talk(shutdown_seconds=5.0)
    wanted = talk.run()
    assert only(do.Signal, talk.tell(on.ShutdownReceived(reason="the agent says so")))
    talk.launch(order("late"))
    assert (talk.statuses[-1].state, talk.statuses[-1].reason) == ("KILLED", "REASON_EXECUTOR_TERMINATED")
    assert only(do.Signal, talk.wait(3.1)) == [do.Signal(order=wanted, signal="SIGKILL")]
    talk.end(wanted, 137)
    assert only(do.Exit, talk.said)
    assert talk.tell(on.Subscribed()) == []


def test_shutdown_does_not_wait_for_ever() -> None:
    talk = Talk(shutdown_seconds=5.0)
    talk.run()
    talk.tell(on.ShutdownReceived(reason="x"))
    assert only(do.Exit, talk.wait(4.6))


def test_an_idle_executor_ends_and_a_busy_one_does_not() -> None:
    talk = Talk(idle_seconds=30.0)
    talk.now = 29
    wanted = talk.run()
    assert not only(do.Exit, talk.wait(100))
    talk.end(wanted)
    assert not only(do.Exit, talk.wait(29))
    assert only(do.Exit, talk.wait(2)) == [do.Exit(reason="no task for 30 s")]


def test_an_executor_with_unacknowledged_statuses_is_not_idle() -> None:
    talk = Talk(idle_seconds=30.0, acknowledges=False)
    talk.end(talk.run())
    assert not only(do.Exit, talk.wait(300))


# ---- what nobody claims ------------------------------------------------------------


def test_containers_that_nobody_claims_are_removed_and_no_others() -> None:
    talk = Talk()
    talk.run()
    assert only(do.ListContainers, talk.said)
    found = [
        FoundContainer(container_id="mine", task_id=TASK, is_ours=True, is_abandoned=False),
        FoundContainer(container_id="left", task_id=TaskId("old.1"), is_ours=False, is_abandoned=True),
        FoundContainer(container_id="beside", task_id=TaskId("old.2"), is_ours=False, is_abandoned=False),
        FoundContainer(container_id="failed", task_id=TaskId("old.3"), is_ours=True, is_abandoned=False),
    ]
    answer = talk.tell(on.ContainersListed(containers=tuple(found)))
    assert [command.container_id for command in only(do.Reap, answer)] == ["failed"]
    assert only(do.ListContainers, talk.wait(29.9)) == []
    assert only(do.ListContainers, talk.wait(0.2))
    answer = talk.tell(on.ContainersListed(containers=tuple(found[:3])))
    assert [command.container_id for command in only(do.Reap, answer)] == ["left"]
    assert only(do.ListContainers, talk.wait(30.0)) == []


def foreign(name: str = "theirs.1") -> tuple[FoundContainer, ...]:
    return (FoundContainer(container_id=name, task_id=TaskId(name), is_ours=False, is_abandoned=True, is_foreign=True),)


def test_of_what_another_agent_id_left_the_scheduler_is_asked_after_the_grace() -> None:
    talk = Talk()
    talk.run()
    assert only(do.ReportOrphanContainers, talk.tell(on.ContainersListed(containers=foreign()))) == []
    assert only(do.ListContainers, talk.wait(30.1))
    answer = talk.tell(on.ContainersListed(containers=foreign()))
    assert only(do.ReportOrphanContainers, answer) == [do.ReportOrphanContainers(task_ids=(TaskId("theirs.1"),))]
    assert only(do.Reap, answer) == []
    assert only(do.ListContainers, talk.wait(60.0)) == [], "it waits for an answer"
    assert only(do.ListContainers, talk.tell(on.RemoveOrphansReceived(task_ids=(TaskId("theirs.1"),))))
    assert only(do.Reap, talk.tell(on.ContainersListed(containers=foreign())))


def test_what_the_scheduler_wants_is_left_and_asked_about_again() -> None:
    talk = Talk()
    talk.run()
    talk.tell(on.ContainersListed(containers=foreign()))
    talk.wait(30.1)
    talk.tell(on.ContainersListed(containers=foreign()))
    assert only(do.ListContainers, talk.wait(600.1))
    answer = talk.tell(on.ContainersListed(containers=foreign()))
    assert only(do.ReportOrphanContainers, answer)
    assert only(do.Reap, answer) == []


def test_an_answer_does_not_touch_what_somebody_has_taken_over_meanwhile() -> None:
    talk = Talk()
    talk.run()
    talk.tell(on.RemoveOrphansReceived(task_ids=(TaskId("theirs.1"),)))
    assert only(do.Reap, talk.tell(on.ContainersListed(containers=()))) == []


def test_a_task_that_sweeps_starts_nothing_and_hears_no_kill() -> None:
    for is_told_before in (False, True):
        talk = Talk()
        sweep = order(predecessors=(TaskId("old.1"),), sweeps=True)
        if is_told_before:
            talk.tell(on.KillReceived(task_id=sweep.task_id))
        heard = talk.launch(sweep)
        assert only(do.Adopt, heard) == [do.Adopt(order=sweep)]
        assert talk.tell(on.KillReceived(task_id=sweep.task_id)) == []
        answer = talk.tell(on.NothingToAdopt(task_id=sweep.task_id))
        assert [each.status.state for each in only(do.SendStatus, answer)] == [TaskState.FINISHED]
        assert only(do.Create, talk.said) == []


def test_the_benchmarks_runtime_says_only_what_it_must() -> None:
    talk = Talk(is_noop=True)
    wanted = talk.run()
    talk.tell(on.KillReceived(task_id=TASK))
    talk.end(wanted)
    assert talk.states == ["RUNNING", "KILLED"]


def test_the_same_story_gives_the_same_commands() -> None:
    def story() -> list[object]:
        talk = Talk()
        talk.end(talk.run(), 1)
        return list(talk.said)

    assert story() == story()


def test_uuids_are_of_the_kind_that_mesos_takes() -> None:
    talk = Talk()
    talk.end(talk.run())
    for status in talk.statuses:
        assert (len(status.uuid), status.uuid[6] >> 4, status.uuid[8] >> 6) == (16, 4, 2)
