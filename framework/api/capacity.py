"""Whether a stack asks for more than any agent has: then it would wait for ever, and says so at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import requests

from specs.resources import Resources, format_cpus
from specs.stack import Stack

ASK_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """All that an agent has, whoever uses it now."""

    hostname: str
    cpus_milli: int
    mem_mib: int
    disk_mib: int
    gpus: int


Agents = Callable[[str], tuple[Capacity, ...]]
"""(master's host:port) -> its agents; empty where it does not tell."""


def agents_of_master(master: str) -> tuple[Capacity, ...]:
    """What /slaves of the master tells; nothing where it does not answer, or wants to know who asks."""
    try:
        answer = requests.get(f"http://{master}/slaves", timeout=ASK_SECONDS, allow_redirects=False)
        agents = answer.json()["slaves"] if answer.status_code == 200 else []
        return tuple(
            Capacity(
                hostname=str(agent["hostname"]),
                cpus_milli=round(agent["resources"]["cpus"] * 1000),
                mem_mib=int(agent["resources"]["mem"]),
                disk_mib=int(agent["resources"]["disk"]),
                gpus=int(agent["resources"]["gpus"]),
            )
            for agent in agents
        )
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return ()


def too_large(stack: Stack, agents: tuple[Capacity, ...]) -> list[tuple[str, str]]:
    """(path, error) for each resource of which a group wants more than any of the agents has."""
    faults = []
    for group in stack.groups if agents else ():
        for name, wanted, has, text in _amounts(group.resources):
            largest = max(agents, key=has)
            if wanted > has(largest):
                most = f"{text(has(largest))} ({largest.hostname})"
                faults.append(
                    (f"{group.id}.resources.{name}", f"wanted {text(wanted)}, the most that an agent has is {most}")
                )
    return faults


_Row = tuple[str, int, Callable[[Capacity], int], Callable[[int], str]]


def _amounts(want: Resources) -> tuple[_Row, ...]:
    return (
        ("cpus", want.cpus_milli, lambda agent: agent.cpus_milli, format_cpus),
        ("memory", want.mem_mib, lambda agent: agent.mem_mib, _mebibytes),
        ("disk", want.disk_mib, lambda agent: agent.disk_mib, _mebibytes),
        ("gpus", want.gpus, lambda agent: agent.gpus, str),
    )


def _mebibytes(amount: int) -> str:
    return f"{amount} MiB"
