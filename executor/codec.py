"""Mesos's JSON (executor API v1) to events, and statuses to Mesos's JSON. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, assert_never

from addict import Dict

from executor.core.events import (
    Acknowledged,
    Event,
    KillReceived,
    LaunchGarbled,
    LaunchReceived,
    RemoveOrphansReceived,
    RetireReceived,
    ShutdownReceived,
    StartExecReceived,
    UpdateInPlaceReceived,
)
from executor.core.order import order_from_bytes
from executor.core.statuses import CheckStatus, Status
from specs.ids import TaskId, VersionId
from specs.messages import shortened
from specs.model.canonical import in_place_from_json
from specs.model.stack import CheckKind
from specs.plain_text import plain_lines
from specs.records_pb2 import ExecutorMessage, OrphanContainers, Progress, SchedulerMessage, StatusDetail


def events_of(message: Mapping[str, Any]) -> tuple[Event, ...]:
    """The events in a message of the agent; none in one that concerns only the connection.

    Raises KeyError, TypeError or ValueError for a message that is not of the API.
    """
    kind = message["type"]
    if kind == "LAUNCH":
        return (_launch(message["launch"]["task"]),)
    if kind == "LAUNCH_GROUP":
        fault = "this executor runs single tasks, no task groups"
        tasks = message["launch_group"]["task_group"]["tasks"]
        return tuple(LaunchGarbled(task_id=_task_id(task), task=task, fault=fault) for task in tasks)
    if kind == "KILL":
        kill = message["kill"]
        grace = kill.get("kill_policy", {}).get("grace_period", {}).get("nanoseconds")
        return (KillReceived(task_id=_task_id(kill), grace_seconds=None if grace is None else int(grace) / 1e9),)
    if kind == "ACKNOWLEDGED":
        acknowledged = message["acknowledged"]
        return (Acknowledged(task_id=_task_id(acknowledged), uuid=base64.b64decode(acknowledged["uuid"])),)
    if kind == "SHUTDOWN":
        return (ShutdownReceived(reason="the agent says so"),)
    if kind == "MESSAGE":
        return _scheduler_events(SchedulerMessage.FromString(base64.b64decode(message["message"]["data"])))
    if kind == "ERROR":
        return (ShutdownReceived(reason=f"the agent refuses this executor: {message['error'].get('message', '')}"),)
    return ()


def status_message(status: Status, executor_id: str, sandbox: str) -> dict[str, Any]:
    """The TaskStatus of an UPDATE call. `sandbox` is the directory on the agent that holds the task's logs."""
    message = Dict()
    message.task_id.value = status.task_id
    message.executor_id.value = executor_id
    message.state = f"TASK_{status.state}"
    message.source = "SOURCE_EXECUTOR"
    message.timestamp = status.timestamp
    message.uuid = encode(status.uuid)
    if status.message:
        message.message = _clean(status.message)
    if status.reason:
        message.reason = status.reason
    if status.is_healthy is not None:
        message.healthy = status.is_healthy
    if status.addresses:
        addresses = [{"ip_address": ip, "protocol": "IPv6" if ":" in ip else "IPv4"} for ip in status.addresses]
        message.container_status.network_infos = [{"ip_addresses": addresses}]
    if status.check is not None:
        message.check_status = _check_status(status.check)
    detail = StatusDetail(
        container_id=status.container_id,
        sandbox=sandbox,
        out_of_memory=status.is_out_of_memory,
        running_since=status.running_since,
        permanent=status.permanent,
        version=status.version,
        signals=status.signals,
        on_probation=status.is_on_probation,
    )
    if status.exit_code is not None:
        detail.has_exit_code = True
        detail.exit_code = status.exit_code
    if status.is_ready is not None:
        detail.has_ready = True
        detail.ready = status.is_ready
    message.data = encode(detail.SerializeToString())
    plain: dict[str, Any] = message.to_dict()
    return plain


def progress_message(task_id: TaskId, stage: str, done_bytes: int, total_bytes: int) -> str:
    """The data of a MESSAGE call with the progress of a task."""
    progress = Progress(task_id=task_id, stage=stage, done_bytes=done_bytes, total_bytes=total_bytes)
    return encode(ExecutorMessage(progress=progress).SerializeToString())


def orphan_containers_message(task_ids: tuple[TaskId, ...]) -> str:
    """The data of a MESSAGE call that reports orphan containers by their tasks."""
    return encode(ExecutorMessage(orphan_containers=OrphanContainers(task_ids=task_ids)).SerializeToString())


def encode(data: bytes) -> str:
    """Bytes as JSON has them."""
    return base64.b64encode(data).decode()


def _check_status(check: CheckStatus) -> dict[str, Any]:
    """Mesos's CheckStatusInfo, which knows no https."""
    match check.kind:
        case CheckKind.COMMAND:
            return {"type": "COMMAND", "command": {} if check.code is None else {"exit_code": check.code}}
        case CheckKind.TCP:
            return {"type": "TCP", "tcp": {} if check.code is None else {"succeeded": bool(check.code)}}
        case CheckKind.HTTP | CheckKind.HTTPS:
            return {"type": "HTTP", "http": {} if check.code is None else {"status_code": check.code}}
        case _:
            assert_never(check.kind)


def _launch(task: Mapping[str, Any]) -> Event:
    task_id = _task_id(task)
    try:
        order = order_from_bytes(base64.b64decode(task.get("data", "")))
        if order.task_id != task_id:
            raise ValueError(f"the launch order is for task {order.task_id}, the task is {task_id}")
    except ValueError as error:
        return LaunchGarbled(task_id=task_id, task=task, fault=str(error))
    return LaunchReceived(order=order, task=task)


def _scheduler_events(message: SchedulerMessage) -> tuple[Event, ...]:
    """The event in a message of the scheduler; none in a message of a kind that a later scheduler added."""
    what = message.WhichOneof("what")
    if what == "retire":
        return (RetireReceived(),)
    if what == "unwanted":
        return (RemoveOrphansReceived(task_ids=tuple(TaskId(id) for id in message.unwanted.task_ids)),)
    if what == "attach":
        request = message.attach
        return (StartExecReceived(task_id=TaskId(request.task_id), url=request.url, key=request.key),)
    if what == "apply":
        update = message.apply
        return (
            UpdateInPlaceReceived(
                task_ids=tuple(TaskId(id) for id in update.task_ids),
                version=VersionId(update.version),
                settings=in_place_from_json(update.in_place_json),
                signals=update.signals,
                signal=update.signal,
            ),
        )
    return ()


def _task_id(message: Mapping[str, Any]) -> TaskId:
    return TaskId(message["task_id"]["value"])


def _clean(text: str) -> str:
    """Text that JSON and Mesos accept: valid Unicode, no control characters, and not too long, because Mesos keeps
    messages and shows them in its pages, and the scheduler stores them."""
    text = text.encode("utf-8", "replace").decode()
    return shortened(plain_lines(text).replace("\t", " "))
