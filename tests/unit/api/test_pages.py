"""The status page and the OpenAPI page: everything on them, nothing loaded, nothing unescaped."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient

from framework.core.views import GroupState, Waiting
from framework.core.volatile import Connection, Progress
from framework.web.html import Html, element, joined
from placement.agent import AgentState
from specs.ids import group_id
from specs.states import Health, TaskState
from tests.kit.front import AGENT, NOW, FakeFront, a_group, a_stack, a_task, a_view, an_agent

WEB = group_id("shop", "web", ["dev", "frontend"])
EVIL = "<script>alert('x')</script>"


class _Text(HTMLParser):
    """The text of a page, its elements, and whether all of them are closed."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.elements: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def _page(client: TestClient, path: str = "/") -> tuple[str, _Text]:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    parser = _Text()
    parser.feed(answer.text)
    assert parser.open == []
    return " ".join(" ".join(parser.text).split()), parser


def test_everything_is_on_the_status_page(client: TestClient, front: FakeFront) -> None:
    pulling = a_task(WEB, 1, 2, state=TaskState.STARTING, health=Health.UNKNOWN, agent=2)
    group = a_group(
        WEB,
        instances=4,
        state=GroupState.WAITING,
        tasks=[a_task(WEB, message="all is well"), pulling],
        waiting=[Waiting(slot=2, cause="no offer has 4 cpus"), Waiting(slot=3, cause="no offer has 4 cpus")],
        ended=[a_task(WEB, 2, 3, state=TaskState.FAILED, message="exited with 1", exit_code=1, ended_at=NOW - 30)],
    )
    front.view = a_view(
        [a_stack("shop", [group], index=7)],
        agents=[an_agent()],
        progress={pulling.id: Progress(stage="pulling", done_bytes=25, total_bytes=100)},
        problem="ZooKeeper at 10.0.0.7:2181 does not answer",
    )
    text, _ = _page(client)
    for words in (
        "subscribed",
        "ZooKeeper at 10.0.0.7:2181 does not answer",
        "6d1f7b0c-8a2e-4f57-9a39-3f0a6d3c1b11-0000",
        "10.0.0.1:5050",
        "index 7, changed 60 min ago by anna@desk: the first",
        "web dev frontend waiting 1/4",
        "shop.web.dev-frontend.0.1 running healthy agent1 http 127.0.1.1:31001 60 s all is well",
        "pulling 25 %",
        "2 slots waiting no offer has 4 cpus",
        "failed shop.web.dev-frontend.2.3, exit code 1, 30 s ago: exited with 1",
    ):
        assert words in text


def test_nothing_is_unescaped(client: TestClient, front: FakeFront) -> None:
    task = a_task(WEB, message=EVIL, hostname=EVIL, stop_cause=EVIL)
    group = a_group(WEB, tasks=[task], waiting=[Waiting(slot=1, cause=EVIL)])
    front.view = a_view([a_stack("shop", [group], message=EVIL, submitted_by=EVIL)], problem=EVIL)
    text, parser = _page(client)
    assert "script" not in parser.elements
    assert text.count(EVIL) == 7


@pytest.mark.parametrize("connection", list(Connection))
def test_every_connection_has_its_page(client: TestClient, front: FakeFront, connection: Connection) -> None:
    front.view = a_view(connection=connection)
    text, _ = _page(client)
    assert connection.value in text
    assert ("reading its store" if connection is Connection.LOADING else "No stack yet.") in text


@pytest.mark.parametrize("state", list(TaskState))
def test_every_state_has_its_mark(client: TestClient, front: FakeFront, state: TaskState) -> None:
    groups = [
        a_group(group_id("shop", word.value), state=word, tasks=[a_task(WEB, state=state, health=health)])
        for word in GroupState
        for health in Health
    ]
    front.view = a_view([a_stack("shop", groups)])
    assert state.shown.lower() in _page(client)[0]


def test_a_large_group_is_cut_and_says_so(client: TestClient, front: FakeFront) -> None:
    tasks = [a_task(WEB, slot, slot) for slot in range(80)]
    front.view = a_view([a_stack("shop", [a_group(WEB, instances=80, tasks=tasks)])])
    text, _ = _page(client)
    assert "and 30 more: framework ps shop/web[dev,frontend]" in text


def test_agents_are_on_the_status_page(client: TestClient, front: FakeFront) -> None:
    agents = [
        an_agent(1, attributes=(("rack", EVIL),), zone="z1", free=replace(AGENT, cpus_milli=1500)),
        an_agent(2, total=None, state=AgentState.DRAINING, unavailable="is draining"),
    ]
    front.view = a_view(
        [a_stack("shop", [a_group(WEB, tasks=[a_task(WEB)])])], agents=agents, agents_problem="The master was slow."
    )
    text, parser = _page(client)
    assert "Agents The master was slow." in text
    assert f"agent1 active z1 rack={EVIL} cpus 1.5 of 4, mem 4096 of 4096 MiB 1" in text
    assert "agent2 draining not told 0 is draining" in text
    assert "script" not in parser.elements


def test_many_agents_are_cut_and_it_says_so(client: TestClient, front: FakeFront) -> None:
    front.view = a_view(agents=[an_agent(number) for number in range(130)])
    assert "and 30 more: framework agents" in _page(client)[0]


def test_every_route_is_on_the_api_page(client: TestClient) -> None:
    text, parser = _page(client, "/docs")
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in text
    assert "script" not in parser.elements
    assert "body over the limit" not in text


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing(client: TestClient, front: FakeFront, path: str) -> None:
    html = client.get(path).text
    assert not re.search(r"(src|@import|url\()", html)
    assert re.findall(r"<link[^>]*>", html) == ["<link rel='icon' href='data:,'>"]


def test_the_schema_has_descriptions_and_examples(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path}"
            assert operation["tags"], f"{method} {path}"
    scale = schema["components"]["schemas"]["ScaleBody"]["properties"]
    assert scale["pattern"]["examples"] == ["shop/web[dev]"]


def test_elements_escape_text_and_attributes() -> None:
    made = element("a", "<b>", element("i", "&"), href='"><', css="x")
    assert made == Html('<a class="x" href="&quot;&gt;&lt;">&lt;b&gt;<i>&amp;</i></a>')
    assert joined("<", 1) == Html("&lt;1")
