"""A container's settings in the Engine API's own form (POST /containers/create). Pure."""

from __future__ import annotations

from typing import Any

from executor.core.order import Order
from executor.core.port_bindings import port_settings
from executor.environment import CONTAINER_SANDBOX, environment
from specs.model.stack import Container

LEAST_MEMORY_MIB = 6
"""Less than this the engine refuses."""
LABEL = "framework."
FRAMEWORK_LABEL = LABEL + "framework_id"
AGENT_LABEL = LABEL + "agent_id"
TASK_LABEL = LABEL + "task_id"
SANDBOX_LABEL = LABEL + "sandbox"
VERSION_LABEL = LABEL + "version"


def container_settings(
    order: Order, executor_sandbox: str, task_sandbox: str, files: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The body that creates the order's container. Both sandboxes are directories on the agent; `files` are more that
    is bound into it, in the engine's form."""
    container = order.container
    exposed, published = port_settings(order)
    config: dict[str, Any] = {
        "Image": container.image,
        "Env": [f"{name}={value}" for name, value in sorted(environment(order, CONTAINER_SANDBOX).items())],
        "Labels": labels(order, executor_sandbox),
        "ExposedPorts": exposed,
        "StopSignal": container.stop.signal,
        # Health is checked by the executor; the image's own check would only cost.
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(order, task_sandbox, files) | {"PortBindings": published},
    }
    optional: dict[str, Any] = {
        "Cmd": None if container.command is None else list(container.command),
        "Entrypoint": None if container.entrypoint is None else list(container.entrypoint),
        "User": container.user,
        "WorkingDir": container.working_dir,
        "Hostname": container.hostname,
        "Tty": container.tty,
        "Volumes": {volume.target: {} for volume in container.volumes if not volume.source},
    }
    return config | {name: value for name, value in optional.items() if value not in (None, "", False, {})}


def labels(order: Order, executor_sandbox: str) -> dict[str, str]:
    """The user's labels and ours; ours win, since the reaper goes by them."""
    ours = {
        "framework_id": order.framework_id,
        "agent_id": order.agent_id,
        "task_id": order.task_id,
        "stack": order.group.stack,
        "service": order.group.service,
        "group": str(order.group),
        "version": order.version,
        "sandbox": executor_sandbox,
    }
    return dict(order.container.labels) | {LABEL + name: value for name, value in ours.items()}


def _host_config(order: Order, task_sandbox: str, files: tuple[str, ...]) -> dict[str, Any]:
    container = order.container
    config: dict[str, Any] = {
        "NetworkMode": str(container.network),
        "Binds": [f"{task_sandbox}:{CONTAINER_SANDBOX}", *_binds(container), *files],
        # As Marathon does it: cpus are a share among those who want the cpu at once, memory is a hard limit.
        "CpuShares": max(order.cpus_milli * 1024 // 1000, 2),
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
    }
    if order.mem_mib:
        memory = max(order.mem_mib, LEAST_MEMORY_MIB) * 1024 * 1024
        config |= {"Memory": memory, "MemorySwap": memory}
    if order.gpus:
        config["DeviceRequests"] = [{"Driver": "", "Count": order.gpus, "Capabilities": [["gpu"]]}]
    optional: dict[str, Any] = {
        "Privileged": container.privileged,
        "ReadonlyRootfs": container.read_only,
        "Init": container.init,
        "CapAdd": list(container.cap_add),
        "CapDrop": list(container.cap_drop),
        "Devices": [_device(device) for device in container.devices],
        "Dns": list(container.dns or order.dns),
        "DnsSearch": list(container.dns_search or order.dns_search),
        "DnsOptions": list(container.dns_opt),
        "ExtraHosts": list(container.extra_hosts),
        "SecurityOpt": list(container.security_opt),
        "Sysctls": dict(container.sysctls),
        "Ulimits": [{"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in container.ulimits],
        "GroupAdd": list(container.group_add),
        "ShmSize": container.shm_size_mib * 1024 * 1024,
        "PidsLimit": container.pids_limit,
        "Tmpfs": dict(_tmpfs(mount) for mount in container.tmpfs),
    }
    return config | {name: value for name, value in optional.items() if value}


def _binds(container: Container) -> list[str]:
    return [
        f"{volume.source}:{volume.target}{':ro' if volume.is_read_only else ''}"
        for volume in container.volumes
        if volume.source
    ]


def _device(text: str) -> dict[str, str]:
    """`/dev/a[:/dev/b[:rwm]]`."""
    host, _, rest = text.partition(":")
    inside, _, permissions = rest.partition(":")
    return {"PathOnHost": host, "PathInContainer": inside or host, "CgroupPermissions": permissions or "rwm"}


def _tmpfs(text: str) -> tuple[str, str]:
    """`/run[:size=64m]`."""
    path, _, options = text.partition(":")
    return path, options
