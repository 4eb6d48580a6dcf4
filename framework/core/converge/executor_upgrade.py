"""Moving tasks from older executors to the current one, agent by agent, while their containers run on.

An older executor is retired: it ends, its containers run on, and Mesos calls its tasks failed, as if it had
crashed. So they come back to the same agent and ports, in the current executor, which adopts the containers (see
core.launch.adoption). The next agent follows when all are back. Volatile: the next leader knows nothing of it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from framework.core.commands import Done, Outcome, Refused, Retire
from framework.core.events import ExecutorUpgradeRequested
from framework.core.model import Instant, Task
from framework.core.state.context import Context
from framework.core.state.executor_choice import ExecutorUpgrade
from specs.executor_ids import is_version_of
from specs.ids import AgentId, ExecutorId, GroupId
from specs.states import Goal

ROLL_SECONDS = 120.0
"""So long an agent may take; longer, and nothing more is rolled."""
RESEND_SECONDS = 10.0
"""A message to an executor may be lost: it is told again while it is there."""


def older_executors(context: Context, id: AgentId) -> list[ExecutorId]:
    """The executors of other versions that have tasks on the agent."""
    own = context.settings.executor_id
    return [each for each in sorted(context.state.executors.get(id, {})) if not is_version_of(each, own)]


def begin(context: Context, event: ExecutorUpgradeRequested, now: Instant) -> Outcome:
    """Starts to roll the agents that match, by host name; those with plain processes only where that is desired."""
    if context.executor_upgrade is not None:
        return Refused(
            kind="conflict", message=f"a roll is under way already, {_progress(context, context.executor_upgrade)}"
        )
    found = {id: context.state.agents[id].hostname for id in context.state.executors if older_executors(context, id)}
    matching = [id for id in found if fnmatchcase(found[id], event.pattern) or fnmatchcase(id, event.pattern)]
    if found and not matching:
        message = f"no agent that has an older executor matches {event.pattern!r}: `framework executor ls` shows them"
        return Refused(kind="not_found", message=message)
    left_out: list[AgentId] = []
    if not event.has_processes:
        left_out = [id for id in matching if any(_is_process(context, task) for task in _older_tasks(context, id))]
    names = sorted((found[id], id) for id in matching if id not in left_out)
    without = ", ".join(sorted(found[id] for id in left_out))
    also = f"; left out, as processes there would be restarted (--processes): {without}" if without else ""
    if not names:
        return Done(message=f"no executor is to be rolled{also}")
    context.executor_upgrade = ExecutorUpgrade(waiting=[id for _, id in names])
    context.executor_upgrade_problem = ""
    context.publish("ExecutorsRolled", f"executors of {len(names)} agents are rolled, one after the other")
    advance(context, now)
    return Done(changed=tuple(name for name, _ in names), message=f"rolling, one agent after the other{also}")


def advance(context: Context, now: Instant) -> None:
    """Goes on with the roll that is under way, as far as it can now."""
    roll = context.executor_upgrade
    if roll is None:
        return
    if roll.agent_id is not None and _is_back(context, roll, roll.agent_id):
        context.publish("ExecutorsRolled", f"{_name(context, roll.agent_id)}: all tasks run in the current executor")
        roll.agent_id = None
    while roll.agent_id is None and roll.waiting:
        id = roll.waiting.pop(0)
        if older_executors(context, id):
            _begin_agent(context, roll, id, now)
    if roll.agent_id is None:
        context.executor_upgrade = None
        context.timers.drop("roll", "")
        context.publish("ExecutorsRolled", "the roll is over")
    elif now >= roll.until:
        _give_up(context, roll, roll.agent_id)
    elif now >= roll.tell_at:
        roll.tell_at = now + RESEND_SECONDS
        context.timers.set("roll", "", min(roll.tell_at, roll.until))
        for executor in older_executors(context, roll.agent_id):
            context.after_save(Retire(agent_id=roll.agent_id, executor_id=executor))


def at(context: Context) -> str:
    """The agent that is being rolled, by its host name; "" where none is."""
    roll = context.executor_upgrade
    return _name(context, roll.agent_id) if roll is not None and roll.agent_id is not None else ""


def _begin_agent(context: Context, roll: ExecutorUpgrade, id: AgentId, now: Instant) -> None:
    roll.agent_id, roll.until, roll.tell_at = id, now + ROLL_SECONDS, now
    moved = [task for task in _older_tasks(context, id) if task.goal is Goal.RUN]
    roll.moving = {(task.group, task.slot): task.is_ready for task in moved}


def _older_tasks(context: Context, id: AgentId) -> list[Task]:
    executors = frozenset(older_executors(context, id))
    return [
        task
        for task in context.state.tasks.values()
        if task.agent_id == id and task.state.is_lively and task.executor_id in executors
    ]


def _is_process(context: Context, task: Task) -> bool:
    return not context.state.versions[task.group.stack, task.version].container.image


def _is_back(context: Context, roll: ExecutorUpgrade, id: AgentId) -> bool:
    return not older_executors(context, id) and not _missing(context, roll)


def _missing(context: Context, roll: ExecutorUpgrade) -> list[tuple[GroupId, int]]:
    """The slots that do not run again: as ready as before, or with a task at least."""
    missing = []
    for (group, slot), was_ready in roll.moving.items():
        index = context.state.groups.get(group)
        if index is not None and slot in index.wanted and slot not in (index.ready if was_ready else index.holders):
            missing.append((group, slot))
    return missing


def _give_up(context: Context, roll: ExecutorUpgrade, id: AgentId) -> None:
    name = _name(context, id)
    if older_executors(context, id):
        what = "its older executor has not left: it may be of a version that cannot"
    else:
        missing = _missing(context, roll)
        what = (
            f"tasks do not run again: {len(missing)} of {len(roll.moving)}, as slot {missing[0][1]} of {missing[0][0]}"
        )
    rest = f"; agents that are left as they are: {len(roll.waiting)}" if roll.waiting else ""
    context.executor_upgrade_problem = f"the roll stopped at {name}: after {ROLL_SECONDS:.0f} s {what}{rest}"
    context.executor_upgrade = None
    context.timers.drop("roll", "")
    context.publish("ExecutorsRolled", context.executor_upgrade_problem)


def _progress(context: Context, roll: ExecutorUpgrade) -> str:
    return f"at {at(context)}, with {len(roll.waiting)} agents to come"


def _name(context: Context, id: AgentId) -> str:
    agent = context.state.agents.get(id)
    return agent.hostname if agent is not None else id
