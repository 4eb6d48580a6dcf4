"""The bodies of the calls to the master's scheduler API, as JSON; pure."""

from __future__ import annotations

from typing import Any

import orjson

from framework.adapters.codec import TaskWriter
from framework.adapters.mesos_messages import apply_message, attach_message, retire_message, unwanted_message
from framework.core.commands import (
    Accept,
    Acknowledge,
    AnswerInverse,
    Call,
    Decline,
    Kill,
    Reconcile,
    RemoveOrphans,
    Retire,
    Revive,
    StartExec,
    Subscribe,
    Suppress,
    UpdateInPlace,
)
from specs.ids import FrameworkId

Json = dict[str, Any]


def body(call: Call, framework_id: FrameworkId, tasks: TaskWriter) -> bytes:
    """The body of a call of the framework; a Subscribe has its own, see `subscribe`."""
    return orjson.dumps({"framework_id": {"value": framework_id}, **_content(call, framework_id, tasks)})


def _content(call: Call, framework_id: FrameworkId, tasks: TaskWriter) -> Json:
    match call:
        case Accept():
            return _accept(call, framework_id, tasks)
        case Decline():
            offers = [{"value": id} for id in call.offer_ids]
            return {"type": "DECLINE", "decline": {"offer_ids": offers, "filters": _filters(call.refuse_seconds)}}
        case AnswerInverse():
            word = "accept_inverse_offers" if call.has_left else "decline_inverse_offers"
            inverse = [{"value": id} for id in call.offer_ids]
            answer = {"inverse_offer_ids": inverse, "filters": _filters(call.refuse_seconds)}
            return {"type": word.upper(), word: answer}
        case Kill():
            return _kill(call)
        case Retire():
            return _message(call, retire_message())
        case RemoveOrphans():
            return _message(call, unwanted_message(call))
        case StartExec():
            return _message(call, attach_message(call.task_id, call.url, call.key))
        case UpdateInPlace():
            return _message(call, apply_message(call))
        case Acknowledge():
            ids = {"agent_id": {"value": call.agent_id}, "task_id": {"value": call.task_id}, "uuid": call.uuid}
            return {"type": "ACKNOWLEDGE", "acknowledge": ids}
        case Reconcile():
            asked = [{"task_id": {"value": task}, "agent_id": {"value": agent}} for task, agent in call.tasks]
            return {"type": "RECONCILE", "reconcile": {"tasks": asked}}
        case Revive():
            return {"type": "REVIVE"}
        case Suppress():
            return {"type": "SUPPRESS"}
        case Subscribe():
            raise ValueError("SUBSCRIBE opens a stream of its own: it is not sent among the other calls")


def _accept(call: Accept, framework_id: FrameworkId, tasks: TaskWriter) -> Json:
    infos = [tasks.task_info(launch, framework_id) for launch in call.launches]
    accept = {
        "offer_ids": [{"value": id} for id in call.offer_ids],
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": infos}}],
        "filters": _filters(call.refuse_seconds),
    }
    return {"type": "ACCEPT", "accept": accept}


def _message(call: Retire | RemoveOrphans | UpdateInPlace | StartExec, data: str) -> Json:
    to = {"agent_id": {"value": call.agent_id}, "executor_id": {"value": call.executor_id}}
    return {"type": "MESSAGE", "message": {**to, "data": data}}


def _kill(call: Kill) -> Json:
    kill: Json = {"task_id": {"value": call.task_id}}
    if call.agent_id:
        kill["agent_id"] = {"value": call.agent_id}
    if call.grace_seconds is not None:
        kill["kill_policy"] = {"grace_period": {"nanoseconds": round(call.grace_seconds * 1_000_000_000)}}
    return {"type": "KILL", "kill": kill}


def _filters(refuse_seconds: float) -> Json:
    return {"refuse_seconds": refuse_seconds}


def joined(declines: list[Decline]) -> Decline:
    """One Decline in the place of several of the same `refuse_seconds`."""
    return Decline(
        offer_ids=tuple(id for decline in declines for id in decline.offer_ids),
        refuse_seconds=declines[0].refuse_seconds,
    )
