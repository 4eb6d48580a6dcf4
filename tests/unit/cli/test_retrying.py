"""Commands that change something go on trying while no scheduler leads, and say so."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import pytest

from framework.cli.retrying import NoScheduler, Retry
from framework.core.commands import Done, Outcome, Refused
from framework.core.events import UserRequest
from tests.kit.front import FakeFront, runs_at_once
from tests.unit.cli.conftest import Run, Serve

NOBODY = NoScheduler("No scheduler leads at the moment.\nMore.", is_temporary=True)


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def tried(seconds: float, *outcomes: object) -> tuple[object, Time, list[float]]:
    """The result of trying so long, where each try comes to the next of the outcomes, the last one again and again."""
    time, left, granted = Time(), list(outcomes), []

    def attempt(most: float) -> object:
        granted.append(most)
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    retry = Retry(seconds=seconds, clock=lambda: time.now, sleep=time.sleep, rng=Random(1))
    try:
        return retry.run(attempt, 40.0), time, granted
    except NoScheduler as fault:
        return fault, time, granted


def test_the_answer_of_a_later_try(capsys: pytest.CaptureFixture[str]) -> None:
    result, time, _ = tried(30.0, NOBODY, NOBODY, "accepted")
    assert (result, len(time.slept)) == ("accepted", 2)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "No scheduler leads at the moment: trying again for up to 30 s"
    assert last.startswith("A scheduler has answered, after 0.") and last.endswith(" s, at try 3.")


def test_each_reason_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    other = NoScheduler("it reads its store; try again in a moment", is_temporary=True)
    tried(30.0, NOBODY, NOBODY, other, other, "accepted")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["No", "it", "A"]
    assert lines[1] == "it reads its store"


def test_it_ends_in_time_with_the_last_reason() -> None:
    fault, time, _ = tried(30.0, NOBODY)
    assert isinstance(fault, NoScheduler)
    assert 130.0 <= time.now < 130.1
    assert max(time.slept) < 2
    assert fault.message.endswith(
        f"More.\nTried {len(time.slept) + 1} times within 30 s; --retry DURATION tries for longer."
    )


def test_who_may_have_been_heard_is_told() -> None:
    lost = NoScheduler("The connection broke.", is_temporary=True, is_unknown=True)
    fault, _, _ = tried(5.0, lost, NOBODY)
    assert isinstance(fault, NoScheduler)
    assert fault.message.endswith("it may have been accepted: look before you ask again.")


def test_what_no_other_try_mends_is_said_at_once() -> None:
    wrong = NoScheduler("That is no scheduler.")
    assert tried(30.0, wrong)[1].slept == []
    assert tried(0.0, NOBODY)[0] is NOBODY


def test_a_try_that_hangs_leaves_time_for_others() -> None:
    assert tried(30.0, "accepted")[2] == [10.0]
    assert tried(0.0, "accepted")[2] == [40.0], "the only one"
    _, _, granted = tried(12.0, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, "accepted")
    assert granted[0] == 10.0 and granted[-1] == 40.0, "the last one"


# ---- commands ---------------------------------------------------------------------------


def unavailable(front: FakeFront, times: int) -> None:
    """The scheduler has no leader for so many asks."""
    left = [times]
    answer = runs_at_once(front)

    def refuse(ask: UserRequest) -> Outcome | None:
        left[0] -= 1
        if left[0] >= 0:
            return Refused(kind="unavailable", message="no scheduler leads at the moment")
        return answer(ask)

    front.answer = refuse


def test_submit_goes_on_trying_with_one_key(serve: Serve, run: Run, front: FakeFront, stack_file: str) -> None:
    unavailable(front, 2)
    serve()
    result = run("submit", stack_file, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["message"] == "created"
    assert "no scheduler leads at the moment: trying again for up to 30 s" in result.stderr
    assert len(front.keys) == 3 and len(set(front.keys)) == 1 and front.keys[0] is not None


def test_without_retry_there_is_one_try_and_no_key(serve: Serve, run: Run, front: FakeFront, stack_file: str) -> None:
    unavailable(front, 1)
    serve()
    result = run("submit", stack_file, "--retry", "0s")
    assert (result.exit_code, result.stderr) == (3, "no scheduler leads at the moment\n")
    assert front.keys == [None]


def test_it_gives_up_in_time(serve: Serve, run: Run, front: FakeFront) -> None:
    front.answer = lambda _request: Refused(kind="unavailable", message="no scheduler leads at the moment")
    serve()
    result = run("scale", "shop/web", "+1", "--retry", "300ms")
    assert result.exit_code == 3
    assert "--retry DURATION tries for longer." in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("scale", "shop/web", "+1"),
        ("restart", "shop/web"),
        ("stop", "shop/web"),
        ("start", "shop/web"),
        ("reset-backoff", "shop/web"),
        ("rollout", "pause", "shop"),
        ("rollout", "promote", "shop"),
        ("executor", "roll"),
        ("approve", "--yes", "strangers=2"),
    ],
    ids=" ".join,
)
def test_so_does_every_command_that_changes_something(
    serve: Serve, run: Run, front: FakeFront, words: tuple[str, ...]
) -> None:
    asked: list[UserRequest] = []

    def answer(ask: UserRequest) -> Outcome:
        asked.append(ask)
        first = Refused(kind="unavailable", message="no scheduler leads at the moment")
        return first if len(asked) == 1 else Done(message="done")

    front.answer = answer
    serve()
    result = run(*words)
    assert (result.exit_code, len(asked)) == (0, 2), result.stderr
    assert front.keys[0] is not None and front.keys[0] == front.keys[1]


@pytest.fixture
def late(run: Run) -> Iterator[tuple[str, list[str]]]:
    """A port at which nobody listens at first; and the keys that came once somebody did, who breaks the first off."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers["Idempotency-Key"])
            if len(keys) == 1:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            body = json.dumps({"changed": ["shop/web"], "index": 2, "message": ""}).encode()
            self.send_response(202)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            pass

    taken = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    taken.server_bind()

    def serve() -> None:
        taken.server_activate()
        taken.serve_forever(poll_interval=0.05)

    begin = threading.Timer(0.3, serve)
    begin.start()
    yield f"http://127.0.0.1:{taken.server_address[1]}", keys
    begin.join(1)
    taken.shutdown()
    taken.server_close()


def test_a_leader_that_starts_and_one_that_dies_before_it_answers(run: Run, late: tuple[str, list[str]]) -> None:
    url, keys = late
    result = run("stop", "shop/web", "--url", url)
    assert (result.exit_code, result.stdout) == (0, "stop shop/web: 1 group changed\n  shop/web\n")
    assert "connection refused: trying again for up to 30 s\n" in result.stderr
    assert "it closed the connection without an answer" in result.stderr
    assert len(keys) == 2 and keys[0] == keys[1]
