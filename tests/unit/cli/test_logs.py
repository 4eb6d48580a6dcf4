"""`framework logs`: of one task as it is, of several with the task before each line, followed until it ends."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import termios
import threading
import unicodedata
from collections.abc import Callable

import pytest

from framework.api.routes.log_files import AgentFault, Piece
from framework.cli.log_output import LogOutput, harmless
from framework.cli.output import print_json
from specs.ids import group_id
from specs.states import TaskState
from tests.kit.front import NOW, FakeFront, a_group, a_stack, a_task, a_view, an_agent
from tests.unit.cli.conftest import Run, Serve

WEB = group_id("shop", "web")


class FakeFiles:
    """Files by task and stream, such as 1.stdout; what is not there answers 404."""

    def __init__(self, **files: bytes) -> None:
        self.files = {name.lstrip("_").replace("_", "."): content for name, content in files.items()}
        self.read = threading.Event()

    def __call__(self, _agent: str, path: str, offset: int, length: int, _timeout: float) -> Piece:
        name = ".".join(path.split(".")[-2:])
        if name not in self.files:
            raise AgentFault("No such file", 404)
        self.read.set()
        content = self.files[name]
        return (
            Piece(offset=len(content), data=b"") if offset < 0 else Piece(offset=offset, data=content[offset:][:length])
        )


@pytest.fixture(autouse=True)
def scene(front: FakeFront) -> None:
    tasks = [a_task(WEB, 0, 1), a_task(WEB, 1, 2)]
    front.view = a_view([a_stack("shop", [a_group(WEB, instances=2, tasks=tasks)])], agents=[an_agent()])


def test_both_streams_where_they_belong(serve: Serve, run: Run) -> None:
    serve(fetch=FakeFiles(_1_stdout=b"out\nno end", _1_stderr=b"err\n"))
    result = run("logs", "1")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out\nno end", "err\n")
    assert run("logs", "shop.web.0.1", "--stderr").stdout == ""


def test_a_log_longer_than_one_answer(serve: Serve, run: Run) -> None:
    content = b"".join(b"line %d\n" % number for number in range(30_000))
    serve(fetch=FakeFiles(_1_stdout=content))
    assert run("logs", "1").stdout.encode() == content


def test_the_last_lines(serve: Serve, run: Run) -> None:
    serve(fetch=FakeFiles(_1_stdout=b"a\nb\nc\n"))
    assert run("logs", "1", "-n", "2").stdout == "b\nc\n"
    assert run("logs", "1", "-n", "0").stdout == ""


JAVA = "Error: caf\u00e9\u00a0\U0001f469\u200d\U0001f4bb\n\tat a.B.c\r\n\x1b[31mred\x1b[0m\x0cx\ry\u2028z\x85".encode()


def test_of_a_group_with_the_task_before_each_line(serve: Serve, run: Run) -> None:
    many = b"".join(b"%d\n" % number for number in range(30))
    serve(fetch=FakeFiles(_1_stdout=many, _2_stdout=b"\x1b[31mred\nno end"))
    assert run("logs", "shop/web", "--stdout").stdout == (
        "".join(f"shop.web.0.1 | {number}\n" for number in range(20, 30))
        + "shop.web.1.2 | \x1b[31mred\nshop.web.1.2 | no end\n"
    )


def test_piped_bytes_are_as_they_were_written(serve: Serve, run: Run) -> None:
    written = JAVA + b"\xff\x00\x9b\xe2\x82\nno end \xe2\x82"
    serve(fetch=FakeFiles(_1_stdout=written, _2_stdout=written))
    assert run("logs", "1").stdout_bytes == written
    lines = [b"| " + line + b"\n" for line in written.split(b"\n")]
    assert run("logs", "shop/web", "--stdout").stdout_bytes == b"".join(
        task + b" " + line for task in (b"shop.web.0.1", b"shop.web.1.2") for line in lines
    )


def test_a_scheduler_that_knows_no_base64_is_read_too(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    output = LogOutput(as_json=False, with_task=False)
    output.write({"task": "a.b.0.1", "stream": "stdout", "data": "a\tb\u2028"})
    output.flush_all()
    assert capsysbinary.readouterr().out == "a\tb\u2028".encode()


SHOWN = "Error: caf\u00e9\u00a0\U0001f469\u200d\U0001f4bb\n\tat a.B.c\n\x1b[31mred\x1b[0m\ufffdx\ufffdy\u2028z\ufffd"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (JAVA.decode(), SHOWN),
        ("\x1b[1;38:5:9mbold\x1b[m", "\x1b[1;38:5:9mbold\x1b[m"),
        ("\x1b]0;title\x07\x1b[2J\x1b[1A", "\ufffd]0;title\ufffd\ufffd[2J\ufffd[1A"),
        ("\x9b31mred\x9d0;t\x9c", "\ufffd31mred\ufffd0;t\ufffd"),
        ("50 %\r60 %\r\n\a\b\x7f\v", "50 %\ufffd60 %\n\ufffd\ufffd\ufffd\ufffd"),
        ("\x1b[?25l\x1b[>1m\x1bc\x1b", "\ufffd[?25l\ufffd[>1m\ufffdc\ufffd"),
        ("\x1b[" + "1;" * 99 + "m", "\ufffd[" + "1;" * 99 + "m"),
    ],
)
def test_on_a_terminal_tabs_and_colours_pass_and_nothing_that_moves_the_cursor(written: str, shown: str) -> None:
    assert harmless(written) == shown


def shown_on_a_terminal(write: Callable[[], None]) -> str:
    """The bytes on standard output while that is a terminal, without line ends of the terminal's own."""
    ours, theirs = os.openpty()
    settings = termios.tcgetattr(theirs)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    with os.fdopen(theirs, "w", encoding="utf-8") as side, contextlib.redirect_stdout(side):
        write()
    data = b""
    with contextlib.suppress(OSError):  # EIO is the end of a terminal whose other side is closed
        while piece := os.read(ours, 4096):
            data += piece
    os.close(ours)
    return data.decode()


