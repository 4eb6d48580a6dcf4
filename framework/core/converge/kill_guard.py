"""The guard against mass kills: where the store and the master disagree about many tasks, an operator decides.

There are two mismatches:

* Unknown tasks: Mesos runs tasks that the store does not know, or holds as ended. A few are stopped. Many mean that the
  store is the wrong one.
* Missing tasks: the master does not know tasks that the store holds. A few have ended. Many mean that the master is the
  wrong one.

Neither is decided before all answers to the reconciliation of a new subscription have come, or their time is over.
"""

from __future__ import annotations

from framework.core.commands import Done, Kill, Outcome, Refused
from framework.core.events import ApprovalGiven
from framework.core.model import Mismatch, Status, Task
from framework.core.state.context import Context
from framework.core.state.lifecycle import StatusEffect, transition
from framework.core.state.timers import Timer
from framework.core.state.unknown_tasks import UnknownTask, Verdict
from framework.core.views import ApprovalRequest
from specs.ids import AgentId, TaskId
from specs.states import Goal, TaskState

MOST_NAMED = 3
"""Limit on the tasks that the sentence of a request names."""


def begin(context: Context, asked: tuple[tuple[TaskId, AgentId], ...], *, is_new: bool) -> None:
    """A reconciliation begins. `is_new`: it is the first of a subscription, and statuses of the master before do not
    count any more."""
    unknown_tasks = context.unknown_tasks
    unknown_tasks.stopped = 0
    if is_new:
        unknown_tasks.unknown = {
            id: each for id, each in unknown_tasks.unknown.items() if each.verdict is Verdict.APPROVED
        }
        unknown_tasks.missing.clear()
        unknown_tasks.unanswered = dict.fromkeys(id for id, _ in asked)
        unknown_tasks.answers_until = context.now + context.settings.answers_wait_seconds
    context.timers.set(Timer.MISMATCHES, "", context.now + context.settings.mismatch_seconds)


def holds_back(context: Context, status: Status, task: Task | None) -> bool:
    """Takes note of a status. Returns whether it must not be accepted for now: it is part of a mismatch."""
    unknown_tasks = context.unknown_tasks
    if status.task_id in unknown_tasks.unanswered:
        del unknown_tasks.unanswered[status.task_id]
        if not unknown_tasks.unanswered:
            context.publish("Reconciled", "the master has told the state of every task that was stored")
    if task is None or transition(task.state, status.state) is StatusEffect.RETURNED:
        _note_unknown(context, status)
        return True
    if task.id in unknown_tasks.unknown:
        _note_unknown(context, status)  # one that came back has ended again
    was_missing = unknown_tasks.missing.pop(task.id, None) is not None
    is_missing = status.state is TaskState.UNKNOWN and task.goal is Goal.RUN and task.state.is_lively
    if is_missing:
        unknown_tasks.missing[task.id] = status
    if is_missing is not was_missing:
        _decide_soon(context)
    return is_missing


def _note_unknown(context: Context, status: Status) -> None:
    unknown_tasks = context.unknown_tasks
    known = unknown_tasks.unknown.get(status.task_id)
    if status.state.is_terminal or status.state is TaskState.UNREACHABLE:
        if known is not None:
            del unknown_tasks.unknown[status.task_id]
            unknown_tasks.stopped += known.verdict is Verdict.STOPPED
            _decide_soon(context)
        return
    if known is None:
        unknown_tasks.unknown[status.task_id] = UnknownTask(agent_id=status.agent_id)
        _decide_soon(context)
    elif known.verdict is not Verdict.WAITING:
        _kill(context, status.task_id, status.agent_id)


def _decide_soon(context: Context) -> None:
    if not context.timers.has(Timer.MISMATCHES, ""):
        context.timers.set(Timer.MISMATCHES, "", context.now + context.settings.mismatch_seconds)


def decide(context: Context) -> tuple[Status, ...]:
    """Stops the unknown tasks, and returns the statuses of missing ones to accept, as long as either are few. Requests
    an approval where they are many."""
    unknown_tasks = context.unknown_tasks
    if unknown_tasks.unanswered and context.now < unknown_tasks.answers_until:
        at = min(context.now + context.settings.mismatch_seconds, unknown_tasks.answers_until)
        context.timers.set(Timer.MISMATCHES, "", at)
        return ()
    unknown_tasks.unanswered.clear()
    _decide_unknown(context)
    if not unknown_tasks.missing:
        _close(context, Mismatch.MISSING)
        return ()
    desired = sum(task.goal is Goal.RUN and task.state.is_lively for task in context.state.tasks.values())
    if len(unknown_tasks.missing) > max(context.settings.most_unapproved_kills, desired / 2):
        _request(context, Mismatch.MISSING)
        return ()
    return _accepted(context)


def _decide_unknown(context: Context) -> None:
    unknown_tasks = context.unknown_tasks
    waiting = unknown_tasks.waiting
    stopped = sum(each.verdict is Verdict.STOPPED for each in unknown_tasks.unknown.values())
    if waiting and len(waiting) + stopped + unknown_tasks.stopped > context.settings.most_unapproved_kills:
        _request(context, Mismatch.UNKNOWN_TASKS)
        return
    _stop(context, waiting, Verdict.STOPPED)
    _close(context, Mismatch.UNKNOWN_TASKS)


