"""Agents that may be gone for good: what waits for them to come back, and what is lost where they never do.

Mesos waits for an agent that it cannot reach, two weeks by default, and the tasks there have not ended for so long. A
master that is told that the agent is gone ends them at once. Pure: told from a view.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from framework.core.commands import Refused
from framework.core.model import Task
from framework.core.state.agents import ABSENT, utc
from framework.core.views import GroupState, GroupView, View
from placement.agent import AgentState
from specs.ids import AgentId
from specs.states import TaskState

_MOST_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The loss with an agent. `alive` says in a phrase that the master has it registered, and how it is; "" where
    it has not. `tasks` are those of ours that have not ended there, `slots` those that they hold or held, and `volumes`
    what groups keep on the agent itself, each as `what: of which group`. `stacks` are removed, and wait for it."""

    agent_id: AgentId
    hostname: str
    alive: str = ""
    tasks: tuple[Task, ...] = ()
    slots: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stacks: tuple[str, ...] = ()


def why_not_over(group: GroupView) -> str:
    """Why a group that shall have no task is not over: agents that cannot be reached, since when, and what helps, or
    containers that are still to be removed; "" where it waits for nothing of the kind."""
    if group.state is not GroupState.REMOVING and group.wanted:
        return ""
    by_agent: dict[tuple[str, AgentId], list[Task]] = {}
    for task in group.tasks:
        if task.state is TaskState.UNREACHABLE:
            by_agent.setdefault((task.hostname, task.agent_id), []).append(task)
    if not by_agent:
        return _left_behind(group)
    said = []
    for (hostname, _), tasks in sorted(by_agent.items())[:_MOST_NAMED]:
        count = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
        said.append(f"{count} on {hostname}, out of reach since {utc(min(task.state_since for task in tasks))}")
    more = f" and {len(by_agent) - _MOST_NAMED} more agents" if len(by_agent) > _MOST_NAMED else ""
    first = min(by_agent)[0]
    return (
        f"waits for {'; '.join(said)}{more}: Mesos gives an agent up after its own time, two weeks by default; if it"
        f" never comes back, `framework agents gone {first}` ends what was there"
    )


def _left_behind(group: GroupView) -> str:
    """Which containers of executors that have died are still to be removed (core.launch.container_sweep), in a
    sentence."""
    tasks = (*(task for task in group.ended if task.is_left), *(task for task in group.tasks if task.sweeps))
    hostnames = sorted({task.hostname for task in tasks})
    if not hostnames:
        return ""
    more = f" and {len(hostnames) - _MOST_NAMED} more agents" if len(hostnames) > _MOST_NAMED else ""
    where = f"{', '.join(hostnames[:_MOST_NAMED])}{more}"
    return (
        f"waits to remove what executors that have died left on {where}: a task does that as soon as the agent has"
        " 0.01 cpus for it and room for the executor; after ten minutes it is left to the next executor there"
    )


def find(view: View, name: str) -> Loss | Refused:
    """The loss with the agent that has this host name or id. Refused where there is none, or several: one that was
    started afresh has the host name of its former self."""
    hostnames: dict[AgentId, str] = {id: task.hostname for id, task in _by_agent(view)}
    hostnames |= {AgentId(id): each.agent.hostname for id, each in view.agents.items()}
    exact = [id for id in hostnames if id == name]
    found = exact or [id for id, hostname in hostnames.items() if hostname == name]
    absent = [id for id in found if not _alive(view, id)]
    if len(absent or found) > 1:
        ids = ", ".join(sorted(absent or found)[:_MOST_NAMED])
        message = f"{len(absent or found)} agents are called {name}: {ids}; give the id of one. Nothing was changed"
        return Refused(kind="conflict", message=message)
    if not found:
        near = sorted({hostname for hostname in hostnames.values() if fnmatchcase(hostname, f"*{name}*")})
        hint = f"; did you mean {', '.join(near[:3])}?" if near else ""
        message = (
            f"no agent is called {name}{hint}; wanted the host name or id of one that `framework agents` lists, or on"
            " which `framework ps -a` shows a task. Nothing was changed"
        )
        return Refused(kind="not_found", message=message)
    id = (absent or found)[0]
    return _loss(view, id, hostnames[id])


def _loss(view: View, id: AgentId, hostname: str) -> Loss:
    tasks: list[Task] = []
    slots: dict[str, None] = {}
    volumes: dict[str, None] = {}
    stacks: dict[str, None] = {}
    for stack in view.stacks.values():
        for group in stack.groups:
            here = [task for task in group.tasks if task.agent_id == id]
            tasks += here
            slots |= dict.fromkeys(f"{group.spec.id}/{task.slot}" for task in here)
            was_here = here or [task for task in group.ended if task.agent_id == id]
            for volume in group.container.volumes if was_here else ():
                if volume.source and not volume.is_read_only:
                    volumes[f"{volume.source}: of {group.spec.id}"] = None
            if here and stack.spec.is_removed:
                stacks[stack.spec.name] = None
    return Loss(
        agent_id=id,
        hostname=hostname,
        alive=_alive(view, id),
        tasks=tuple(tasks),
        slots=tuple(slots),
        volumes=tuple(volumes),
        stacks=tuple(stacks),
    )


def _alive(view: View, id: AgentId) -> str:
    """How the agent is, where the master has it registered."""
    seen = view.agents.get(id)
    if seen is None or seen.unavailable == ABSENT:
        return ""
    if seen.agent.state is AgentState.DISCONNECTED:
        return "is registered with the master, which has lost its connection a moment ago and waits for it"
    return "is registered with the master"


def _by_agent(view: View) -> Iterator[tuple[AgentId, Task]]:
    for stack in view.stacks.values():
        for group in stack.groups:
            for task in (*group.ended, *group.tasks):
                yield task.agent_id, task
