"""A stack that no agent can ever hold is refused, with the amounts."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from framework.api.capacity import Capacity, agents_of_master, too_large
from specs.resources import Resources
from tests.kit.conversation import group, stack

SMALL = Capacity(hostname="agent1", cpus_milli=4000, mem_mib=4096, disk_mib=10_000, gpus=0)
LARGE = Capacity(hostname="agent2", cpus_milli=8000, mem_mib=2048, disk_mib=10_000, gpus=0)


def test_what_fits_on_some_agent_by_each_resource_is_taken() -> None:
    assert too_large(stack(group(resources=Resources(cpus_milli=8000, mem_mib=4096))), (SMALL, LARGE)) == []


def test_each_resource_of_which_no_agent_has_enough_is_named() -> None:
    wished = stack(group(resources=Resources(cpus_milli=64_000, mem_mib=9000, gpus=1)))
    assert too_large(wished, (SMALL, LARGE)) == [
        ("shop/web.resources.cpus", "wanted 64, the most that an agent has is 8 (agent2)"),
        ("shop/web.resources.memory", "wanted 9000 MiB, the most that an agent has is 4096 MiB (agent1)"),
        ("shop/web.resources.gpus", "wanted 1, the most that an agent has is 0 (agent1)"),
    ]


def test_nothing_is_refused_where_no_agent_is_known() -> None:
    assert too_large(stack(group(resources=Resources(cpus_milli=64_000, mem_mib=1))), ()) == []


class Master(http.server.HTTPServer):
    """Answers every GET with `status` and `said`."""

    status = 200
    said = b""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Master)
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.said)

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def master() -> Iterator[Master]:
    server = Master(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_master_is_asked(master: Master) -> None:
    resources = {"cpus": 4.0, "mem": 4096.0, "disk": 10000.0, "gpus": 0.0, "ports": "[31000-32000]"}
    said = {"slaves": [{"hostname": "agent1", "resources": resources}]}
    master.said, master.status = json.dumps(said).encode(), 200
    assert agents_of_master(f"127.0.0.1:{master.server_port}") == (SMALL,)


@pytest.mark.parametrize(("status", "said"), [(401, b""), (200, b"{}"), (200, b"no JSON"), (307, b"")])
def test_a_master_that_does_not_tell_keeps_nobody_waiting(master: Master, status: int, said: bytes) -> None:
    master.said, master.status = said, status
    assert agents_of_master(f"127.0.0.1:{master.server_port}") == ()


def test_a_master_that_is_away_keeps_nobody_waiting() -> None:
    assert agents_of_master("127.0.0.1:1") == ()
