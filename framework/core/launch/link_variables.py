"""Variables with the addresses of the services that a task depends on.

A container's environment cannot change: the addresses are those at the time of the launch. Templates and
discovery.readers.resolver have the current ones.
"""

from __future__ import annotations

from discovery.endpoints import reached_from_bridge
from framework.core.model import GroupSpec, Task
from framework.core.state.cluster_state import ClusterState
from specs.ids import GroupId, VersionId, variable_name
from specs.model.stack import Condition, Container, Dependency, Network

MOST_ENDPOINTS = 256
"""Limit on the endpoints in one variable: a kernel takes 128 KiB of each."""

Variables = tuple[tuple[str, str], ...]


class LinkVariables:
    """The variables of tasks that are launched together. Each group's dependencies are looked up once."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._tasks_by_group: dict[GroupId, dict[str, list[Task]]] = {}
        self._first: dict[GroupId, Task | None] = {}

    def variables(self, spec: GroupSpec, slot: int, own: str) -> Variables:
        """The variables for the task of a slot; `own` is the task's own endpoint, "" where it has no port.

        NAME_HOST and NAME_PORT have the address of one task of the linked service; the slots take turns. NAME_ENDPOINTS
        has all, as host:port separated by commas. Each named port has NAME_PORT_HTTP and NAME_ENDPOINTS_HTTP, too. Only
        ready tasks are listed; if there are none and the dependency's condition is `started`, running ones are.
        FRAMEWORK_LEADER is the endpoint of the lowest slot of the group itself, of the ready ones and this one.
        """
        found: dict[str, str] = {}
        is_bridged = self._container(spec.id.stack, spec.version).network is Network.BRIDGE
        for service, tasks in self._tasks_by_service(spec).items():
            if tasks:
                found |= self._of_service(variable_name(service), tasks, tasks[slot % len(tasks)], is_bridged)
        first = self._lowest(spec.id)
        leads = first is None or slot <= first.slot
        found["FRAMEWORK_LEADER"] = own if leads or first is None else self._endpoint(first, 0, is_bridged)
        return tuple(sorted(found.items()))

    def _tasks_by_service(self, spec: GroupSpec) -> dict[str, list[Task]]:
        if spec.id not in self._tasks_by_group:
            self._tasks_by_group[spec.id] = {each.service: self._tasks_of(spec.id, each) for each in spec.dependencies}
        return self._tasks_by_group[spec.id]

    def _tasks_of(self, id: GroupId, dependency: Dependency) -> list[Task]:
        """The tasks of a service that a group depends on: of the groups whose labels the group has, too, those with
        most labels first; of all groups of the service if there are none."""
        groups = [spec.id for spec in self._state.stacks[id.stack].groups if spec.id.service == dependency.service]
        fitting = [each for each in groups if set(each.labels) <= set(id.labels)]
        state = [
            self._state.group(each) for each in sorted(fitting or groups, key=lambda each: (-len(each.labels), each))
        ]
        ready = [index.holders[slot] for index in state for slot in sorted(index.ready)]
        if not ready and dependency.condition is Condition.STARTED:
            # The group waits only until they run. It needs their addresses then, ready or not.
            ready = [index.holders[slot] for index in state for slot in sorted(index.running)]
        tasks = (self._state.tasks[task] for task in ready)
        return [task for task in tasks if task.host_ports][:MOST_ENDPOINTS]

    def _of_service(self, name: str, tasks: list[Task], chosen: Task, is_bridged: bool) -> dict[str, str]:
        host, number = self._reached(chosen, 0, is_bridged)
        found = {
            f"{name}_HOST": host,
            f"{name}_PORT": str(number),
            f"{name}_ENDPOINTS": ",".join(self._endpoint(task, 0, is_bridged) for task in tasks),
        }
        for port, index in self._ports(chosen).items():
            having = ((task, self._ports(task).get(port)) for task in tasks)
            found[f"{name}_PORT_{port}"] = str(self._reached(chosen, index, is_bridged)[1])
            found[f"{name}_ENDPOINTS_{port}"] = ",".join(
                self._endpoint(task, at, is_bridged) for task, at in having if at is not None
            )
        return found

    def _reached(self, task: Task, index: int, is_bridged: bool) -> tuple[str, int]:
        """Address and port number of a task, for a client on a bridge network or on its agent's own network."""
        if not is_bridged:
            return task.address, task.host_ports[index]
        number = task.host_ports[index]
        port = self._container(task.group.stack, task.version).ports[index]
        return reached_from_bridge(task.address, number, task.addresses, port.container_port or number)

    def _endpoint(self, task: Task, index: int, is_bridged: bool) -> str:
        address, number = self._reached(task, index, is_bridged)
        return f"{_bracketed(address)}:{number}"

    def _container(self, stack: str, version: VersionId) -> Container:
        return self._state.versions[stack, version].container

    def _ports(self, task: Task) -> dict[str, int]:
        """The indexes of a task's named ports, by the name in variables."""
        ports = self._container(task.group.stack, task.version).ports
        return {variable_name(port.name): index for index, port in enumerate(ports) if port.name}

    def _lowest(self, id: GroupId) -> Task | None:
        if id not in self._first:
            index = self._state.group(id)
            slot = min(index.ready, default=None)
            task = None if slot is None else self._state.tasks[index.holders[slot]]
            self._first[id] = task if task is not None and task.host_ports else None
        return self._first[id]


def endpoint_of(address: str, host_ports: tuple[int, ...]) -> str:
    """The endpoint of a task's first port; "" where it has none."""
    return f"{_bracketed(address)}:{host_ports[0]}" if host_ports else ""


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
