"""`framework exec`: the command line, the API and the executor's sessions, with a container that is played."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests
from click.testing import CliRunner

from executor.core.commands import StartExec
from executor.core.order import Order
from executor.exec_sessions import ExecSessions
from executor.runtime import Fault
from executor.terminal import ExecRequest
from framework.api.routes import exec_in_task as routes
from framework.cli.main import framework
from framework.core.commands import Done, Outcome, Refused
from framework.core.events import ExecRequested, UserRequest
from specs.ids import group_id
from tests.kit.executor_talk import order
from tests.kit.front import FakeFront, a_group, a_stack, a_task, a_view, an_agent
from tests.unit.cli import conftest
from tests.unit.cli.conftest import Run, Serve

WEB = group_id("shop", "web")


class Shell:
    """Plays the engine: `cat` says its input and its end, `fail` exits with 7, `sleep` runs until it is killed."""

    def __init__(self) -> None:
        self.wanted: list[ExecRequest] = []
        self.sizes: list[tuple[int, int]] = []
        self.was_killed = threading.Event()
        self._input = b""
        self._has_ended = threading.Event()

    def start(self, _order: Order, wanted: ExecRequest) -> Shell:
        if wanted.command[0] == "missing":
            raise Fault("no such file")
        self.wanted.append(wanted)
        return self

    def output(self) -> Iterator[tuple[str, bytes]]:
        yield "stdout", b"out \xff\n"
        yield "stderr", b"err\n"
        if self.wanted[-1].command[0] == "cat":
            assert self._has_ended.wait(10)
            yield "stdout", self._input
        if self.wanted[-1].command[0] == "sleep":
            assert self.was_killed.wait(10)

    def write(self, data: bytes) -> None:
        self._input += data

    def end_input(self) -> None:
        self._has_ended.set()

    def resize(self, rows: int, columns: int) -> None:
        self.sizes.append((rows, columns))

    def exit_code(self) -> int:
        return 7 if self.wanted[-1].command[0] == "fail" else 0

    def kill(self) -> None:
        self.was_killed.set()

    def close(self) -> None:
        pass


@pytest.fixture
def shell(front: FakeFront, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """An API whose asks reach an executor that has this shell."""
    played = Shell()
    sessions = ExecSessions()
    front.view = a_view([a_stack("shop", [a_group(WEB, tasks=[a_task(WEB, 0, 1)])])], agents=[an_agent()])
    monkeypatch.setattr(routes, "CALL_SECONDS", 5.0)
    address = serve(token="secret").removeprefix("http://")
    assert address

    def answer(ask: UserRequest) -> Outcome:
        assert isinstance(ask, ExecRequested)
        sessions.attach(StartExec(order=order(), url=f"http://{address}", key=ask.key), played.start)
        return Done(message="")

    front.answer = answer
    return played


@pytest.fixture(autouse=True)
def token(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text("secret")
    monkeypatch.setenv("FRAMEWORK_TOKEN_FILE", str(file))


def test_output_goes_where_it_belongs_and_the_exit_code_is_the_commands(shell: Shell, run: Run) -> None:
    result = run("exec", "-u", "app", "-w", "/tmp", "-e", "A=b=c", "1", "fail", "-x")
    assert (result.exit_code, result.stdout_bytes, result.stderr) == (7, b"out \xff\n", "err\n")
    (wanted,) = shell.wanted
    assert (wanted.command, wanted.user, wanted.working_dir) == (("fail", "-x"), "app", "/tmp")
    assert (wanted.environment, wanted.has_terminal, wanted.has_input) == ({"A": "b=c"}, False, False)


def test_input_is_handed_over_to_its_end(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    del shell
    pieces = [b"hello ", b"world\n", b""]
    monkeypatch.setattr("framework.cli.exec.os.read", lambda _descriptor, _most: pieces.pop(0))
    monkeypatch.setattr("framework.cli.exec._input_descriptor", lambda: 0)
    result = CliRunner().invoke(framework, ["exec", "-i", "shop/web", "--", "cat"], prog_name="framework")
    assert (result.exit_code, result.stdout_bytes) == (0, b"out \xff\nhello world\n")


def test_what_cannot_be_run(shell: Shell, run: Run, front: FakeFront) -> None:
    result = run("exec", "1", "missing")
    assert (result.exit_code, result.stderr) == (1, "The command could not be run: no such file.\n")
    front.answer = lambda _request: Refused(kind="conflict", message="shop.web.0.1 is STARTING")
    assert "is STARTING" in run("exec", "1", "ls").stderr
    front.view = a_view([a_stack("shop", [a_group(WEB, tasks=[a_task(WEB, 0, 1), a_task(WEB, 1, 2)])])])
    result = run("exec", "shop/web", "ls")
    assert (result.exit_code, "2 tasks run in shop/web: shop.web.0.1, shop.web.1.2." in result.stderr) == (2, True)
    assert run("exec", "-t", "1", "sh").exit_code == 2
    assert run("exec", "1").exit_code == 2
    assert shell.wanted == []


def test_an_executor_that_does_not_call(
    shell: Shell, run: Run, front: FakeFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "CALL_SECONDS", 0.1)
    front.answer = lambda _request: Done(message="")
    result = run("exec", "1", "ls")
    assert (result.exit_code, "did not call within 0.1 s" in result.stderr, shell.wanted) == (1, True, [])


def test_without_its_token_nothing_runs_and_a_wrong_key_opens_nothing(
    shell: Shell, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = os.environ["FRAMEWORK_URL"]
    for path in ("exec/x/output", "attach/x/input"):
        assert requests.get(f"{url}/v1/{path}", timeout=10).status_code == 404
    assert requests.post(f"{url}/v1/attach/x/output", data='{"exit": 0}', timeout=10).status_code == 404
    monkeypatch.delenv("FRAMEWORK_TOKEN_FILE")
    result = run("exec", "1", "ls")
    assert (result.exit_code, "wants its token" in result.stderr, shell.wanted) == (1, True, [])


def test_who_goes_away_leaves_no_command_behind(shell: Shell, front: FakeFront) -> None:
    url, headers = os.environ["FRAMEWORK_URL"], {"Authorization": "Bearer secret"}
    asked = {"command": ["sleep", "9"], "terminal": True, "rows": 24, "columns": 80}
    key = requests.post(f"{url}/v1/tasks/1/exec", json=asked, headers=headers, timeout=10).json()["key"]
    with requests.get(f"{url}/v1/exec/{key}/output", stream=True, timeout=10) as answer:
        lines = answer.iter_lines()
        assert base64.b64decode(json.loads(next(lines))["data"]) == b"out \xff\n"
        resized = requests.post(
            f"{url}/v1/exec/{key}/input", data='{"rows": 30, "columns": 90}\n', headers=headers, timeout=10
        )
        assert resized.status_code == 204
        assert requests.get(f"{url}/v1/exec/{key}/output", timeout=10).status_code == 409
    assert shell.was_killed.wait(10)
    assert shell.sizes == [(30, 90)]
    assert len(front.requests) == 1


def test_the_address_that_executors_call_is_the_schedulers_own(shell: Shell, run: Run, front: FakeFront) -> None:
    run("exec", "1", "ls")
    (asked,) = front.requests
    assert isinstance(asked, ExecRequested)
    assert replace(asked, key="") == ExecRequested(
        request_id=1, task_id=asked.task_id, url=f"http://{conftest.INFO.leader}", key=""
    )
    assert shell.wanted
