"""Mesos's JSON to our values, and our values to Mesos's JSON; pure.

What comes often (offers, statuses) is read from plain dicts; what we build is addict's Dict.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import orjson
from addict import Dict

from framework.adapters.mesos_config import ExecutorConfig, MesosConfig
from framework.core.commands import Launch
from framework.core.model import Status, Task
from placement.offer import Offer
from specs.canonical import container_json
from specs.ids import AgentId, ExecutorId, FrameworkId, OfferId, TaskId
from specs.records_pb2 import ExecutorMessage, LaunchOrder, StatusDetail
from specs.resources import PortRanges, Resources
from specs.stack import CheckKind, Container, HealthCheck, Network
from specs.states import TaskState

CAPABILITIES = ("MULTI_ROLE", "PARTITION_AWARE", "TASK_KILLING_STATE", "REGION_AWARE", "RESERVATION_REFINEMENT")
LAUNCH_ORDER_SCHEMA = 1

Json = dict[str, Any]


# ---- what Mesos says ------------------------------------------------------------


def offer(plain: Json) -> Offer:
    """An offer with its unreserved, unshared, lasting resources. Raises KeyError or ValueError for another shape."""
    role = plain["allocation_info"]["role"]
    address = plain["url"]["address"]
    fault_domain = plain.get("domain", {}).get("fault_domain", {})
    return Offer(
        id=OfferId(plain["id"]["value"]),
        agent_id=AgentId(plain["agent_id"]["value"]),
        hostname=plain["hostname"],
        address=address["ip"],
        agent_port=address["port"],
        role=role,
        resources=unreserved(plain.get("resources", ()), role),
        attributes=tuple(sorted((each["name"], attribute_text(each)) for each in plain.get("attributes", ()))),
        region=fault_domain.get("region", {}).get("name", ""),
        zone=fault_domain.get("zone", {}).get("name", ""),
        executor_ids=tuple(ExecutorId(each["value"]) for each in plain.get("executor_ids", ())),
    )


def unreserved(resources: list[Json] | tuple[Json, ...], role: str) -> Resources:
    """What is allocated to `role` and reserved by nobody, summed; neither revocable, shared, nor a volume.

    Amounts are rounded to what Mesos counts in, thousandths, before they are added; memory and disk are then cut to
    whole MiB.
    """
    milli = {"cpus": 0, "mem": 0, "disk": 0, "gpus": 0}
    ranges: list[tuple[int, int]] = []
    for each in resources:
        if not _is_usable(each, role):
            continue
        name = each["name"]
        if name in milli:
            milli[name] += round(each["scalar"]["value"] * 1000)
        elif name == "ports":
            ranges += [(each["begin"], each["end"]) for each in each["ranges"].get("range", ())]
    return Resources(
        cpus_milli=milli["cpus"],
        mem_mib=milli["mem"] // 1000,
        disk_mib=milli["disk"] // 1000,
        gpus=milli["gpus"] // 1000,
        ports=PortRanges.of(ranges),
    )


def _is_usable(resource: Json, role: str) -> bool:
    return (
        not resource.get("reservations")
        and "reservation" not in resource
        and resource.get("role", "*") == "*"
        and resource.get("allocation_info", {}).get("role", role) == role
        and "revocable" not in resource
        and "shared" not in resource
        and "provider_id" not in resource
        and not resource.get("disk")
    )


def attribute_text(attribute: Json) -> str:
    """An attribute's value as text, in the form in which Marathon compares it: "0.5", "[1-2,5-6]", "{a,b}"."""
    kind = attribute["type"]
    if kind == "TEXT":
        return str(attribute["text"]["value"])
    if kind == "SCALAR":
        text = f"{attribute['scalar']['value']:.3f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text
    if kind == "RANGES":
        pairs = sorted((each["begin"], each["end"]) for each in attribute["ranges"].get("range", ()))
        return "[" + ",".join(f"{begin}-{end}" for begin, end in pairs) + "]"
    if kind == "SET":
        return "{" + ",".join(sorted(attribute["set"].get("item", ()))) + "}"
    raise ValueError(f"attribute {attribute['name']}: wanted type TEXT, SCALAR, RANGES or SET, got {kind}")


