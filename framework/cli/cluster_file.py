"""Reads the output of `framework agents --json` as agents to place on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from framework.cli.fleet import EXECUTOR, MAX_AGENTS, Fleet, content_of, parse_ports
from placement.agent import Agent, AgentState
from specs.foreign_json import parse_json
from specs.ids import AgentId, GroupId, VersionId, parse_group_id
from specs.model.errors import Fault, StackError
from specs.model.limits import MAX_INSTANCES
from specs.model.resources import PortRanges, Resources

MAX_CLUSTER_BYTES = 64 << 20
MAX_AMOUNT = 10**12
"""Limit on any amount that an agent has."""
Number = TypeVar("Number", int, float)


def read_cluster(path: str) -> Fleet:
    """The agents that `framework agents --json` printed; raises StackError with the first mistake."""
    content = content_of(path, MAX_CLUSTER_BYTES)
    try:
        plain = parse_json(content)
    except ValueError as error:
        place = {"line": error.lineno, "column": error.colno} if isinstance(error, json.JSONDecodeError) else {}
        why = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        message = f"not JSON: {why}; wanted what `framework agents --json` printed"
        raise StackError([Fault("", message, path, **place)]) from None
    return _Cluster(path).fleet(plain)


class _Cluster:
    """Reads plain values, and says of the first that is not as it should be where it is."""

    def __init__(self, file: str) -> None:
        self._file = file

    def fleet(self, plain: Any) -> Fleet:
        root = self._of(plain, dict, "", "an object, as `framework agents --json` printed it")
        lines = self._of(root.get("agents"), list, "agents", "a list of agents")
        if not lines:
            raise self._fault("agents", "wanted at least one agent; got an empty list")
        if len(lines) > MAX_AGENTS:
            raise self._fault("agents", f"wanted at most {MAX_AGENTS:,} agents; got {len(lines):,}")
        agents: list[Agent] = []
        unavailable: dict[AgentId, str] = {}
        counts: dict[GroupId, dict[AgentId, dict[VersionId, int]]] = {}
        present: set[AgentId] = set()
        for number, each in enumerate(lines):
            path = f"agents[{number}]"
            line = self._of(each, dict, path, "an agent")
            agent = self._agent(line, path)
            agents.append(agent)
            if said := self._text(line, path, "unavailable"):
                unavailable[agent.id] = said
            for group, version, count in self._tasks(line, path):
                counts.setdefault(group, {}).setdefault(agent.id, {})[version] = count
                present.add(agent.id)
        if len({agent.id for agent in agents}) < len(agents):
            raise self._fault("agents", "wanted each agent once; got an id twice")
        executor = root.get("executor")
        return Fleet(
            agents=tuple(agents),
            executor=EXECUTOR if executor is None else self._amounts(executor, "executor"),
            region=self._text(root, "", "region"),
            counts=counts,
            present=frozenset(present),
            unavailable=unavailable,
        )

    def _agent(self, line: Mapping[str, Any], path: str) -> Agent:
        id, state = self._text(line, path, "id"), self._text(line, path, "state") or AgentState.ACTIVE.value
        if not id:
            raise self._fault(f"{path}.id", "is missing; wanted the agent's id")
        if state not in set(AgentState):
            raise self._fault(f"{path}.state", f"wanted one of {', '.join(AgentState)}; got {state!r}")
        attributes = self._of(line.get("attributes", {}), dict, f"{path}.attributes", "names and texts")
        total, free = line.get("total"), line.get("free")
        if free is None:
            free = line.get("offered")
        return Agent(
            id=AgentId(id),
            hostname=self._text(line, path, "hostname") or id,
            region=self._text(line, path, "region"),
            zone=self._text(line, path, "zone"),
            attributes=tuple(
                sorted(
                    (str(name), str(text))
                    for name, texts in attributes.items()
                    for text in (texts if isinstance(texts, list) else [texts])
                )
            ),
            total=None if total is None else self._amounts(total, f"{path}.total"),
            free=None if free is None else self._amounts(free, f"{path}.free"),
            state=AgentState(state),
        )

    def _amounts(self, plain: Any, path: str) -> Resources:
        amounts = self._of(plain, dict, path, "amounts of resources")
        custom = self._of(amounts.get("custom", {}), dict, f"{path}.custom", "custom resources")
        scalars = [(name, amount) for name, amount in custom.items() if not isinstance(amount, list)]
        text = self._text(amounts, path, "ports")
        try:
            ports = parse_ports(text) if text else PortRanges()
        except ValueError as error:
            raise self._fault(f"{path}.ports", str(error)) from None
        return Resources(
            cpus_milli=round(self._number(amounts, path, "cpus", float) * 1000),
            mem_mib=self._number(amounts, path, "mem_mib", int),
            disk_mib=self._number(amounts, path, "disk_mib", int),
            gpus=self._number(amounts, path, "gpus", int),
            ports=ports,
            scalars=tuple(
                sorted((n, round(self._number({n: a}, f"{path}.custom", n, float) * 1000)) for n, a in scalars)
            ),
            sets=tuple(sorted((n, tuple(sorted(map(str, i)))) for n, i in custom.items() if isinstance(i, list) and i)),
        )

    def _tasks(self, line: Mapping[str, Any], path: str) -> Iterator[tuple[GroupId, VersionId, int]]:
        for number, each in enumerate(self._of(line.get("tasks", []), list, f"{path}.tasks", "a list of tasks")):
            here = f"{path}.tasks[{number}]"
            task = self._of(each, dict, here, "a group, a version and a count")
            group = parse_group_id(self._text(task, here, "group"))
            if group is None:
                raise self._fault(f"{here}.group", f"wanted a group, as shop/web[prod]; got {task.get('group')!r}")
            yield (
                group,
                VersionId(self._text(task, here, "version")),
                self._number(task, here, "count", int, MAX_INSTANCES),
            )

    def _number(
        self, plain: Mapping[str, Any], path: str, name: str, kind: Callable[[Any], Number], most: int = MAX_AMOUNT
    ) -> Number:
        got = plain.get(name, 0)
        if isinstance(got, bool) or not isinstance(got, int | float) or not 0 <= got <= most:
            wanted = f"wanted a number from 0 to {most:,}"
            shown = repr(got)
            raise self._fault(f"{path}.{name}", f"{wanted}; got {shown if len(shown) <= 60 else shown[:57] + '...'}")
        return kind(got)

    def _text(self, plain: Mapping[str, Any], path: str, name: str) -> str:
        got = plain.get(name, "")
        if not isinstance(got, str):
            raise self._fault(f"{path}.{name}" if path else name, f"wanted a text; got {got!r}")
        return got

    def _of(self, plain: Any, kind: type, path: str, wanted: str) -> Any:
        if not isinstance(plain, kind):
            got = "nothing" if plain is None else repr(plain)
            raise self._fault(path, f"wanted {wanted}; got {got if len(got) <= 60 else got[:57] + '...'}")
        return plain

    def _fault(self, path: str, message: str) -> StackError:
        return StackError([Fault(path, message, self._file)])
