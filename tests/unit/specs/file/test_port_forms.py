"""Ports in every form."""

from __future__ import annotations

import pytest

from specs.model.stack import Port, Protocol
from tests.kit.stack_files import container


@pytest.mark.parametrize(
    ("ports", "wanted"),
    [
        ("[80]", [Port(name="80", container_port=80)]),
        ('["80"]', [Port(name="80", container_port=80)]),
        ('["8080:80"]', [Port(name="80", container_port=80, host_port=8080)]),
        ("[22:22]", [Port(name="22", container_port=22, host_port=22)]),
        ('["0:80"]', [Port(name="80", container_port=80)]),
        ('["53:53/udp"]', [Port(name="53-udp", container_port=53, host_port=53, protocol=Protocol.UDP)]),
        (
            '["9000-9001:90-91"]',
            [Port(name="90", container_port=90, host_port=9000), Port(name="91", container_port=91, host_port=9001)],
        ),
        ('["80-81"]', [Port(name="80", container_port=80), Port(name="81", container_port=81)]),
        (
            '["8080:80", "8081:80"]',
            [
                Port(name="80", container_port=80, host_port=8080),
                Port(name="80-8081", container_port=80, host_port=8081),
            ],
        ),
        (
            "[{target: 80, published: 8080, protocol: udp, name: dns, mode: host}]",
            [Port(name="dns", container_port=80, host_port=8080, protocol=Protocol.UDP)],
        ),
        ("[{target: 80}]", [Port(name="80", container_port=80)]),
        (
            '{http: 8080, admin: "9000:9001/tcp"}',
            [Port(name="http", container_port=8080), Port(name="admin", container_port=9001, host_port=9000)],
        ),
        ("{any: 0}", [Port(name="any", container_port=0)]),
        ("[80], expose: [80, 81]", [Port(name="80", container_port=80), Port(name="81", container_port=81)]),
    ],
)
def test_ports(ports: str, wanted: list[Port]) -> None:
    assert list(container(f"ports: {ports}").ports) == wanted


def test_on_the_agents_own_network_a_port_is_the_hosts() -> None:
    on_host = container("network: host, ports: {http: 8080, any: 0, same: '90:90'}")
    assert [(port.container_port, port.host_port) for port in on_host.ports] == [(0, 8080), (0, None), (0, 90)]
