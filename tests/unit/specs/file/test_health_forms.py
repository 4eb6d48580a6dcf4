"""Checks of health and readiness in every form."""

from __future__ import annotations

import pytest

from specs.model.stack import CheckKind, HealthCheck
from tests.kit.stack_files import container


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("health: {http: /x}, ports: {web: 80, dns: 53/udp}", HealthCheck(kind=CheckKind.HTTP, path="/x", port="web")),
        ("health: {tcp: b}, ports: {a: 80, b: 81}", HealthCheck(kind=CheckKind.TCP, port="b")),
        ("health: {tcp: true, port: 81}, ports: [80, 81]", HealthCheck(kind=CheckKind.TCP, port="81")),
        (
            "health: {command: test -f x, interval: 1s, timeout: 2s, grace: 0s, failures: 0}",
            HealthCheck(
                kind=CheckKind.COMMAND,
                command=("/bin/sh", "-c", "test -f x"),
                interval_seconds=1.0,
                timeout_seconds=2.0,
                grace_seconds=0.0,
                failures=0,
            ),
        ),
        (
            "health: {https: /x, codes: [401, 200-204], headers: {Host: a.b, X: 1}, method: HEAD, verify: true,"
            " successes: 2, start_interval: 3s}, ports: [80]",
            HealthCheck(
                kind=CheckKind.HTTPS,
                path="/x",
                port="80",
                codes=((200, 204), (401, 401)),
                headers=(("Host", "a.b"), ("X", "1")),
                method="HEAD",
                verifies=True,
                successes=2,
                start_interval_seconds=3.0,
            ),
        ),
        (
            "health: {http: /, codes: 204}, ports: [80]",
            HealthCheck(kind=CheckKind.HTTP, port="80", codes=((204, 204),)),
        ),
        (
            "healthcheck: {test: a, start_period: 1m, start_interval: 2s}",
            HealthCheck(
                kind=CheckKind.COMMAND,
                command=("/bin/sh", "-c", "a"),
                interval_seconds=30.0,
                timeout_seconds=30.0,
                grace_seconds=60.0,
                start_interval_seconds=2.0,
            ),
        ),
        (
            "healthcheck: {test: [CMD, a, b], retries: 5}",
            HealthCheck(
                kind=CheckKind.COMMAND,
                command=("a", "b"),
                interval_seconds=30.0,
                timeout_seconds=30.0,
                grace_seconds=0.0,
                failures=5,
            ),
        ),
        ("healthcheck: {disable: true}", None),
        ("healthcheck: {test: [NONE]}", None),
        ("healthcheck: {test: NONE}", None),
    ],
)
def test_health(body: str, wanted: HealthCheck | None) -> None:
    assert container(body).health == wanted


def test_readiness_has_the_forms_of_health_and_a_port_of_its_own() -> None:
    found = container("ready: {http: /r, failures: 1}, health: {command: x}, ports: {a: 80, b: 81/udp}")
    assert found.ready == HealthCheck(kind=CheckKind.HTTP, path="/r", port="a", failures=1)
