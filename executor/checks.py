"""Performing health checks: what is asked of a task, and what came back, in words."""

from __future__ import annotations

import http.client
import socket

from executor.order import Order
from executor.ports import binding
from executor.runtime import CheckOutcome, Runtime
from specs.stack import CheckKind, HealthCheck


def perform(order: Order, check: HealthCheck, runtime: Runtime) -> CheckOutcome:
    """One check, which takes at most about its timeout. Never raises."""
    if check.kind is CheckKind.COMMAND:
        outcome = runtime.check(order, check.command, check.timeout_seconds)
        name = " ".join(check.command)[:80]
        return CheckOutcome(is_healthy=outcome.is_healthy, message=f"{name}: {outcome.message}")
    bound = binding(order, check.port)
    if bound is None:
        names = ", ".join(port.name for port in order.container.ports) or "none"
        message = f"the check wants the port {check.port!r}, the service's ports are: {names}"
        return CheckOutcome(is_healthy=False, message=message)
    if check.kind is CheckKind.TCP:
        return _tcp(bound.address, bound.host_port, check.timeout_seconds)
    return _http(bound.address, bound.host_port, check.path, check.timeout_seconds)


def _tcp(address: str, port: int, timeout_seconds: float) -> CheckOutcome:
    what = f"connection to {address}:{port}"
    try:
        socket.create_connection((address, port), timeout_seconds).close()
    except OSError as error:
        return CheckOutcome(is_healthy=False, message=f"{what}: {_words(error, timeout_seconds)}")
    return CheckOutcome(is_healthy=True, message=what)


def _http(address: str, port: int, path: str, timeout_seconds: float) -> CheckOutcome:
    what = f"GET http://{address}:{port}{path}"
    connection = http.client.HTTPConnection(address, port, timeout=timeout_seconds)
    try:
        connection.request("GET", path, headers={"User-Agent": "framework-executor", "Connection": "close"})
        response = connection.getresponse()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return CheckOutcome(is_healthy=False, message=f"{what}: {_words(error, timeout_seconds)}")
    finally:
        connection.close()
    return CheckOutcome(is_healthy=200 <= response.status < 400, message=f"{what}: {response.status} {response.reason}")


def _words(error: Exception, timeout_seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_seconds:g} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"{type(error).__name__}: {error}"[:200]
