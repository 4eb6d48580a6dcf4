"""Destruction has a budget: what the store and the master tell differently is not ended in numbers without asking.

Two doubts. Strangers: Mesos runs tasks that the store does not know, or that had ended for it; a few are stopped, many
mean that the store is the wrong one. Missing: the master knows nothing of tasks that the store holds; a few were lost,
many mean that the master is the wrong one. Neither is decided before the reconciliation of a new subscription was
answered, or its time is over.
"""

from __future__ import annotations

from framework.core.commands import Done, Kill, Outcome, Refused
from framework.core.events import DestructionApproved
from framework.core.model import Doubt, Instant, Status, Task
from framework.core.state.context import Context
from framework.core.state.lifecycle import Effect, follow
from framework.core.state.unknown_tasks import Stranger, Verdict
from framework.core.views import Question
from specs.ids import AgentId, TaskId
from specs.states import Goal, TaskState

MOST_NAMED = 3


def begin(context: Context, asked: tuple[tuple[TaskId, AgentId], ...], now: Instant, *, is_new: bool) -> None:
    """A reconciliation begins; `is_new` is the first of a subscription: what another master said does not count."""
    suspects = context.suspects
    suspects.stopped = 0
    if is_new:
        suspects.strangers = {id: each for id, each in suspects.strangers.items() if each.verdict is Verdict.APPROVED}
        suspects.missing.clear()
        suspects.unanswered = dict.fromkeys(id for id, _ in asked)
        suspects.answers_until = now + context.settings.answers_wait_seconds
    context.timers.set("judge", "", now + context.settings.suspicion_seconds)


def hear(context: Context, status: Status, task: Task | None, now: Instant) -> bool:
    """Takes note of a status; returns whether it is not to be believed yet."""
    suspects = context.suspects
    if status.task_id in suspects.unanswered:
        del suspects.unanswered[status.task_id]
        if not suspects.unanswered:
            context.publish("Reconciled", "the master has told the state of every task that was stored")
    if task is None or follow(task.state, status.state) is Effect.RETURNED:
        _hear_stranger(context, status, now)
        return True
    if task.id in suspects.strangers:
        _hear_stranger(context, status, now)  # one that came back has ended again
    was_missing = suspects.missing.pop(task.id, None) is not None
    is_doubted = status.state is TaskState.UNKNOWN and task.goal is Goal.RUN and task.state.is_lively
    if is_doubted:
        suspects.missing[task.id] = status
    if is_doubted is not was_missing:
        _judge_soon(context, now)
    return is_doubted


def _hear_stranger(context: Context, status: Status, now: Instant) -> None:
    suspects = context.suspects
    known = suspects.strangers.get(status.task_id)
    if status.state.is_terminal or status.state is TaskState.UNREACHABLE:
        if known is not None:
            del suspects.strangers[status.task_id]
            suspects.stopped += known.verdict is Verdict.STOPPED
            _judge_soon(context, now)
        return
    if known is None:
        suspects.strangers[status.task_id] = Stranger(agent_id=status.agent_id)
        _judge_soon(context, now)
    elif known.verdict is not Verdict.WAITING:
        _kill(context, status.task_id, status.agent_id)


def _judge_soon(context: Context, now: Instant) -> None:
    if not context.timers.has("judge", ""):
        context.timers.set("judge", "", now + context.settings.suspicion_seconds)


def judge(context: Context, now: Instant) -> tuple[Status, ...]:
    """Stops the strangers and returns the ends that are to be believed, unless those are so many that it asks."""
    suspects = context.suspects
    if suspects.unanswered and now < suspects.answers_until:
        context.timers.set("judge", "", min(now + context.settings.suspicion_seconds, suspects.answers_until))
        return ()
    suspects.unanswered.clear()
    _judge_strangers(context)
    if not suspects.missing:
        _close(context, Doubt.MISSING)
        return ()
    desired = sum(task.goal is Goal.RUN and task.state.is_lively for task in context.state.tasks.values())
    if len(suspects.missing) > max(context.settings.destruction_budget, desired / 2):
        _request(context, Doubt.MISSING)
        return ()
    return _believed(context)


