"""The environment of a task: as users of Marathon know it, and ours. What the user sets wins."""

from __future__ import annotations

from executor.core.order import Order
from specs.ids import variable_name
from specs.model.resources import format_cpus

CONTAINER_SANDBOX = "/mnt/mesos/sandbox"
"""Where a container finds its task's sandbox directory."""


CONTAINER_TEMPLATES = "/mnt/mesos/templates"
"""Where it finds its templates with relative targets."""


def environment(order: Order, sandbox: str) -> dict[str, str]:
    """The variables of a task by name; `sandbox` is its sandbox directory as the task itself sees it."""
    ports = [str(port) for port in order.host_ports]
    given = {
        "HOST": order.hostname,
        "PORTS": ",".join(ports),
        "MESOS_TASK_ID": order.task_id,
        "MESOS_SANDBOX": sandbox,
        "FRAMEWORK_STACK": order.group.stack,
        "FRAMEWORK_SERVICE": order.group.service,
        "FRAMEWORK_LABELS": ",".join(order.group.labels),
        "FRAMEWORK_SLOT": str(order.slot),
        "FRAMEWORK_ATTEMPT": str(order.attempt),
        "FRAMEWORK_TASK": order.task_id,
        "FRAMEWORK_VERSION": order.version,
        "FRAMEWORK_GROUP": str(order.group),
        "FRAMEWORK_AGENT": order.agent_id,
        "FRAMEWORK_ADDRESS": order.address,
    }
    if order.container.templates:
        given["FRAMEWORK_TEMPLATES"] = CONTAINER_TEMPLATES
    if ports:
        given["PORT"] = ports[0]
    given |= {f"PORT{index}": port for index, port in enumerate(ports)}
    named = zip(order.container.ports, ports, strict=True)
    given |= {f"PORT_{variable_name(port.name)}": number for port, number in named if port.name}
    given |= {f"FRAMEWORK_RESOURCE_{variable_name(name)}": format_cpus(milli) for name, milli in order.scalars}
    given |= {f"FRAMEWORK_RESOURCE_{variable_name(name)}": ",".join(items) for name, items in order.sets}
    # A service named `framework` or `port` must not hide what every task is told.
    return dict(order.environment) | given | dict(order.container.environment)
