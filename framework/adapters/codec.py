"""Mesos's JSON to our values, and our values to Mesos's JSON; pure.

What comes often (offers, statuses) is read from plain dicts; what we build is addict's Dict.
"""

from __future__ import annotations

import base64
import hashlib
import math
from typing import Any, assert_never

import orjson
from addict import Dict

from framework.adapters.mesos_config import AGENT_WORD, ExecutorConfig, MesosConfig
from framework.adapters.mesos_resources import pools, total, written
from framework.core.commands import Launch
from framework.core.model import Status, Task
from placement.offer import Offer, ReservationPool
from specs.executor_ids import address_of, executor_variant, served_from
from specs.ids import AgentId, ExecutorId, FrameworkId, OfferId, TaskId, VersionId
from specs.model.canonical import container_json
from specs.model.resources import Resources
from specs.model.stack import CheckKind, Container, HealthCheck, Network
from specs.records_pb2 import CustomResource, LaunchOrder, StatusDetail, Variable
from specs.states import TaskState

CAPABILITIES = (
    *("MULTI_ROLE", "PARTITION_AWARE", "TASK_KILLING_STATE", "REGION_AWARE", "RESERVATION_REFINEMENT"),
    "GPU_RESOURCES",
)
"""GPU_RESOURCES among them, as agents with GPUs are offered to nobody else; placement keeps other tasks off them."""
LAUNCH_ORDER_SCHEMA = 1
SWEEPING_SCHEMA = 2
"""Schema of an order that only removes what others left: an executor that does not know it would start a container."""
NANOSECONDS = 1_000_000_000

Json = dict[str, Any]


# ---- what Mesos says ------------------------------------------------------------


def offer(plain: Json) -> Offer:
    """An offer with what its role may use: unshared, lasting, unreserved or reserved for it.

    Raises KeyError or ValueError for another shape.
    """
    role = plain["allocation_info"]["role"]
    address = plain["url"]["address"]
    parts = pools(plain.get("resources", ()), role)
    region, zone = domain(plain)
    return Offer(
        id=OfferId(plain["id"]["value"]),
        agent_id=AgentId(plain["agent_id"]["value"]),
        hostname=plain["hostname"],
        address=address["ip"],
        agent_port=address["port"],
        role=role,
        resources=total(parts),
        attributes=attributes(plain),
        region=region,
        zone=zone,
        executor_ids=tuple(ExecutorId(each["value"]) for each in plain.get("executor_ids", ())),
        pools=parts if len(parts) > 1 else (),
        window=window(plain["unavailability"]) if "unavailability" in plain else None,
    )


def attributes(plain: Json) -> tuple[tuple[str, str], ...]:
    """The attributes of an offer or agent as (name, text) pairs, sorted."""
    return tuple(sorted((each["name"], attribute_text(each)) for each in plain.get("attributes", ())))


def domain(plain: Json) -> tuple[str, str]:
    """The region and zone of an offer, agent or master, "" where it has none."""
    fault_domain = plain.get("domain", {}).get("fault_domain", {})
    return fault_domain.get("region", {}).get("name", ""), fault_domain.get("zone", {}).get("name", "")


def window(unavailability: Json) -> tuple[float, float]:
    """Begin and end of planned maintenance in seconds since 1970; the end is infinite where no duration is given."""
    begin_seconds = unavailability["start"]["nanoseconds"] / NANOSECONDS
    if "duration" not in unavailability:
        return begin_seconds, math.inf
    return begin_seconds, begin_seconds + unavailability["duration"]["nanoseconds"] / NANOSECONDS


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
        is_ready=detail.ready if detail.has_ready else None,
        at=plain.get("timestamp", 0.0),
        exit_code=detail.exit_code if detail.has_exit_code else None,
        container_id=detail.container_id,
        sandbox=detail.sandbox,
        running_since=detail.running_since,
        permanent=detail.permanent,
        version=VersionId(detail.version) if detail.version else None,
        signals=detail.signals,
        is_on_probation=detail.on_probation,
        addresses=tuple(
            address["ip_address"]
            for network in container.get("network_infos", ())
            for address in network.get("ip_addresses", ())
            if "ip_address" in address
        ),
    )


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


