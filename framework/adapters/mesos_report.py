"""Reads the answers of the master's operator API about agents. Pure.

GET_AGENTS has the registered agents, and those that it knew before it came to lead and that have not come back yet.
GET_MAINTENANCE_SCHEDULE has windows for machines, each named by hostname, address, or both.

The answer of a master of 10,000 agents has some 20 MB. Read as one JSON text it would stop every other thread for a
second, so it is cut into the texts of single agents; those that are as they were are not read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson

from framework.adapters.codec import attributes, domain, window
from framework.adapters.mesos_resources import free, usable
from placement.agent import Agent, AgentState
from specs.ids import AgentId

Json = dict[str, Any]
Windows = dict[tuple[str, str], tuple[float, float]]
"""Maintenance windows by (hostname in lower case, address) of the machine, "" where it is not named by that."""
AGENT_MARK = b'{"agent_info":'
"""The beginning of each registered agent's text. It cannot be part of a string: quotes in one are escaped."""


def windows(content: bytes) -> Windows:
    """The windows of an answer to GET_MAINTENANCE_SCHEDULE. Raises KeyError, ValueError and their kind for another
    shape."""
    schedule = orjson.loads(content)["get_maintenance_schedule"].get("schedule", {})
    return {
        (machine.get("hostname", "").lower(), machine.get("ip", "")): window(each["unavailability"])
        for each in schedule.get("windows", ())
        for machine in each.get("machine_ids", ())
    }


class AgentReader:
    """Reads answers to GET_AGENTS, with what `role` may use of the agents."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._known: dict[bytes, Agent] = {}

    def read(self, content: bytes, planned: Windows) -> tuple[Agent, ...]:
        """The agents, sorted by id. Raises KeyError, ValueError and their kind for another shape."""
        texts, envelope = _cut(content)
        told = orjson.loads(envelope)["get_agents"]
        known: dict[bytes, Agent] = {}
        for text in texts:
            digest = hashlib.blake2b(text, digest_size=16).digest()
            known[digest] = self._known.get(digest) or _registered(orjson.loads(text), self._role)
        self._known = known
        found = [*known.values(), *(_registered(each, self._role) for each in told.get("agents", ()))]
        if planned:
            found = [replace(agent, window=_window(planned, agent)) for agent in found]
        found += _missed(told.get("recovered_agents", ()), self._role)
        return tuple(sorted(found, key=lambda agent: agent.id))


def _cut(content: bytes) -> tuple[list[bytes], bytes]:
    """The texts of the registered agents, and the answer without them."""
    head, *rest = content.split(AGENT_MARK)
    if not rest:
        return [], head
    texts = [AGENT_MARK + text.rstrip(b", \n") for text in rest]
    last = texts[-1].decode()
    _, end = json.JSONDecoder().raw_decode(last)
    texts[-1] = last[:end].encode()
    return texts, head + last[end:].encode()


def _registered(each: Json, role: str) -> Agent:
    info = each["agent_info"]
    address, port = _address(each.get("pid", ""))
    has = each.get("total_resources") or info.get("resources", ())
    region, zone = domain(info)
    return Agent(
        id=AgentId(info["id"]["value"]),
        hostname=info["hostname"],
        address=address,
        port=port,
        region=region,
        zone=zone,
        attributes=attributes(info),
        total=usable(has, role),
        free=free(has, each.get("allocated_resources", ()), role),
        state=_state(each),
    )


def _missed(told: list[Json], role: str) -> Iterator[Agent]:
    """Agents that were registered with the last master and not yet with this one."""
    for info in told:
        region, zone = domain(info)
        yield Agent(
            id=AgentId(info["id"]["value"]),
            hostname=info["hostname"],
            region=region,
            zone=zone,
            attributes=attributes(info),
            total=usable(info.get("resources", ()), role),
            state=AgentState.DISCONNECTED,
        )


def _state(agent: Json) -> AgentState:
    draining = agent.get("drain_info", {}).get("state")
    if draining == "DRAINING":
        return AgentState.DRAINING
    if draining == "DRAINED":
        return AgentState.DRAINED
    if agent.get("deactivated", False):
        return AgentState.DEACTIVATED
    return AgentState.ACTIVE if agent.get("active", True) else AgentState.DISCONNECTED


def _address(pid: str) -> tuple[str, int]:
    """Address and port of `slave(1)@127.0.1.1:5051`; ("", 0) where there is none."""
    host, _, port = pid.rpartition("@")[2].rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else ("", 0)


def _window(planned: Windows, agent: Agent) -> tuple[float, float] | None:
    name = agent.hostname.lower()
    for machine in ((name, agent.address), (name, ""), ("", agent.address)):
        if machine != ("", "") and machine in planned:
            return planned[machine]
    return None
