"""Whether a stack asks for more than any agent has: then it would wait for ever, and says so at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from framework.core.read.plan import allowed, is_gone
from framework.core.views import View
from placement.agent import Agent
from specs.model.resources import Resources, format_cpus
from specs.model.stack import Group, Stack

Details = list[tuple[str, str]]
_Amount = tuple[str, Callable[[Resources], int], Callable[[int], str]]


def too_large(stack: Stack, view: View) -> Details:
    """(path, error) for each amount of which a group wants more than any agent has that its rules allow.

    Nothing is said where the master has not told what all of its agents have.
    """
    agents = {one.agent.id: one.agent for one in view.agents.values() if not is_gone(one)}
    if not agents or any(agent.total is None for agent in agents.values()):
        return []
    faults: Details = []
    may = allowed(view, stack)
    for group in stack.groups:
        able = may[group.id]
        # Where its rules allow no agent, size is not what is wrong.
        if not able or any(_holds(_total(agents[id]), group, view.executor) for id in able):
            continue
        count = "only one" if len(able) == 1 else str(len(able))
        among = "" if len(able) == len(agents) else f" of the {count} that its constraints allow"
        faults += _faults(group, [agents[id] for id in able], among, view.executor)
    return faults


def _holds(has: Resources, group: Group, executor: Resources) -> bool:
    want = group.resources + executor
    return (
        all(amount(has) >= amount(want) for _, amount, _ in _amounts(want))
        and has.covers(Resources(sets=want.sets))
        and all(port.host_port is None or port.host_port in has.ports for port in group.container.ports)
    )


def _faults(group: Group, agents: Sequence[Agent], among: str, executor: Resources) -> Iterator[tuple[str, str]]:
    want = group.resources
    found = False
    for name, amount, text in _amounts(want):
        largest = max(agents, key=lambda agent: amount(_total(agent)))
        most = amount(_total(largest))
        if amount(want) and amount(want) + amount(executor) > most:
            also = f" (and {text(amount(executor))} for the executor)" if amount(want) <= most else ""
            error = f"wanted {text(amount(want))}{also}, the most that an agent{among} has is {text(most)}"
            yield f"{group.id}.resources.{name}", f"{error} ({largest.hostname})"
            found = True
    for port in group.container.ports:
        fixed = port.host_port
        if fixed is not None and not any(fixed in _total(agent).ports for agent in agents):
            ranges = sorted({str(_total(agent).ports) for agent in agents})
            has = ranges[0] if len(ranges) == 1 else "other ranges"
            yield f"{group.id}.ports.{port.name}", f"wanted host port {fixed}, the agents{among} offer {has}"
            found = True
    if not found:
        yield f"{group.id}.resources", f"wanted {want} together, no agent{among} has all of it"


def _amounts(want: Resources) -> Iterator[_Amount]:
    yield "cpus", lambda has: has.cpus_milli, format_cpus
    yield "memory", lambda has: has.mem_mib, _mebibytes
    yield "disk", lambda has: has.disk_mib, _mebibytes
    yield "gpus", lambda has: has.gpus, str
    for name, _ in want.scalars:
        yield f"custom.{name}", _custom(name), format_cpus


def _custom(name: str) -> Callable[[Resources], int]:
    """So much of a scalar, or so many items of a set."""
    return lambda has: dict(has.scalars).get(name, 0) + 1000 * len(dict(has.sets).get(name, ()))


def _total(agent: Agent) -> Resources:
    return agent.total or Resources()


def _mebibytes(amount: int) -> str:
    return f"{amount} MiB"
