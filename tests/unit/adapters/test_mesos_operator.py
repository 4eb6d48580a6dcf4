"""An operator's requests to the master: the calls, and what its refusals mean."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from framework.adapters.mesos_config import ExecutorConfig, MesosConfig
from framework.adapters.mesos_operator import MasterOperator
from framework.ports import MasterFault
from specs.ids import AgentId, FrameworkId

AGENT = AgentId("m-S3")


def framework(id: str, name: str) -> dict[str, Any]:
    return {"framework_info": {"id": {"value": id}, "name": name}}


def task(framework: str, agent: str) -> dict[str, Any]:
    return {"framework_id": {"value": framework}, "agent_id": {"value": agent}}


class Master:
    """Answers as the test says, and remembers what it was asked and by whom."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.authorization = ""
        self.answer: tuple[int, bytes] = (200, b"")
        self.address = ""
        self.is_strange = False

    def of(self, call: dict[str, Any]) -> tuple[int, bytes]:
        if self.is_strange:
            return 200, b"[]"
        if call["type"] == "GET_FRAMEWORKS":
            known = {"frameworks": [framework("m-0", "ours"), framework("m-1", "chronos")]}
            return 200, json.dumps({"get_frameworks": known}).encode()
        if call["type"] == "GET_TASKS":
            tasks = {
                "tasks": [task("m-1", "m-S3"), task("m-1", "m-S4"), task("m-0", "m-S3")],
                "unreachable_tasks": [task("m-1", "m-S3"), task("m-9", "m-S3")],
            }
            return 200, json.dumps({"get_tasks": tasks}).encode()
        return self.answer


@pytest.fixture
def master() -> Iterator[Master]:
    master = Master()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            master.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            master.authorization = self.headers.get("Authorization", "")
            status, body = master.of(master.asked[-1])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.05), daemon=True)
    thread.start()
    master.address = f"127.0.0.1:{server.server_address[1]}"
    yield master
    server.shutdown()
    server.server_close()


def operator(**more: Any) -> MasterOperator:
    return MasterOperator(MesosConfig(master="x", executor=ExecutorConfig(uri="http://x/y"), name="n", **more))


def test_an_agent_is_marked_with_our_principal(master: Master) -> None:
    operator(principal="ours", secret="pass").mark_gone(master.address, AGENT)
    assert master.asked == [{"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": "m-S3"}}}]
    assert master.authorization == "Basic b3VyczpwYXNz"


def test_tasks_of_others_are_counted(master: Master) -> None:
    assert operator().others_on(master.address, AGENT, FrameworkId("m-0")) == {"chronos (m-1)": 2, "m-9": 1}
    assert master.authorization == ""


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, "not_found", "knows of no such agent (who?)"),
        (401, "conflict", "does not let a scheduler without a principal do MARK_AGENT_GONE: 401 (who?)"),
        (403, "conflict", "allow it in the master's ACLs (mark_agents_gone)"),
        (307, "unavailable", "does not lead any more"),
        (503, "unavailable", "does not lead any more"),
        (409, "conflict", "refused MARK_AGENT_GONE: 409 (who?)"),
    ],
)
def test_refusals(master: Master, status: int, kind: str, words: str) -> None:
    master.answer = (status, b"who?\n")
    with pytest.raises(MasterFault) as caught:
        operator().mark_gone(master.address, AGENT)
    assert caught.value.kind == kind
    assert words in str(caught.value)


def test_no_master(master: Master) -> None:
    for address, words in (("", "no Mesos master leads"), ("127.0.0.1:9", "cannot be asked: connection refused")):
        with pytest.raises(MasterFault, match=words) as caught:
            operator().mark_gone(address, AGENT)
        assert caught.value.kind == "unavailable"


def test_an_answer_that_is_none(master: Master) -> None:
    master.is_strange = True
    with pytest.raises(MasterFault, match="cannot be read"):
        operator().others_on(master.address, AGENT, None)