def executor_info(config: ExecutorConfig, role: str, reservation: str = "", address: str | None = None) -> Dict:
    """The ExecutorInfo of tasks: one executor for all of them on an agent, while nothing in it changes.

    `reservation` is that of the resources out of which it is paid: each has an executor of its own. `address` is that
    of the scheduler that serves its archive, the configured one where None: it is in the id, not in the id's hash.
    """
    address = config.address if address is None else address
    content = ExecutorId(_executor_id(_executor_info(config, role, "", ""), config.content))
    info = _executor_info(config, role, reservation, address)
    info.executor_id.value = served_from(executor_variant(content, reservation), address)
    return info


def _executor_info(config: ExecutorConfig, role: str, reservation: str, address: str) -> Dict:
    info = Dict(
        type="CUSTOM",
        name="framework executor",
        source="framework",
        resources=written(config.resources, role, reservation),
        shutdown_grace_period=_duration(config.shutdown_grace_seconds),
    )
    info.command.value = config.command
    info.command.uris = [
        {"value": config.uri_from(address), "extract": False, "executable": False, "cache": config.is_cacheable}
    ]
    info.command.uris[0]["output_file"] = config.file_name
    if config.variables:
        info.command.environment.variables = [{"name": name, "value": value} for name, value in config.variables]
    return info


def executor_id(config: ExecutorConfig, role: str, reservation: str = "") -> ExecutorId:
    """The id that `executor_info` has for this configuration; with a reservation it is a variant of that without."""
    return ExecutorId(executor_info(config, role, reservation).executor_id.value)


def _executor_id(info: Dict, content: str) -> str:
    """Mesos refuses an executor of an id that runs with other settings: so the id names the settings."""
    digest = hashlib.sha256(orjson.dumps(info, option=orjson.OPT_SORT_KEYS) + content.encode()).hexdigest()
    return f"framework-executor-{digest[:12]}"


class TaskWriter:
    """Writes TaskInfos: what is the same in all tasks of a version, or of a reservation, is made once."""

    def __init__(self, config: MesosConfig, *, most_versions: int = 1000) -> None:
        self._role = config.role
        self._config = config.executor
        self._executors: dict[tuple[str, str], orjson.Fragment] = {}
        self._containers: dict[str, tuple[Container, bytes]] = {}
        self._most = most_versions
        self._dns, self._dns_domain = config.dns, config.dns_domain
        self._published = (("FRAMEWORK_ENDPOINTS", config.executor.endpoints),) if config.executor.endpoints else ()

    def task_info(self, launch: Launch, framework_id: FrameworkId) -> Dict:
        """The TaskInfo that makes the agent's executor carry the launch out; what it needs is all in `data`."""
        task, container = launch.task, launch.container
        info = Dict(name=task_name(task))
        info.task_id = {"value": task.id}
        info.agent_id = {"value": task.agent_id}
        info.labels = {"labels": task_labels(launch)}
        info.discovery = discovery(task, container)
        info.kill_policy = {"grace_period": _duration(container.stop.grace_seconds)}
        info.resources = self._resources(launch)
        info.data = base64.b64encode(self._order(launch, framework_id)).decode("ascii")
        if container.health is not None and (check := health_check(container.health, task, container)):
            info.health_check = check
        if container.ready is not None and (check := readiness_check(container.ready, task, container)):
            info.check = check
        info.executor = self._executor(launch.executor_reservation, address_of(task.executor_id))
        return info

    def _resources(self, launch: Launch) -> list[Json]:
        parts = launch.pools or (ReservationPool(resources=launch.resources),)
        return [each for part in parts for each in written(part.resources, self._role, part.reservation)]

    def _executor(self, reservation: str, address: str) -> orjson.Fragment:
        known = self._executors.get((reservation, address))
        if known is None:
            _make_room(self._executors, self._most)
            info = executor_info(self._config, self._role, reservation, address)
            known = self._executors[reservation, address] = orjson.Fragment(orjson.dumps(info))
        return known

    def _order(self, launch: Launch, framework_id: FrameworkId) -> bytes:
        task, amount = launch.task, launch.resources
        dns, dns_search = self._name_servers(task, launch.container)
        order = LaunchOrder(
            schema=SWEEPING_SCHEMA if task.sweeps else LAUNCH_ORDER_SCHEMA,
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
            custom=custom_resources(amount),
            predecessors=task.predecessors,
            adopts=task.adopts,
            prepared=task.adopts and task.is_prepared,
            sweeps=task.sweeps,
            environment=[Variable(name=name, text=text) for name, text in (*launch.environment, *self._published)],
            dns=dns,
            dns_search=dns_search,
            signals=task.signals,
        )
        return bytes(order.SerializeToString())

    def _name_servers(self, task: Task, container: Container) -> tuple[list[str], list[str]]:
        """Whom the container asks for names, and what it calls without more words: the services of its own stack.

        Who asks others is not told to search what only ours know.
        """
        if not self._dns or container.dns or not container.image:
            return [], []
        servers = (task.address if server == AGENT_WORD else server for server in self._dns)
        return list(servers), [] if container.dns_search else [f"{task.group.stack}.service.{self._dns_domain}"]

    def _container(self, version: str, container: Container) -> bytes:
        known = self._containers.get(version)
        if known and (known[0] is container or known[0] == container):
            return known[1]
        _make_room(self._containers, self._most)
        self._containers[version] = container, (data := container_json(container))
        return data


