"""How executors of ours end: the upgrade to the current version, and executors without tasks on agents that drain.

The upgrade goes agent by agent, while the containers run on. An older executor is asked to end. Its containers run on,
and Mesos reports its tasks as failed, as if it had crashed. So they are launched again on the same agent and ports, in
the current executor, which adopts the containers (core.launch.adoption). The next agent is upgraded when all of them
are back. Nothing of this is stored: the next leader does not go on with it.

An executor without tasks ends by itself after a while. On an agent that drains it is asked to end at once: for Mesos
the agent drains as long as an executor is there, and Mesos drops what is launched there until then. Where maintenance
is planned it stays: Mesos does not ask whether we have left an agent on which we have no executor.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from framework.core.commands import Done, Outcome, Refused, Retire
from framework.core.events import ExecutorUpgradeRequested
from framework.core.model import Task
from framework.core.state.agents import DRAINING
from framework.core.state.context import Context
from framework.core.state.executor_choice import ExecutorUpgrade
from framework.core.state.timers import Timer
from specs.executor_ids import is_version_of
from specs.ids import AgentId, ExecutorId, GroupId
from specs.states import Goal

AGENT_SECONDS = 120.0
"""Limit on the upgrade of one agent. An agent that needs longer ends the whole upgrade."""
RESEND_SECONDS = 10.0
"""Pause before an executor that is still there is asked again: messages to executors can get lost."""


def older_executors(context: Context, id: AgentId) -> list[ExecutorId]:
    """The executors of other versions that have tasks on the agent."""
    own = context.settings.executor_id
    return [each for each in sorted(context.state.executors.get(id, {})) if not is_version_of(each, own)]


def begin(context: Context, event: ExecutorUpgradeRequested) -> Outcome:
    """Starts the upgrade of the agents that match, in the order of their host names. Agents with plain processes only
    where that is asked for: processes are started again."""
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
    advance(context)
    return Done(changed=tuple(name for name, _ in names), message=f"rolling, one agent after the other{also}")


def advance(context: Context) -> None:
    """Goes on with the upgrade under way, as far as it can now."""
    upgrade = context.executor_upgrade
    if upgrade is None:
        return
    if upgrade.agent_id is not None and _is_back(context, upgrade, upgrade.agent_id):
        context.publish("ExecutorsRolled", f"{_name(context, upgrade.agent_id)}: all tasks run in the current executor")
        upgrade.agent_id = None
    while upgrade.agent_id is None and upgrade.waiting:
        id = upgrade.waiting.pop(0)
        if older_executors(context, id):
            _begin_agent(context, upgrade, id)
    if upgrade.agent_id is None:
        context.executor_upgrade = None
        context.timers.drop(Timer.EXECUTOR_UPGRADE, "")
        context.publish("ExecutorsRolled", "the roll is over")
    elif context.now >= upgrade.until:
        _fail(context, upgrade, upgrade.agent_id)
    elif context.now >= upgrade.ask_again_at:
        upgrade.ask_again_at = context.now + RESEND_SECONDS
        context.timers.set(Timer.EXECUTOR_UPGRADE, "", min(upgrade.ask_again_at, upgrade.until))
        for executor in older_executors(context, upgrade.agent_id):
            context.after_save(Retire(agent_id=upgrade.agent_id, executor_id=executor))


def agent_name(context: Context) -> str:
    """The host name of the agent that is being upgraded; "" where none is."""
    upgrade = context.executor_upgrade
    return _name(context, upgrade.agent_id) if upgrade is not None and upgrade.agent_id is not None else ""


def _begin_agent(context: Context, upgrade: ExecutorUpgrade, id: AgentId) -> None:
    upgrade.agent_id, upgrade.until, upgrade.ask_again_at = id, context.now + AGENT_SECONDS, context.now
    moved = [task for task in _older_tasks(context, id) if task.goal is Goal.RUN]
    upgrade.slots = {(task.group, task.slot): task.is_ready for task in moved}


def _older_tasks(context: Context, id: AgentId) -> list[Task]:
    executors = frozenset(older_executors(context, id))
    return [
        task
        for task in context.state.tasks.values()
        if task.agent_id == id and task.state.is_lively and task.executor_id in executors
    ]


def _is_process(context: Context, task: Task) -> bool:
    return not context.state.versions[task.group.stack, task.version].container.image


def _is_back(context: Context, upgrade: ExecutorUpgrade, id: AgentId) -> bool:
    return not older_executors(context, id) and not _missing(context, upgrade)


def _missing(context: Context, upgrade: ExecutorUpgrade) -> list[tuple[GroupId, int]]:
    """The slots that are not back: a slot that was ready must be ready again, another must have a task."""
    missing = []
    for (group, slot), was_ready in upgrade.slots.items():
        index = context.state.groups.get(group)
        if index is not None and slot in index.wanted and slot not in (index.ready if was_ready else index.holders):
            missing.append((group, slot))
    return missing


def _fail(context: Context, upgrade: ExecutorUpgrade, id: AgentId) -> None:
    name = _name(context, id)
    if older_executors(context, id):
        what = "its older executor has not left: it may be of a version that cannot"
    else:
        missing = _missing(context, upgrade)
        group, slot = missing[0]
        what = f"tasks do not run again: {len(missing)} of {len(upgrade.slots)}, as slot {slot} of {group}"
    rest = f"; agents that are left as they are: {len(upgrade.waiting)}" if upgrade.waiting else ""
    context.executor_upgrade_problem = f"the roll stopped at {name}: after {AGENT_SECONDS:.0f} s {what}{rest}"
    context.executor_upgrade = None
    context.timers.drop(Timer.EXECUTOR_UPGRADE, "")
    context.publish("ExecutorsRolled", context.executor_upgrade_problem)


def _progress(context: Context, upgrade: ExecutorUpgrade) -> str:
    return f"at {agent_name(context)}, with {len(upgrade.waiting)} agents to come"


def _name(context: Context, id: AgentId) -> str:
    agent = context.state.agents.get(id)
    return agent.hostname if agent is not None else id


def retire_idle(context: Context, agents: Iterable[AgentId]) -> None:
    """Retires the executors without living tasks on these agents, as far as the kept tasks name them."""
    chosen = dict.fromkeys(agents)
    if chosen:
        tasks = (task for task in context.state.tasks.values() if task.agent_id in chosen)
        for agent_id, executor_id in dict.fromkeys((task.agent_id, task.executor_id) for task in tasks):
            retire(context, agent_id, executor_id)


def retire(context: Context, agent_id: AgentId, executor_id: ExecutorId) -> None:
    """Asks an executor to end, if its agent drains and no task of it lives."""
    agent = context.agents.present.get(agent_id)
    if agent is None or agent.state not in DRAINING or executor_id in context.state.executors.get(agent_id, {}):
        return
    context.after_all_saves(Retire(agent_id=agent_id, executor_id=executor_id))
