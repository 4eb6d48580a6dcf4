"""Logs come from the agent of the task, byte for byte where they are UTF-8."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from framework.api.info import Limits
from framework.api.routes.log_files import AgentFault, Piece, fetch_from_agent
from specs.ids import group_id
from specs.states import TaskState
from tests.kit.front import FakeFront, a_group, a_stack, a_task, a_view, an_agent
from tests.unit.api.conftest import MakeClient

WEB = group_id("shop", "web")
PATH = "/v1/tasks/shop.web.0.1/logs"


class FakeAgent:
    """The files of an agent, and what was read of them."""

    def __init__(self, **files: bytes) -> None:
        self.files = files
        self.fault: AgentFault | None = None
        self.reads: list[tuple[str, str, int, int]] = []

    def __call__(self, agent: str, path: str, offset: int, length: int, _timeout: float) -> Piece:
        if not path.endswith(".base"):
            self.reads.append((agent, path, offset, length))
        if self.fault:
            raise self.fault
        stream = path.rpartition(".")[2]
        if stream not in self.files:
            raise AgentFault("No such file", 404)
        data = self.files[stream]
        if offset == -1:
            return Piece(offset=len(data), data=b"")
        return Piece(offset=offset, data=data[offset : offset + length])


@pytest.fixture(autouse=True)
def scene(front: FakeFront) -> None:
    front.view = a_view([a_stack("shop", [a_group(WEB, tasks=[a_task(WEB)])])], agents=[an_agent(1, port=5151)])


def test_a_log_is_read_from_the_agent_of_the_task(make_client: MakeClient) -> None:
    agent = FakeAgent(stdout=b"hello\nworld\n")
    answer = make_client(fetch=agent).get(PATH).json()
    assert answer == {
        "task": "shop.web.0.1",
        "stream": "stdout",
        "offset": 0,
        "next_offset": 12,
        "encoding": "utf-8",
        "data": "hello\nworld\n",
    }
    assert agent.reads == [("127.0.1.1:5151", "/var/lib/mesos/sandbox-1/shop.web.0.1.stdout", 0, 65536)]


def test_a_piece_of_the_other_stream_by_the_number_of_the_task(make_client: MakeClient) -> None:
    agent = FakeAgent(stderr=b"0123456789")
    answer = make_client(fetch=agent).get("/v1/tasks/1/logs?stream=stderr&offset=4&length=3").json()
    assert (answer["data"], answer["next_offset"]) == ("456", 7)


@pytest.mark.parametrize(
    ("content", "lines", "data"),
    [
        (b"a\nb\nc\n", 2, "b\nc\n"),
        (b"a\nb\nc", 2, "b\nc"),
        (b"a\nb\n", 9, "a\nb\n"),
        (b"\n\n\n", 1, "\n"),
        (b"a\n", 0, ""),
        (b"", 5, ""),
        (b"x\ry\x0cz\nb\n", 2, "x\ry\x0cz\nb\n"),
    ],
)
def test_tail(make_client: MakeClient, content: bytes, lines: int, data: str) -> None:
    answer = make_client(fetch=FakeAgent(stdout=content)).get(f"{PATH}?tail={lines}").json()
    assert answer["data"] == data
    assert answer["next_offset"] == len(content)
    assert answer["offset"] == len(content) - len(data.encode())


def test_tail_of_a_long_log_reads_only_its_end(make_client: MakeClient) -> None:
    content = b"".join(b"line %06d\n" % number for number in range(100_000))
    agent = FakeAgent(stdout=content)
    answer = make_client(fetch=agent).get(f"{PATH}?tail=10000").json()
    assert answer["data"].splitlines() == [f"line {number:06d}" for number in range(90_000, 100_000)]
    assert len(agent.reads) == 3


def test_tail_is_bounded_where_lines_are_long(make_client: MakeClient) -> None:
    limits = Limits(log_bytes=100, tail_bytes=300)
    answer = make_client(fetch=FakeAgent(stdout=b"x" * 10_000), limits=limits).get(f"{PATH}?tail=5").json()
    assert len(answer["data"]) == 300
    assert answer["next_offset"] == 10_000


def test_a_character_that_is_cut_is_left_for_the_next_read(make_client: MakeClient) -> None:
    client = make_client(fetch=FakeAgent(stdout="aé€b".encode()))
    first = client.get(f"{PATH}?length=2").json()
    assert (first["data"], first["next_offset"]) == ("a", 1)
    second = client.get(f"{PATH}?offset=1&length=4").json()
    assert (second["data"], second["next_offset"]) == ("é", 3)
    assert client.get(f"{PATH}?offset=3").json()["data"] == "€b"


def test_bytes_that_are_no_text(make_client: MakeClient) -> None:
    answer = make_client(fetch=FakeAgent(stdout=b"a\xffb")).get(PATH).json()
    assert (answer["data"], answer["next_offset"]) == ("a\N{REPLACEMENT CHARACTER}b", 3)


def test_the_very_bytes_in_base64(make_client: MakeClient) -> None:
    client = make_client(fetch=FakeAgent(stdout=b"a\xff\xe2\x82"))
    answer = client.get(f"{PATH}?encoding=base64").json()
    assert (answer["encoding"], answer["data"], answer["next_offset"]) == ("base64", "Yf/igg==", 4)
    assert client.get(f"{PATH}?encoding=hex").status_code == 422


def test_nothing_written_yet(make_client: MakeClient) -> None:
    answer = make_client(fetch=FakeAgent()).get(PATH)
    assert answer.status_code == 404
    assert "The agent agent1 has no stdout of shop.web.0.1" in answer.json()["message"]


def test_no_sandbox_yet(make_client: MakeClient, front: FakeFront) -> None:
    task = a_task(WEB, state=TaskState.STAGING, sandbox="")
    front.view = a_view([a_stack("shop", [a_group(WEB, tasks=[task])])])
    answer = make_client().get(PATH)
    assert (answer.status_code, answer.json()["message"]) == (
        404,
        "shop.web.0.1 has no log yet: it is STAGING, and no executor has taken it.",
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (AgentFault("no connection"), "gave no log of shop.web.0.1 (no connection). Is it up"),
        (AgentFault("kaputt", 500), "(HTTP 500: kaputt)"),
        (AgentFault("", 403), "does not let the scheduler read"),
    ],
)
def test_an_agent_that_gives_nothing(make_client: MakeClient, fault: AgentFault, words: str) -> None:
    agent = FakeAgent()
    agent.fault = fault
    answer = make_client(fetch=agent).get(PATH)
    assert answer.status_code == 502
    assert words in answer.json()["message"]
    assert "agent1 at 127.0.1.1:5151" in answer.json()["message"]


def test_an_agent_that_has_not_offered_yet(make_client: MakeClient, front: FakeFront) -> None:
    front.view = a_view([a_stack("shop", [a_group(WEB, tasks=[a_task(WEB)])])])
    agent = FakeAgent(stdout=b"x")
    make_client(fetch=agent).get(PATH)
    assert agent.reads[0][0] == "127.0.1.1:5051"


class _Files(BaseHTTPRequestHandler):
    """Answers as Mesos's files API does: bytes as they are, control characters escaped."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        status, body = 200, b'{"data":"a\xc3\xa9\xff\\u0000\\n","offset":' + query["offset"][0].encode() + b"}"
        if query["path"] == ["/missing"]:
            status, body = 404, b"No such file\n"
        if query["path"] == ["/other"]:
            body = json.dumps({"something": "else"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@pytest.fixture
def agent_address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_fetching_from_an_agent(agent_address: str) -> None:
    piece = fetch_from_agent(agent_address, "/sandbox/x.stdout", 7, 100, 2.0)
    assert piece == Piece(offset=7, data=b"a\xc3\xa9\xff\x00\n")


def test_fetching_what_is_not_there(agent_address: str) -> None:
    with pytest.raises(AgentFault, match="No such file") as caught:
        fetch_from_agent(agent_address, "/missing", 0, 100, 2.0)
    assert caught.value.status == 404


def test_fetching_from_what_is_no_agent(agent_address: str) -> None:
    with pytest.raises(AgentFault, match="not what Mesos"):
        fetch_from_agent(agent_address, "/other", 0, 100, 2.0)
    with pytest.raises(AgentFault, match="no connection") as caught:
        fetch_from_agent("127.0.0.1:9", "/x", 0, 100, 2.0)
    assert caught.value.status == 0