def _make_room(known: dict[Any, Any], most: int) -> None:
    """Forgets the oldest entries where there are so many."""
    while len(known) >= most:
        del known[next(iter(known))]


def custom_resources(amount: Resources) -> list[CustomResource]:
    """Scalars and sets that are not Mesos's own, as the launch order names them."""
    scalars = [CustomResource(name=name, amount_milli=milli) for name, milli in amount.scalars]
    return scalars + [CustomResource(name=name, items=items) for name, items in amount.sets]


def task_name(task: Task) -> str:
    """The task's name on Mesos's pages: `web[dev,frontend].2`, service, labels and slot."""
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
    """The DiscoveryInfo, for discovery by Mesos's state: each port that others reach, by its number on the agent."""
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
    match check.kind:
        case CheckKind.TCP:
            return {**info, "type": "TCP", "tcp": {"port": number}}
        case CheckKind.HTTP | CheckKind.HTTPS:
            return {**info, "type": "HTTP", "http": {"port": number, "path": check.path, "scheme": check.kind.value}}
        case _:
            assert_never(check.kind)


def readiness_check(check: HealthCheck, task: Task, container: Container) -> Json | None:
    """The readiness check as Mesos's CheckInfo, which knows no failures; None where its port is unknown."""
    shown = health_check(check, task, container)
    if shown is None:
        return None
    info = {key: shown[key] for key in ("type", "delay_seconds", "interval_seconds", "timeout_seconds")}
    match check.kind:
        case CheckKind.COMMAND:
            return {**info, "command": {"command": shown["command"]}}
        case CheckKind.TCP:
            return {**info, "tcp": shown["tcp"]}
        case CheckKind.HTTP | CheckKind.HTTPS:
            return {**info, "http": {"port": shown["http"]["port"], "path": check.path}}
        case _:
            assert_never(check.kind)


def check_port(check: HealthCheck, task: Task, container: Container) -> int | None:
    """The port that is checked, as the container sees it; the first one where the check names none."""
    for port, number in zip(container.ports, task.host_ports, strict=True):
        if check.port in ("", port.name):
            on_host = container.network is Network.HOST or not port.container_port
            return number if on_host else port.container_port
    return None


def _duration(seconds: float) -> Json:
    return {"nanoseconds": round(seconds * NANOSECONDS)}
