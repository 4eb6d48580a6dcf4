"""The server, the asking of tasks, and the rounds."""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from executor.core.survey import Survey, SurveyRequested, TaskSnapshot
from executor.core.task import Phase
from executor.metrics import scraping
from executor.metrics.collector import Collector
from executor.metrics.measurement import Measurement
from executor.metrics.reading import Measuring
from executor.metrics.scraping import Scraping, fetch
from executor.metrics.serving import AT_ONCE, MetricsServer
from specs.model.stack import Container, MetricsPage, Port
from tests.kit.executor_talk import order

HERE = "127.0.0.1"


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def get(port: int, path: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection(HERE, port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.headers["Content-Type"], answer.read()


class TestServer:
    def test_it_serves_its_pages_and_says_which_there_are(self) -> None:
        server = MetricsServer(HERE, 0, {"/metrics": ("text/plain", lambda: b"one 1\n")})
        server.start()
        assert get(server.port, "/metrics?x=1") == (200, "text/plain", b"one 1\n")
        status, _, words = get(server.port, "/stats")
        assert (status, words) == (404, b"wanted /metrics, got /stats\n")

    def test_a_port_that_is_taken_is_no_end(self) -> None:
        first = MetricsServer(HERE, 0, {})
        second = MetricsServer(HERE, first.port, {})
        assert second.port not in (0, first.port)

    def test_an_address_of_another_machine_is_no_end(self) -> None:
        server = MetricsServer("192.0.2.1", 0, {"/metrics": ("text/plain", lambda: b"")})
        server.start()
        assert get(server.port, "/metrics")[0] == 200

    def test_so_many_at_a_time_and_others_are_sent_away(self) -> None:
        server = MetricsServer(HERE, 0, {"/metrics": ("text/plain", lambda: b"")})
        server.start()
        with contextlib.ExitStack() as stack:
            for _ in range(AT_ONCE):
                stack.enter_context(contextlib.closing(socket.create_connection((HERE, server.port))))
            assert get(server.port, "/metrics")[0] == 503
        wait_until(lambda: get(server.port, "/metrics")[0] == 200)


class Application:
    """A task's HTTP server; `answer` gives status and body."""

    def __init__(self) -> None:
        self.answer: Callable[[], tuple[int, bytes]] = lambda: (200, b"jobs 3\n")
        application = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = application.answer()
                self.send_response(status if self.path == "/own" else 404)
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer((HERE, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def application() -> Iterator[Application]:
    found = Application()
    yield found
    found.server.shutdown()
    found.server.server_close()


def task(port: int, name: str = "shop.web.1.1", interval: float = 10.0, phase: Phase = Phase.RUNNING) -> TaskSnapshot:
    container = Container(
        image="acme/web",
        ports=(Port(name="http", container_port=80),),
        metrics=MetricsPage(path="/own", port="http", interval_seconds=interval),
    )
    return TaskSnapshot(
        order=order(name, container, host_ports=(port,), address=HERE),
        phase=phase,
        container_id="c",
        pid=0,
        started_at=0.0,
        is_healthy=None,
        is_ready=None,
    )


class TestScraping:
    def test_pages_are_asked_for_at_their_pace(self, application: Application) -> None:
        now = [100.0]
        asking, one = Scraping(lambda: now[0]), task(application.port)
        first_at = asking.due([one])
        assert first_at is not None and 100.0 <= first_at <= 105.0
        now[0] = first_at
        assert asking.due([one]) == first_at + 10.0
        wait_until(lambda: asking.found(one.order.task_id))
        found = asking.found(one.order.task_id)
        assert found is not None
        assert [(each.name, each.value) for family in found.families for each in family.samples] == [("jobs", 3.0)]
        assert asking.due([task(application.port, interval=2.0)]) == first_at + 2.0
        assert asking.due([]) is None
        assert asking.found(one.order.task_id) is None

    def test_a_page_that_cannot_be_had_is_told_of_once_and_when_it_is_back(
        self, application: Application, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        now, rounds = [100.0], list[str]()
        asking, one = Scraping(lambda: now[0]), task(application.port)

        def ask() -> str:
            before = asking.found(one.order.task_id)
            now[0] += 10.0
            asking.due([one])
            wait_until(lambda: asking.found(one.order.task_id) is not before)
            found = asking.found(one.order.task_id)
            assert found is not None
            return found.fault

        asking.due([one])
        application.answer = lambda: (500, b"")
        rounds += [ask(), ask()]
        application.answer = lambda: (200, b"jobs 3\n")
        rounds += [ask(), ask()]
        said = f"GET /own at port {application.port}: wanted 200, got 500"
        assert rounds == [said, said, "", ""]
        assert [each.getMessage() for each in caplog.records if each.name == "executor.metrics"] == [
            f"the metrics of shop.web.1.1 cannot be had: {said}; asking on",
            "the metrics of shop.web.1.1 can be had again",
        ]

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"a 1\n" * 300_000, "wanted 1024 KiB at most, got more"),
            (b"\xff\xfe", "can't decode"),
        ],
    )
    def test_what_is_too_much_or_no_text_is_as_none(self, application: Application, body: bytes, words: str) -> None:
        application.answer = lambda: (200, body)
        with pytest.raises(ValueError, match=words):
            fetch(task(application.port).order)

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\njobs 3\n",
            b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n3\r\njob\r\n4\r\ns 3\n\r\n0\r\n\r\n",
        ],
    )
    def test_the_final_answer_is_the_page_though_the_connection_stays_open(self, answer: bytes) -> None:
        with socket.create_server((HERE, 0)) as server:

            def talk() -> None:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(answer)
                    connection.recv(1000)  # until the other side has had enough

            thread = threading.Thread(target=talk)
            thread.start()
            try:
                assert fetch(task(server.getsockname()[1]).order) == "jobs 3\n"
            finally:
                thread.join()

    def test_a_page_that_is_compressed_though_nobody_asked_is_refused(self) -> None:
        with socket.create_server((HERE, 0)) as server:

            def talk() -> None:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx")

            thread = threading.Thread(target=talk)
            thread.start()
            with pytest.raises(ValueError, match="got one in gzip"):
                fetch(task(server.getsockname()[1]).order)
            thread.join()

    def test_a_page_that_comes_in_drops_is_given_up(
        self, application: Application, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def late() -> tuple[int, bytes]:
            time.sleep(0.5)
            return 200, b"a 1\n"

        monkeypatch.setattr(scraping, "TIMEOUT_SECONDS", 0.2)
        application.answer = late
        with pytest.raises(TimeoutError):
            fetch(task(application.port).order)


class Ruled(Measuring):
    """Says what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.usages: list[Measurement | None] = []

    def measure(self, tasks: Any) -> dict[Any, Measurement]:
        usage = self.usages.pop(0)
        return {} if usage is None else {each.order.task_id: usage for each in tasks}


def test_cores_are_told_from_the_second_round_on_and_what_does_not_run_is_not_measured() -> None:
    measuring, asked = Ruled(), queue.SimpleQueue[SurveyRequested]()
    collector = Collector(asked.put, measuring, Scraping(), 10.0)
    at_zero = Measurement(at=0.0, cpu_seconds=0.0, mem_bytes=1)
    measuring.usages = [at_zero, Measurement(at=10.0, cpu_seconds=5.0, mem_bytes=1), None, at_zero]
    survey = Survey(tasks=(task(1), task(2, "shop.job.1.2", phase=Phase.PULLING)))
    seen = []
    for _ in range(4):
        collector.measure(survey)
        (one,) = collector.latest.tasks
        seen.append((one.usage is not None, one.cpus))
    assert seen == [(True, None), (True, 0.5), (False, None), (True, None)]
    assert collector.latest.survey is survey
