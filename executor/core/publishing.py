"""Endpoints of tasks: published when a task becomes ready, withdrawn when it is no longer ready and before it stops."""

from __future__ import annotations

from discovery.endpoints import Endpoint, EndpointPort
from executor.core import commands as do
from executor.core.context import Context
from executor.core.port_bindings import bindings
from executor.core.task import Task

WITHDRAW_SECONDS = 1.0
"""Time-out for the back ends to withdraw an endpoint before the stop goes on: one that is away keeps no task alive."""


def publish(context: Context, task: Task) -> None:
    """Publishes the endpoint of a task."""
    task.withdrawn_at = task.withdraw_until = None
    if context.settings.publishes:
        context.emit(do.Publish(endpoint=endpoint_of(context, task), replaces=task.order.predecessors))


def withdraw(context: Context, task: Task) -> None:
    """Withdraws the endpoint of a task; `task.withdrawn_at` is set once it is gone."""
    if not context.settings.publishes:
        task.withdrawn_at = context.now
        return
    task.withdrawal_serial += 1
    task.withdraw_until = context.alarm(task, context.now + WITHDRAW_SECONDS)
    context.emit(do.Withdraw(task_id=task.order.task_id, serial=task.withdrawal_serial))


def is_due(context: Context, task: Task) -> bool:
    """Whether the time-out of the withdrawal is over."""
    return task.withdraw_until is not None and task.withdraw_until <= context.now


def endpoint_of(context: Context, task: Task) -> Endpoint:
    """The endpoint of the task, ready since now."""
    order = task.order
    return Endpoint(
        group=order.group,
        slot=order.slot,
        task_id=order.task_id,
        version=order.version,
        hostname=order.hostname,
        address=order.address,
        ports=tuple(
            EndpointPort(
                name=bound.name,
                number=bound.host_port,
                container_port=bound.container_port,
                protocol=str(bound.protocol),
            )
            for bound in bindings(order)
        ),
        addresses=task.addresses,
        since=context.settings.epoch + context.now,
        framework=order.framework_id,
    )