def pieces(output: LogOutput, task: str, *data: bytes) -> None:
    for piece in data:
        coded = base64.b64encode(piece).decode()
        output.write({"task": task, "stream": "stdout", "encoding": "base64", "data": coded})


def test_what_is_cut_between_two_pieces_is_put_together() -> None:
    def write() -> None:
        output = LogOutput(as_json=False, with_task=False)
        pieces(output, "a.b.0.1", *(bytes([byte]) for byte in JAVA + b"\x1b[32mgreen\xe2\x82"))
        output.flush_all()

    assert shown_on_a_terminal(write) == SHOWN + "\x1b[32mgreen\ufffd\x1b[0m"


def test_a_colour_ends_with_its_line_where_there_are_several_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    def write() -> None:
        output = LogOutput(as_json=False, with_task=True)
        pieces(output, "a.b.0.1", b"\x1b[31mred\r\nplain\n", b"cut")
        pieces(output, "a.b.1.2", b"\x1b]0;t\x07\n")
        pieces(output, "a.b.0.1", b" and whole\n")

    assert shown_on_a_terminal(write) == (
        "a.b.0.1 | \x1b[31mred\x1b[0m\na.b.0.1 | plain\na.b.1.2 | \ufffd]0;t\ufffd\na.b.0.1 | cut and whole\n"
    )


def test_since_a_time_and_what_is_no_time(serve: Serve, run: Run) -> None:
    files = FakeFiles(_1_stdout=b"old\nnew\n", stdout_times=b"1000.000 0\n5000.000 4\n")
    serve(fetch=files)
    assert run("logs", "1", "--since", "1970-01-01T00:30:00+00:00", "--stdout").stdout == "new\n"
    assert run("logs", "1", "--since", "1970-01-01T00:00:00+00:00", "--stdout").stdout == "old\nnew\n"
    assert run("logs", "1", "--since", "10m", "--stdout").stdout == ""
    result = run("logs", "1", "--since", "noon")
    assert (result.exit_code, "got 'noon'" in result.stderr) == (2, True)
    assert run("logs", "1", "--since", "10m", "-n", "3").exit_code == 2