def status(plain: Json) -> Status:
    """A task's status. Raises KeyError or ValueError for another shape."""
    agent_id = plain.get("agent_id")
    container = plain.get("container_status", {})
    detail = StatusDetail.FromString(base64.b64decode(plain["data"])) if plain.get("data") else StatusDetail()
    return Status(
        task_id=TaskId(plain["task_id"]["value"]),
        state=TaskState(plain["state"].removeprefix("TASK_")),
        agent_id=AgentId(agent_id["value"]) if agent_id else None,
        uuid=plain.get("uuid", ""),
        reason=plain.get("reason", ""),
        source=plain.get("source", ""),
        message=plain.get("message", ""),
        is_healthy=plain.get("healthy"),
        at=plain.get("timestamp", 0.0),
        exit_code=detail.exit_code if detail.has_exit_code else None,
        container_id=detail.container_id,
        sandbox=detail.sandbox,
        addresses=tuple(
            address["ip_address"]
            for network in container.get("network_infos", ())
            for address in network.get("ip_addresses", ())
            if "ip_address" in address
        ),
    )


def executor_message(data: str) -> ExecutorMessage:
    """What our executor said, from the text of a MESSAGE event. Raises ValueError where it said nothing we know."""
    return ExecutorMessage.FromString(base64.b64decode(data))


# ---- what we say ----------------------------------------------------------------


def framework_info(config: MesosConfig, framework_id: FrameworkId | None = None) -> Dict:
    """The FrameworkInfo with which we subscribe."""
    info = Dict(
        name=config.name,
        user=config.user,
        roles=[config.role],
        checkpoint=config.checkpoint,
        failover_timeout=config.failover_timeout_seconds,
        capabilities=[{"type": kind} for kind in CAPABILITIES],
    )
    for key in ("principal", "webui_url", "hostname"):
        if text := getattr(config, key):
            info[key] = text
    if framework_id:
        info.id.value = framework_id
    return info


def executor_info(config: ExecutorConfig, role: str) -> Dict:
    """The ExecutorInfo of every task: one executor for all of them on an agent, while nothing in it changes."""
    info = Dict(
        type="CUSTOM",
        name="framework executor",
        source="framework",
        resources=resources(config.resources, role),
        shutdown_grace_period=_duration(config.shutdown_grace_seconds),
    )
    info.command.value = config.command
    info.command.uris = [{"value": config.uri, "extract": False, "executable": False, "cache": True}]
    info.command.uris[0]["output_file"] = config.file_name
    if config.environment:
        info.command.environment.variables = [{"name": name, "value": value} for name, value in config.environment]
    info.executor_id.value = _executor_id(info)
    return info


def executor_id(config: ExecutorConfig, role: str) -> ExecutorId:
    """The id that `executor_info` has for this configuration."""
    return ExecutorId(executor_info(config, role).executor_id.value)