def _stop(context: Context, ids: tuple[TaskId, ...], verdict: Verdict) -> None:
    for id in ids:
        agent_id = context.unknown_tasks.unknown[id].agent_id
        context.unknown_tasks.unknown[id] = UnknownTask(agent_id=agent_id, verdict=verdict)
        _kill(context, id, agent_id)
        task = context.state.tasks.get(id)
        if task is not None:
            context.publish_task("TaskReturned", task, f"{id} came back after it was given up: it is stopped")
        else:
            context.publish("UnknownTaskStopped", f"{id} is not in the store: it is stopped")


def _kill(context: Context, id: TaskId, agent_id: AgentId | None) -> None:
    """A task that had ended is in the store, whoever leads. A task that is not may be one of a newer leader's."""
    wait = context.after_all_saves if id in context.state.tasks else context.after_fence
    wait(Kill(task_id=id, agent_id=agent_id))


def _accepted(context: Context) -> tuple[Status, ...]:
    accepted = tuple(context.unknown_tasks.missing.values())
    context.unknown_tasks.missing.clear()
    _close(context, Mismatch.MISSING)
    return accepted


def _request(context: Context, mismatch: Mismatch) -> None:
    if mismatch not in context.unknown_tasks.requested:
        context.unknown_tasks.requested[mismatch] = None
        context.publish("ApprovalAsked", _approval_request(context, mismatch).sentence)
        context.touch_pending()


def _close(context: Context, mismatch: Mismatch) -> None:
    if mismatch in context.unknown_tasks.requested:
        del context.unknown_tasks.requested[mismatch]
        context.place_soon()
        context.touch_pending()


def approve(context: Context, event: ApprovalGiven) -> tuple[Outcome, tuple[Status, ...]]:
    """Does what was approved. Returns the answer, and the statuses to accept now.

    Refused where no approval is requested, or where it is about more tasks now than the operator has seen.
    """
    if event.mismatch not in context.unknown_tasks.requested:
        message = f"nothing waits for approval of {event.mismatch.value}: `framework approve` shows what does"
        return Refused(kind="not_found", message=message), ()
    request = _approval_request(context, event.mismatch)
    if request.number > event.number:
        message = (
            f"it is about {request.number} tasks by now, and {event.number} were approved: look at"
            " `framework approve` again"
        )
        return Refused(kind="conflict", message=message), ()
    context.publish("DestructionApproved", f"approved by an operator, for {request.number} tasks: {request.effect}")
    done = Done(changed=tuple(request.tasks), message=f"approved: {request.effect}")
    if event.mismatch is Mismatch.MISSING:
        return done, _accepted(context)
    _stop(context, context.unknown_tasks.waiting, Verdict.APPROVED)
    _close(context, Mismatch.UNKNOWN_TASKS)
    return done, ()


def approval_requests(context: Context) -> tuple[ApprovalRequest, ...]:
    """The requests that wait for an operator."""
    return tuple(_approval_request(context, mismatch) for mismatch in context.unknown_tasks.requested)


def _approval_request(context: Context, mismatch: Mismatch) -> ApprovalRequest:
    if mismatch is Mismatch.UNKNOWN_TASKS:
        return _about_unknown(context, context.unknown_tasks.waiting)
    return _about_missing(context, tuple(context.unknown_tasks.missing))


def _about_unknown(context: Context, tasks: tuple[TaskId, ...]) -> ApprovalRequest:
    has_returned = any(id in context.state.tasks for id in tasks)
    or_ended = ", or had ended for it" if has_returned else ""
    or_state = ", and --master a cluster in its right state" if has_returned else ""
    sentence = (
        f"Mesos runs {len(tasks)} tasks of this framework that are not in the store{or_ended}, such as"
        f" {_some(tasks)}; more than {context.settings.most_unapproved_kills} are never stopped on suspicion: check"
        f" that --zk names the right root{or_state}; `framework approve` stops them"
    )
    return ApprovalRequest(
        mismatch=Mismatch.UNKNOWN_TASKS,
        number=len(tasks),
        tasks=tasks,
        sentence=sentence,
        effect="they are stopped",
    )


def _about_missing(context: Context, tasks: tuple[TaskId, ...]) -> ApprovalRequest:
    sentence = (
        f"the master at {context.master} knows nothing of {len(tasks)} tasks that the store says run, such as"
        f" {_some(tasks)}; nothing is started before somebody says that they are lost: check that --master names the"
        " right cluster; `framework approve` has others started in their places"
    )
    return ApprovalRequest(
        mismatch=Mismatch.MISSING,
        number=len(tasks),
        tasks=tasks,
        sentence=sentence,
        effect="they count as lost, and others are started in their places",
    )


def _some(tasks: tuple[TaskId, ...]) -> str:
    return ", ".join(tasks[:MOST_NAMED])
