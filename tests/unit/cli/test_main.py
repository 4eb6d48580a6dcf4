"""The process: exit codes, interrupts, bugs, and that it starts at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from framework.cli import main as entry
from tests.kit.front import FakeFront, a_view
from tests.unit.cli.conftest import Run, Serve


def _main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # which main replaces
    monkeypatch.setattr(sys, "argv", ["framework", *words])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--help"], 0), (["ls", "--help"], 0), ([], 2), (["nope"], 2), (["ls", "--nope"], 2), (["ls", "--url", "::"], 2)],
)
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, words: list[str], code: int) -> None:
    assert _main(monkeypatch, *words) == code


def test_no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _main(monkeypatch, "ls", "--url", "127.0.0.1:9") == 3


def test_an_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_flag: str | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("framework.cli.options.find_address", interrupted)
    assert _main(monkeypatch, "ls") == 130
    assert capsys.readouterr().err.strip() == ""


def test_a_bug_is_a_sentence_and_for_those_who_ask_a_traceback() -> None:
    program = "import framework.cli.options as o; o.find_address = lambda _: {}['at']; "
    program += "import sys; sys.argv = ['framework', 'ls']; from framework.cli.main import main; main()"

    def bug(**environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, **environment},
        )
        assert done.returncode == 1
        return done.stderr

    said = bug()
    assert said.startswith("A bug in this command: KeyError: 'at' (")
    assert "Traceback" not in said
    assert "Traceback" in bug(FRAMEWORK_DEBUG="1")


def test_ps_imports_no_more_than_it_needs(serve: Serve, front: FakeFront) -> None:
    """Imports make a command start slowly; unlike a time, they are the same on every machine."""
    serve()
    front.view = a_view()
    program = "import sys; from framework.cli.main import framework; framework(['ps'], standalone_mode=False); "
    program += "import json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert "framework.cli.ps" in modules
    assert not modules & {"rich", "yaml", "fastapi", "uvicorn", "pymesos", "kazoo", "docker", "framework.core"}


@pytest.mark.parametrize(
    "words",
    [
        ("submit", "/nowhere/x"),
        ("replay", "/nowhere/x"),
        ("restore", "/nowhere/x", "--zk", "zk://127.0.0.1:1/f"),
        ("store", "check", "/nowhere/x"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_wrong_command_line_everywhere(run: Run, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert (result.exit_code, result.stderr) == (2, "/nowhere/x: cannot be read: no such file or directory\n")


def test_a_cluster_without_agents_is_refused(run: Run) -> None:
    result = run("local", "up", "--agents", "0")
    assert (result.exit_code, "wanted a number from 1 to 250, got 0" in result.output) == (1, True)
