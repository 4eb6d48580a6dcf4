"""Our fetcher and command executor under a real agent: a task that Mesos' own API launches."""

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from framework.local.cluster import Cluster

pytestmark = pytest.mark.cluster

EVENT_SECONDS = 60
TERMINAL = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_GONE", "TASK_DROPPED")


class Client:
    """A scheduler in 40 lines: subscribes, launches one command on the first offer, reads its statuses."""

    def __init__(self, cluster: Cluster) -> None:
        self.address = cluster.wait_for_leader().address
        self.stream_id: str | None = None
        self.framework_id: dict[str, str] | None = None
        info = {"user": "root", "name": "local-test", "roles": ["*"], "capabilities": [{"type": "MULTI_ROLE"}]}
        self.events = self.call({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
        self.stream_id = self.events.getheader("Mesos-Stream-Id")
        self.framework_id = self.wait("SUBSCRIBED")["framework_id"]

    def call(self, body: dict[str, Any]) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.address, timeout=EVENT_SECONDS)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.stream_id:
            headers["Mesos-Stream-Id"] = self.stream_id
            body["framework_id"] = self.framework_id
        connection.request("POST", "/api/v1/scheduler", json.dumps(body), headers)
        response = connection.getresponse()
        assert response.status in (200, 202), response.read()
        return response

    def wait(self, kind: str) -> dict[str, Any]:
        """The next event of that kind; a connection that stays silent ends by its time-out."""
        while True:
            event = json.loads(self.events.read(int(self.events.readline())))
            if event["type"] == kind:
                content: dict[str, Any] = event[kind.lower()]
                return content

    def run(self, command: dict[str, Any]) -> list[dict[str, Any]]:
        """Runs a command as a task; returns its statuses, each acknowledged, up to the last."""
        offer = self.wait("OFFERS")["offers"][0]
        amounts = (("cpus", 0.1), ("mem", 64.0))
        resources = [
            {"name": name, "type": "SCALAR", "scalar": {"value": amount}, "allocation_info": {"role": "*"}}
            for name, amount in amounts
        ]
        task = {"name": "t", "task_id": {"value": "t"}, "agent_id": offer["agent_id"]}
        launch = {"task_infos": [{**task, "resources": resources, "command": command}]}
        operations = [{"type": "LAUNCH", "launch": launch}]
        self.call({"type": "ACCEPT", "accept": {"offer_ids": [offer["id"]], "operations": operations}})
        statuses: list[dict[str, Any]] = []
        while not statuses or statuses[-1]["state"] not in TERMINAL:
            status = self.wait("UPDATE")["status"]
            statuses.append(status)
            if "uuid" in status:
                keys = {"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]}
                self.call({"type": "ACKNOWLEDGE", "acknowledge": keys})
        return statuses

    def tear_down(self) -> None:
        self.call({"type": "TEARDOWN"})


def test_a_task_finds_its_file_its_environment_and_a_python3(real_cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "given.txt").write_text("from a URI")
    out = tmp_path / "out"
    python = 'python3 -c "import sys; print(sys.version_info >= (3, 11))"'
    script = f'cat given.txt && {python} && echo "$GREETING ${{MESOS_TASK_ID-}} $VIRTUAL_ENV"'
    client = Client(real_cluster)
    try:
        statuses = client.run(
            {
                "value": f"({script}) > '{out}'",
                "uris": [{"value": f"file://{tmp_path}/given.txt", "extract": False}],
                "environment": {"variables": [{"name": "GREETING", "type": "VALUE", "value": "hello"}]},
            }
        )
    finally:
        client.tear_down()
    states = [status["state"] for status in statuses]
    assert states == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"], statuses
    assert out.read_text() == "from a URITrue\nhello  \n"


def test_a_task_whose_file_is_not_there_fails(real_cluster: Cluster) -> None:
    client = Client(real_cluster)
    try:
        statuses = client.run({"value": "true", "uris": [{"value": "/not/there", "extract": False}]})
    finally:
        client.tear_down()
    assert [status["state"] for status in statuses] == ["TASK_FAILED"]
    assert "Failed to fetch all URIs" in statuses[0]["message"]
