"""Framework messages between scheduler and executors. Pure."""

from __future__ import annotations

import base64

from framework.core import commands
from specs.ids import TaskId
from specs.model.canonical import in_place_json
from specs.records_pb2 import Apply, Attach, ExecutorMessage, Retire, SchedulerMessage, Unwanted


def executor_message(data: str) -> ExecutorMessage:
    """Reads the message of an executor, from the text of a MESSAGE event. Raises ValueError for an unknown one."""
    return ExecutorMessage.FromString(base64.b64decode(data))


def retire_message() -> str:
    """The data of a MESSAGE call that asks an executor to retire."""
    return _data(SchedulerMessage(retire=Retire()))


def unwanted_message(call: commands.RemoveOrphans) -> str:
    """The data of a MESSAGE call that says that nobody wants what tasks have left."""
    return _data(SchedulerMessage(unwanted=Unwanted(task_ids=call.tasks)))


def apply_message(call: commands.UpdateInPlace) -> str:
    """The data of a MESSAGE call that gives tasks other in-place settings, or a signal."""
    said = Apply(
        task_ids=call.tasks,
        version=call.version,
        in_place_json=in_place_json(call.settings),
        signals=call.signals,
        signal=call.signal,
    )
    return _data(SchedulerMessage(apply=said))


def attach_message(task_id: TaskId, url: str, key: str) -> str:
    """The data of a MESSAGE call that tells an executor to call the scheduler about a command."""
    wanted = Attach(task_id=task_id, url=url, key=key)
    return _data(SchedulerMessage(attach=wanted))


def _data(message: SchedulerMessage) -> str:
    return base64.b64encode(message.SerializeToString()).decode("ascii")