def _judge_strangers(context: Context) -> None:
    suspects = context.suspects
    waiting = suspects.waiting
    stopped = sum(each.verdict is Verdict.STOPPED for each in suspects.strangers.values())
    if waiting and len(waiting) + stopped + suspects.stopped > context.settings.destruction_budget:
        _request(context, Doubt.STRANGERS)
        return
    _stop(context, waiting, Verdict.STOPPED)
    _close(context, Doubt.STRANGERS)


def _stop(context: Context, ids: tuple[TaskId, ...], verdict: Verdict) -> None:
    for id in ids:
        agent_id = context.suspects.strangers[id].agent_id
        context.suspects.strangers[id] = Stranger(agent_id=agent_id, verdict=verdict)
        _kill(context, id, agent_id)
        task = context.state.tasks.get(id)
        if task is not None:
            context.publish_task("TaskReturned", task, f"{id} came back after it was given up: it is stopped")
        else:
            context.publish("UnknownTaskStopped", f"{id} is not in the store: it is stopped")


def _kill(context: Context, id: TaskId, agent_id: AgentId | None) -> None:
    """Of one that had ended the store knows, whoever leads; one that it does not know may be a new leader's."""
    wait = context.after_all_saves if id in context.state.tasks else context.after_fence
    wait(Kill(task_id=id, agent_id=agent_id))


def _believed(context: Context) -> tuple[Status, ...]:
    believed = tuple(context.suspects.missing.values())
    context.suspects.missing.clear()
    _close(context, Doubt.MISSING)
    return believed


def _request(context: Context, doubt: Doubt) -> None:
    if doubt not in context.suspects.asked:
        context.suspects.asked[doubt] = None
        context.publish("ApprovalAsked", _question(context, doubt).sentence)
        context.touch_pending()


def _close(context: Context, doubt: Doubt) -> None:
    if doubt in context.suspects.asked:
        del context.suspects.asked[doubt]
        context.is_unsettled = True
        context.touch_pending()


def approve(context: Context, event: DestructionApproved) -> tuple[Outcome, tuple[Status, ...]]:
    """Does what was asked for; returns the answer, and the ends that are to be believed now.

    Refused where nothing was asked, or where it is about more tasks by now than the operator has seen.
    """
    if event.doubt not in context.suspects.asked:
        message = f"nothing waits for approval of {event.doubt.value}: `framework approve` shows what does"
        return Refused(kind="not_found", message=message), ()
    question = _question(context, event.doubt)
    if question.number > event.number:
        message = (
            f"it is about {question.number} tasks by now, and {event.number} were approved: look at"
            " `framework approve` again"
        )
        return Refused(kind="conflict", message=message), ()
    context.publish("DestructionApproved", f"approved by an operator, for {question.number} tasks: {question.effect}")
    done = Done(changed=tuple(question.tasks), message=f"approved: {question.effect}")
    if event.doubt is Doubt.MISSING:
        return done, _believed(context)
    _stop(context, context.suspects.waiting, Verdict.APPROVED)
    _close(context, Doubt.STRANGERS)
    return done, ()


def questions(context: Context) -> tuple[Question, ...]:
    """What waits for an operator."""
    return tuple(_question(context, doubt) for doubt in context.suspects.asked)


def _question(context: Context, doubt: Doubt) -> Question:
    suspects = context.suspects
    tasks = suspects.waiting if doubt is Doubt.STRANGERS else tuple(suspects.missing)
    such_as = ", ".join(tasks[:MOST_NAMED])
    if doubt is Doubt.STRANGERS:
        most = context.settings.destruction_budget
        has_returned = any(id in context.state.tasks for id in tasks)
        or_ended = ", or had ended for it" if has_returned else ""
        or_state = ", and --master a cluster in its right state" if has_returned else ""
        sentence = (
            f"Mesos runs {len(tasks)} tasks of this framework that are not in the store{or_ended}, such as {such_as};"
            f" more than {most} are never stopped on suspicion: check that --zk names the right root{or_state};"
            " `framework approve` stops them"
        )
        effect = "they are stopped"
    else:
        sentence = (
            f"the master at {context.master} knows nothing of {len(tasks)} tasks that the store says run, such as"
            f" {such_as}; nothing is started before somebody says that they are lost: check that --master names the"
            " right cluster; `framework approve` has others started in their places"
        )
        effect = "they count as lost, and others are started in their places"
    return Question(doubt=doubt, number=len(tasks), tasks=tasks, sentence=sentence, effect=effect)
