"""Mesos's JSON and our values, as tests need them."""

from __future__ import annotations

from typing import Any

from framework.core.model import Task
from specs.ids import AgentId, ExecutorId, VersionId, group_id, task_id
from specs.states import Goal, Health, TaskState

Json = dict[str, Any]
GROUP = group_id("shop", "web", ("dev", "frontend"))


def scalar(name: str, value: float, **more: Any) -> Json:
    allocation = {"role": "apps"}
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": allocation, **more}


def ports(*pairs: tuple[int, int], **more: Any) -> Json:
    ranges = {"range": [{"begin": begin, "end": end} for begin, end in pairs]}
    return {"name": "ports", "type": "RANGES", "ranges": ranges, "allocation_info": {"role": "apps"}, **more}


def items(name: str, *members: str, **more: Any) -> Json:
    allocation = {"role": "apps"}
    return {"name": name, "type": "SET", "set": {"item": [*members]}, "allocation_info": allocation, **more}


def make_agent(id: str = "a-S0", resources: list[Json] | None = None, **more: Any) -> Json:
    """An agent of GET_AGENTS."""
    number = int(id.rpartition("S")[2]) + 1
    return {
        "agent_info": {"hostname": f"agent{number}", "port": 5051, "id": {"value": id}},
        "active": True,
        "deactivated": False,
        "pid": f"slave(1)@127.0.1.{number}:5051",
        "total_resources": [scalar("cpus", 4.0), scalar("mem", 4096.0)] if resources is None else resources,
        **more,
    }


def make_offer(id: str = "o1", resources: list[Json] | None = None, **more: Any) -> Json:
    return {
        "id": {"value": id},
        "framework_id": {"value": "f-0001"},
        "agent_id": {"value": "a-S0"},
        "allocation_info": {"role": "apps"},
        "hostname": "agent1",
        "url": {
            "scheme": "http",
            "address": {"hostname": "agent1", "ip": "127.0.1.1", "port": 5051},
            "path": "/slave(1)",
        },
        "resources": [scalar("cpus", 4.0), scalar("mem", 4096.0)] if resources is None else resources,
        **more,
    }


def make_task(host_ports: tuple[int, ...] = (), agent: str = "a-S0") -> Task:
    return Task(
        id=task_id(GROUP, 2, 17),
        group=GROUP,
        slot=2,
        attempt=3,
        version=VersionId("0123456789ab"),
        generation=0,
        goal=Goal.RUN,
        state=TaskState.INTENT,
        health=Health.NONE,
        agent_id=AgentId(agent),
        hostname="agent1",
        address="127.0.1.1",
        executor_id=ExecutorId("e"),
        host_ports=host_ports,
        launched_at=0.0,
        state_since=0.0,
    )