def _executor_id(info: Dict) -> str:
    """Mesos refuses an executor of an id that runs with other settings: so the id names the settings."""
    digest = hashlib.sha256(orjson.dumps(info, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"framework-executor-{digest[:12]}"


def resources(amount: Resources, role: str) -> list[Json]:
    """Unreserved resources allocated to `role`, as Mesos writes them since reservations can be refined."""
    allocation = {"role": role}
    scalars = (
        ("cpus", amount.cpus_milli / 1000),
        ("mem", amount.mem_mib),
        ("disk", amount.disk_mib),
        ("gpus", amount.gpus),
    )
    found: list[Json] = [
        {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": allocation}
        for name, value in scalars
        if value
    ]
    if amount.ports.ranges:
        ranges = [{"begin": begin, "end": end} for begin, end in amount.ports.ranges]
        found.append({"name": "ports", "type": "RANGES", "ranges": {"range": ranges}, "allocation_info": allocation})
    return found


class TaskWriter:
    """Writes TaskInfos: what is the same in all tasks of a version is made once."""

    def __init__(self, config: MesosConfig, *, most_versions: int = 1000) -> None:
        self._role = config.role
        self._executor = orjson.Fragment(orjson.dumps(executor_info(config.executor, config.role)))
        self._containers: dict[str, tuple[Container, bytes]] = {}
        self._most = most_versions

    def task_info(self, launch: Launch, framework_id: FrameworkId) -> Dict:
        """The TaskInfo that makes the agent's executor carry the launch out; what it needs is all in `data`."""
        task, container = launch.task, launch.container
        info = Dict(name=task_name(task))
        info.task_id = {"value": task.id}
        info.agent_id = {"value": task.agent_id}
        info.labels = {"labels": task_labels(launch)}
        info.discovery = discovery(task, container)
        info.kill_policy = {"grace_period": _duration(container.stop.grace_seconds)}
        info.resources = resources(launch.resources, self._role)
        info.data = base64.b64encode(self._order(launch, framework_id)).decode("ascii")
        if container.health is not None and (check := health_check(container.health, task, container)):
            info.health_check = check
        info.executor = self._executor
        return info

    def _order(self, launch: Launch, framework_id: FrameworkId) -> bytes:
        task, amount = launch.task, launch.resources
        order = LaunchOrder(
            schema=LAUNCH_ORDER_SCHEMA,
            task_id=task.id,
            stack=task.group.stack,
            service=task.group.service,
            labels=task.group.labels,
            slot=task.slot,
            attempt=task.attempt,
            version=task.version,
            container_json=self._container(task.version, launch.container),
            cpus_milli=amount.cpus_milli,
            mem_mib=amount.mem_mib,
            disk_mib=amount.disk_mib,
            gpus=amount.gpus,
            host_ports=task.host_ports,
            address=task.address,
            hostname=task.hostname,
            framework_id=framework_id,
            agent_id=task.agent_id,
        )
        return bytes(order.SerializeToString())

    def _container(self, version: str, container: Container) -> bytes:
        known = self._containers.get(version)
        if known and (known[0] is container or known[0] == container):
            return known[1]
        while len(self._containers) >= self._most:
            del self._containers[next(iter(self._containers))]
        self._containers[version] = container, (data := container_json(container))
        return data


def task_name(task: Task) -> str:
    """What Mesos's pages show: `web[dev,frontend].2`, service, labels and slot."""
    labels = f"[{','.join(task.group.labels)}]" if task.group.labels else ""
    return f"{task.group.service}{labels}.{task.slot}"


def task_labels(launch: Launch) -> list[Json]:
    """The container's labels and the group's metadata with ours, which win."""
    task = launch.task
    ours = {
        "stack": task.group.stack,
        "service": task.group.service,
        "labels": ",".join(task.group.labels),
        "slot": str(task.slot),
        "version": task.version,
    }
    return [
        {"key": key, "value": value}
        for key, value in {**dict(launch.container.labels), **dict(launch.metadata), **ours}.items()
    ]


def discovery(task: Task, container: Container) -> Json:
    """What discovery by Mesos's state is told: each port that others reach, by its number on the agent."""
    scope = {"labels": [{"key": "network-scope", "value": "host"}]}
    ports = [
        {"number": number, "name": port.name, "protocol": port.protocol.value, "labels": scope}
        for port, number in zip(container.ports, task.host_ports, strict=True)
    ]
    info: Json = {"visibility": "FRAMEWORK", "name": task.group.service, "version": task.version}
    if task.group.labels:
        info["environment"] = ",".join(task.group.labels)
    if ports:
        info["ports"] = {"ports": ports}
    return info


def health_check(check: HealthCheck, task: Task, container: Container) -> Json | None:
    """The health check as Mesos shows it (our executor follows its launch order); None where its port is unknown."""
    info: Json = {
        "delay_seconds": 0.0,
        "interval_seconds": check.interval_seconds,
        "timeout_seconds": check.timeout_seconds,
        "grace_period_seconds": check.grace_seconds,
        "consecutive_failures": check.failures,
    }
    if check.kind is CheckKind.COMMAND:
        command = {"shell": False, "value": check.command[0] if check.command else "", "arguments": [*check.command]}
        return {**info, "type": "COMMAND", "command": command}
    number = check_port(check, task, container)
    if number is None:
        return None
    if check.kind is CheckKind.HTTP:
        return {**info, "type": "HTTP", "http": {"port": number, "path": check.path, "scheme": "http"}}
    return {**info, "type": "TCP", "tcp": {"port": number}}


def check_port(check: HealthCheck, task: Task, container: Container) -> int | None:
    """The port that is checked, as the container sees it; the first one where the check names none."""
    for port, number in zip(container.ports, task.host_ports, strict=True):
        if check.port in ("", port.name):
            on_host = container.network is Network.HOST or not port.container_port
            return number if on_host else port.container_port
    return None


def _duration(seconds: float) -> Json:
    return {"nanoseconds": round(seconds * 1_000_000_000)}
