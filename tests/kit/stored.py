"""Values as a store holds them, in the sizes they have in life."""

from __future__ import annotations

import dataclasses
from typing import Any

from framework.core.model import AgentFailures, GroupSpec, History, KnownAgent, Revision, StackSpec, Task, Version
from specs.ids import AgentId, ExecutorId, VersionId, group_id, task_id
from specs.model.constraints import Constraint, GroupByMode, Neighbour, Preference, Rules, Selector, Spread
from specs.model.operators import Operator
from specs.model.resources import Resources
from specs.model.stack import CheckKind as Kind
from specs.model.stack import Container, Dependency, HealthCheck, Port
from specs.states import Goal, Health, TaskState

VERSION = VersionId("0123456789ab")


def stored_task(serial: int, **changes: Any) -> Task:
    """A running task with that serial number."""
    group = group_id("shop", "web", ("prod", "frontend"))
    agent = f"5b2f7d1e-6e55-4f0d-9a7e-0d2f53c6b1f7-S{serial % 50}"
    task = Task(
        id=task_id(group, serial % 1000, serial),
        group=group,
        slot=serial % 1000,
        attempt=3,
        version=VERSION,
        generation=1,
        goal=Goal.RUN,
        state=TaskState.RUNNING,
        health=Health.HEALTHY,
        agent_id=AgentId(agent),
        hostname=f"agent{serial % 50}.example.org",
        address=f"10.0.1.{serial % 50}",
        executor_id=ExecutorId("framework-0123456789abcdef"),
        host_ports=(31000 + serial % 500,),
        launched_at=1.7e9 + serial,
        state_since=1.7e9 + serial + 0.5,
        running_since=1.7e9 + serial + 0.5,
        container_id=f"{serial * 7919**18 % 16**64:064x}",
        sandbox=f"/var/lib/mesos/slaves/{agent}/frameworks/5b2f7d1e-0000/executors/framework-0123456789abcdef/runs/latest",
        addresses=("172.17.0.3",),
    )
    return dataclasses.replace(task, **changes)


def stored_agent(number: int, **changes: Any) -> KnownAgent:
    """An agent with what most have; each tenth has lately failed a group."""
    failures = (AgentFailures(group=group_id("shop", "web", ("prod", "frontend")), count=1.5, at=1.7e9 + number),)
    agent = KnownAgent(
        id=AgentId(f"5b2f7d1e-6e55-4f0d-9a7e-0d2f53c6b1f7-S{number}"),
        hostname=f"agent{number}.example.org",
        region="eu-west",
        zone=f"eu-west-{number % 3}",
        attributes=(
            ("disk", "ssd"),
            ("kernel", "6.1.0"),
            ("rack", f"r{number % 50}"),
            ("slots", "[1-2,5-6]"),
            ("weight", "0.5"),
        ),
        failures=failures if number % 10 == 0 else (),
    )
    return dataclasses.replace(agent, **changes)


def stored_rules(number: int = 0, **changes: Any) -> Rules:
    """One of each kind of rule; another number makes them others."""
    rules = Rules(
        constraints=(
            Constraint(operator=Operator.GROUP_BY, field="rack", values=("3",), mode=GroupByMode.QUOTA),
            Constraint(
                operator=Operator.ANY,
                parts=(
                    Constraint(operator=Operator.LIKE, field="@zone", values=("eu-west-.*",)),
                    Constraint(operator=Operator.MAX_PER, field="hostname", values=(str(number + 1),)),
                ),
            ),
        ),
        spread=(Spread(over="rack", within=("@zone",), targets=(("r1", 50), ("*", 50))),),
        near=(Neighbour(to=Selector(stack="*", service="redis*", labels=("prod",)), weight=20),),
        apart=(Neighbour(to=Selector(service="batch")),),
        prefer=(Preference(rule=Constraint(operator=Operator.EQUAL, field="disk", values=("ssd",)), weight=-10),),
        sticky=True,
        sticky_wait_seconds=30.0,
    )
    return dataclasses.replace(rules, **changes)


def stored_version(stack: str = "shop", number: int = 0, **changes: Any) -> Version:
    """A version with what most containers have."""
    container = Container(
        image="acme/web:1.4",
        command=("serve", "--port", "8080"),
        environment=(("LOG", "info"), ("NUMBER", str(number))),
        ports=(Port(name="http", container_port=8080),),
        health=HealthCheck(kind=Kind.HTTP, path="/healthz", port="http"),
    )
    resources = Resources(cpus_milli=500, mem_mib=256)
    version = Version(stack=stack, id=VersionId(f"{number:012x}"), container=container, resources=resources)
    return dataclasses.replace(version, **changes)


def stored_stack(name: str = "shop", groups: int = 2, **changes: Any) -> StackSpec:
    """A stack of so many groups."""
    specs = tuple(
        GroupSpec(
            id=group_id(name, f"web{number:05d}", ("prod", "frontend")),
            version=VERSION,
            instances=4,
            dependencies=(Dependency(service="redis"),),
            metadata=(("owner", "shop team"),),
        )
        for number in range(groups)
    )
    stack = StackSpec(name=name, groups=specs, index=3, submitted_at=1.7e9, submitted_by="ann", message="1.4")
    return dataclasses.replace(stack, **changes)


def stored_history(name: str = "shop", number: int = 3, **changes: Any) -> History:
    """A history of a submit, a scaling, and a submit that left one of two groups as it was."""
    first = stored_stack(name).groups
    second = (first[0], dataclasses.replace(first[1], version=VersionId(f"{number:012x}")))
    revisions = (
        Revision(
            number=1,
            at=1.7e9,
            command="submit",
            text="added web00000[frontend,prod]",
            by="ann",
            message="1",
            groups=first,
        ),
        Revision(number=2, at=1.7e9 + 1, command="scale", text="scaled web00000[frontend,prod] 4 → 5"),
        Revision(
            number=number,
            at=1.7e9 + 2,
            command="submit",
            text="replaced web00001[frontend,prod]",
            by="bob@desk",
            message="1.4 läuft",
            services=("web00001",),
            groups=second,
        ),
    )
    return dataclasses.replace(History(stack=name, revisions=revisions), **changes)