def test_of_ended_tasks_too(serve: Serve, run: Run, front: FakeFront) -> None:
    ended = a_task(WEB, 0, 3, state=TaskState.FAILED, ended_at=NOW)
    front.view = a_view(
        [a_stack("shop", [a_group(WEB, tasks=[a_task(WEB, 0, 1)], ended=[ended])])], agents=[an_agent()]
    )
    serve(fetch=FakeFiles(_1_stdout=b"now\n", _3_stdout=b"then\n"))
    assert "then" not in run("logs", "shop/web").stdout
    result = run("logs", "-a", "shop/web")
    assert sorted(result.stdout.splitlines()) == ["shop.web.0.1 | now", "shop.web.0.3 | then"]


def test_what_was_rotated_away_is_told_of(serve: Serve, run: Run) -> None:
    files = FakeFiles(_1_stdout=b"x" * 70_000, stdout_base=b"0 0\n")
    looks = []

    def fetch(agent: str, path: str, offset: int, length: int, timeout: float) -> Piece:
        looks.append(path.endswith(".base"))
        if sum(looks) == 3:  # the first piece was read between the first two
            later = {"stdout.base": b"200000 100000\n", "stdout.1": b"y" * 100_000, "1.stdout": b"new\n"}
            files.files |= later
        return files(agent, path, offset, length, timeout)

    serve(fetch=fetch)
    result = run("logs", "1", "--stdout")
    assert result.stdout == "x" * 65_536 + "y" * 100_000 + "new\n"
    assert "shop.web.0.1: 33.7 KiB of stdout were rotated away" in result.stderr


def test_as_json_lines(serve: Serve, run: Run) -> None:
    serve(fetch=FakeFiles(_1_stdout=b"a\n"))
    lines = [json.loads(line) for line in run("logs", "1", "--json", "--stdout").stdout.splitlines()]
    assert lines == [
        {"task": "shop.web.0.1", "stream": "stdout", "offset": 0, "next_offset": 2, "encoding": "utf-8", "data": "a\n"}
    ]


def test_nothing_written_yet(serve: Serve, run: Run) -> None:
    serve(fetch=FakeFiles())
    result = run("logs", "1")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "it has written nothing yet" in result.stderr


@pytest.mark.parametrize(
    ("what", "words"), [("99", "There is no task 99"), ("shop/auth", "No task runs in shop/auth."), ("nope", "nope")]
)
def test_what_is_not_there(serve: Serve, run: Run, what: str, words: str) -> None:
    serve(fetch=FakeFiles())
    result = run("logs", what)
    assert result.exit_code == 1
    assert words in result.stderr


def test_following_ends_with_the_task(
    serve: Serve, run: Run, front: FakeFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framework.cli.logs._PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("framework.cli.logs._LOOK_SECONDS", 0.05)
    files = FakeFiles(_1_stdout=b"first\n")
    serve(fetch=files)

    def go_on() -> None:
        assert files.read.wait(5)
        files.files["1.stdout"] += b"second\n"
        ended = a_task(WEB, 0, 1, state=TaskState.FAILED, ended_at=NOW)
        front.publish(a_view([a_stack("shop", [a_group(WEB, ended=[ended])])], agents=[an_agent()]))

    thread = threading.Thread(target=go_on)
    thread.start()
    result = run("logs", "-f", "1")
    thread.join()
    assert (result.exit_code, result.stdout) == (0, "first\nsecond\n")
    assert "shop.web.0.1 has ended." in result.stderr


def test_json_has_no_character_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {
        "task": "shop.web.0.1",
        "stream": "stdout",
        "text": "\x9b2J\x1b[2J\x7f\x85\ud800 \N{GRINNING FACE} \u00e4\u00a0",
    }
    LogOutput(as_json=True, with_task=False).write(answer)
    print_json(answer)
    shown = capsys.readouterr().out
    assert not [letter for letter in shown if unicodedata.category(letter) in ("Cc", "Cs") and letter != "\n"]
    line, _, document = shown.partition("\n")
    assert json.loads(line) == json.loads(document) == answer
    assert "\N{GRINNING FACE} \u00e4\u00a0" in line
