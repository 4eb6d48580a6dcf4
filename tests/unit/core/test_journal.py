"""The flight recorder: what it writes can be read again, holds no secrets, and replays to the same commands."""

from __future__ import annotations

import json
import math
import typing
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as some

from framework.core import commands, events, journal
from framework.core.commands import PutVersion
from framework.core.events import BecameLeader, ExecRequested, Requested, StackSubmitted, StatusReceived
from framework.core.journal import MARK, Masker, decode, members
from framework.core.model import Status, Stored
from framework.recorder import JournalFault, Recorder, mark, replay
from specs.ids import TaskId
from specs.model.canonical import version_of
from specs.model.constraints import Constraint
from specs.model.operators import Operator
from specs.model.update import OnFailure, Share, Update
from specs.states import TaskState
from tests.kit.conversation import SETTINGS, Conversation, stack
from tests.kit.recorded import SECRET, Recorded, live, secretive

EVENTS = members(events.Event)
COMMANDS = members(commands.Command)


def values(kind: Any) -> some.SearchStrategy[Any]:
    """Values of a type that a journal may hold: numbers as JSON has them, and rules that nest a little."""
    if kind is int:
        return some.integers(-(2**53), 2**53)
    if kind is float:
        return some.one_of(some.floats(-1e12, 1e12), some.just(math.inf))
    if kind is Constraint:
        return some.builds(Constraint, operator=some.sampled_from(Operator), values=values(tuple[str, ...]))
    if isinstance(kind, typing.NewType):
        return values(kind.__supertype__)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return some.builds(kind, **{each.name: values(hints[each.name]) for each in fields(kind)})
    args = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        if args[-1] is Ellipsis:
            return some.lists(values(args[0]), max_size=2).map(tuple)
        return some.tuples(*(values(each) for each in args))
    if args:
        # Without end is only what has an end else: None would be the same in JSON.
        return some.one_of(*(some.floats(-1e12, 1e12) if each is float else values(each) for each in args))
    return some.from_type(kind)


class TestValues:
    @pytest.mark.parametrize("name", sorted(EVENTS))
    def test_every_event_is_read_as_it_was_written(self, name: str) -> None:
        @given(value=values(EVENTS[name]))
        @settings(max_examples=8, deadline=None, suppress_health_check=list(Check), database=None)
        def check(value: Any) -> None:
            masker = Masker(b"salt")
            written = orjson.loads(orjson.dumps(masker.plain(value)))
            assert decode(EVENTS[name], written) == masker.event(value)

        check()

    @pytest.mark.parametrize("name", sorted(COMMANDS))
    def test_every_command_has_a_mark_that_others_have_not(self, name: str) -> None:
        @given(value=values(COMMANDS[name]), other=values(COMMANDS[name]))
        @settings(max_examples=8, deadline=None, suppress_health_check=list(Check), database=None)
        def check(value: Any, other: Any) -> None:
            masked = Masker(b"salt").stack
            compared = [
                json.dumps(orjson.loads(orjson.dumps(journal.comparable([each], masked)))) for each in (value, other)
            ]
            assert (mark((value,), masked) == mark((other,), masked)) is (compared[0] == compared[1])
            assert mark((value,), masked).startswith(f"{name} ")

        check()

    def test_the_tables_are_whole(self) -> None:
        made = {
            name: kind
            for module in (events, commands)
            for name, kind in vars(module).items()
            if isinstance(kind, type)
            and is_dataclass(kind)
            and kind.__module__ == module.__name__
            and kind is not Requested
        }
        parts = members(commands.Write) | members(commands.Outcome) | {"Launch": commands.Launch}
        assert EVENTS | COMMANDS | parts == made

    @pytest.mark.parametrize(
        ("kind", "plain"), [(int, "1"), (int, True), (str, 1), (Stored, []), (Stored, {"x": 1}), (TaskState, "UP")]
    )
    def test_what_is_something_else_is_refused(self, kind: type, plain: Any) -> None:
        with pytest.raises(ValueError):
            decode(kind, plain)


class TestSecrets:
    def test_none_reaches_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "journal"
        talk = live(path)
        Recorded(tmp_path / "next", talk.shelf)
        for file in (path, tmp_path / "next"):
            text = file.read_text(encoding="utf-8")
            assert "PASSWORD" in text and MARK in text
            assert SECRET not in text and "another" not in text
            assert file.stat().st_mode & 0o777 == 0o600

    def test_what_a_task_prints_does_not_either(self, tmp_path: Path) -> None:
        """Where a rollout fails by it and the stack goes back, the story and the history quote it too."""
        path = tmp_path / "journal"
        talk = Recorded(path)
        talk.subscribe()
        spec = replace(secretive(1), update=Update(on_failure=OnFailure.ROLLBACK, max_failures=Share(count=0)))
        talk.submit(stack(spec))
        talk.offers()
        talk.run(*talk.tasks)
        talk.wait(60)
        talk.submit(stack(replace(spec, container=replace(spec.container, image="acme/web:2"))))
        for _ in range(3):
            talk.offers()
            for task in talk.tasks:
                if not task.state.is_terminal:
                    talk.status(task, TaskState.FAILED, message=f"exit code 1; last line on stderr: {SECRET}")
            talk.wait(30)
        assert SECRET in repr([each for each in talk.heard if isinstance(each, commands.PublishEvent)])
        after = Recorded(tmp_path / "next", talk.shelf)
        after.subscribe()
        for file in (path, tmp_path / "next"):
            assert SECRET not in file.read_text(encoding="utf-8")
            assert [step for step in replay(file) if not step.is_same or step.bug] == []

    def test_the_key_of_a_session_does_not_either(self, tmp_path: Path) -> None:
        talk = live(tmp_path / "journal")
        task = next(each for each in talk.tasks if each.state is TaskState.RUNNING)
        heard = talk.say(ExecRequested(request_id=901, task_id=task.id, url="http://10.0.0.9:8080", key=SECRET))
        assert any(isinstance(each, commands.StartExec) and each.key == SECRET for each in heard)
        assert SECRET not in (tmp_path / "journal").read_text(encoding="utf-8")
        assert [step for step in replay(tmp_path / "journal") if not step.is_same] == []

    def test_words_of_mesos_stay(self) -> None:
        for source, is_kept in (
            ("SOURCE_MASTER", True),
            ("SOURCE_SLAVE", True),
            ("SOURCE_EXECUTOR", False),
            ("", False),
        ):
            status = Status(task_id=TaskId("a"), state=TaskState.LOST, agent_id=None, source=source, message="words")
            masked = Masker(b"salt").event(StatusReceived(status=status))
            assert isinstance(masked, StatusReceived)
            assert (masked.status.message == "words") is is_kept

    def test_equal_texts_are_equal_and_others_are_not(self) -> None:
        mask = Masker(b"salt")
        first, again = (mask._text(SECRET) for _ in range(2))
        assert first == again != mask._text("else")
        assert Masker(b"other salt")._text(SECRET) != first

    def test_versions_keep_their_ids(self) -> None:
        desired = stack(secretive())
        masked = Masker(b"salt").event(StackSubmitted(request_id=1, stack=desired))
        assert isinstance(masked, StackSubmitted)
        assert masked.versions == (version_of(desired.groups[0]),)
        assert masked.versions != (version_of(masked.stack.groups[0]),)

    def test_what_stands_for_a_container_is_its_version(self) -> None:
        talk = Conversation()
        talk.submit(stack(secretive()))
        put = next(w for c in talk.heard if isinstance(c, commands.Save) for w in c.writes if isinstance(w, PutVersion))
        save = commands.Save(ticket=1, writes=(put,))
        assert SECRET not in repr(journal.comparable([save], lambda stack: stack))


class TestReplay:
    def test_the_same_comes_of_it(self, tmp_path: Path) -> None:
        path = tmp_path / "journal"
        talk = live(path)
        steps = list(replay(path))
        assert all(step.is_same and not step.bug for step in steps)
        assert sum(len(step.commands) for step in steps) == len(talk.heard)

    def test_of_another_leader_too(self, tmp_path: Path) -> None:
        talk = live(tmp_path / "first")
        after = Recorded(tmp_path / "second", talk.shelf)
        after.subscribe()
        after.run(*after.tasks)
        after.wait(700)
        assert isinstance(next(replay(tmp_path / "second")).event, BecameLeader)
        assert all(step.is_same for step in replay(tmp_path / "second"))

    def test_a_difference_is_found(self, tmp_path: Path) -> None:
        path = tmp_path / "journal"
        live(path)
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        number = next(n for n, line in enumerate(lines) if '"OffersReceived"' in line)
        changed = json.loads(lines[number])
        changed[2]["offers"] = changed[2]["offers"][:1]
        lines[number] = json.dumps(changed, separators=(",", ":")) + "\n"
        path.write_text("".join(lines), encoding="utf-8")
        assert not all(step.is_same for step in replay(path))

    def test_one_that_breaks_off_within_an_event_ends_there(self, tmp_path: Path) -> None:
        path = tmp_path / "journal"
        recorder = Recorder(path, SETTINGS)
        recorder.begin(BecameLeader(stored=Stored()), 1.0)
        recorder.flush()
        (step,) = replay(path)
        assert step.recorded is None and step.is_same

    def test_a_line_that_a_full_disk_cut_off_ends_it(self, tmp_path: Path) -> None:
        path = tmp_path / "journal"
        live(path)
        whole = len(list(replay(path)))
        path.write_bytes(path.read_bytes()[:-20])
        assert [step.is_same for step in replay(path)] == [True] * (whole - 1)

    @pytest.mark.parametrize("content", [b"", b"{}\n", b"\x00\xff\n", b'{"journal": 7, "settings": {}}\n'])
    def test_other_files_are_refused(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "file"
        path.write_bytes(content)
        with pytest.raises(JournalFault, match=str(path)):
            list(replay(path))

    def test_a_line_that_is_damaged_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "journal"
        live(path)
        lines = path.read_bytes().splitlines(keepends=True)
        lines[3] = lines[3].replace(b"[", b"[[", 1)
        path.write_bytes(b"".join(lines))
        with pytest.raises(JournalFault, match="event 3 cannot be read"):
            list(replay(path))


class TestFile:
    def test_it_is_bounded(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        path = tmp_path / "journal"
        recorder = Recorder(path, SETTINGS, most_bytes=1150)
        for _ in range(100):
            recorder.begin(BecameLeader(stored=Stored()), 1.0)
            recorder.end(())
        recorder.close()
        assert not recorder.is_recording
        assert path.stat().st_size < 1500
        assert len(caplog.messages) == 1 and "may have 1,150" in caplog.messages[0]
        assert len(list(replay(path))) == 4, "what there is can be replayed"

    def test_the_one_before_is_kept(self, tmp_path: Path) -> None:
        for _ in range(3):
            Recorder(tmp_path / "journal", SETTINGS).close()
        assert sorted(file.name for file in tmp_path.iterdir()) == ["journal", "journal.1"]

    def test_a_full_disk_costs_the_journal_and_nothing_else(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        recorder = Recorder(tmp_path / "journal", SETTINGS)
        recorder.close()
        with Path("/dev/full").open("wb") as full:
            recorder._file = full
            recorder.begin(BecameLeader(stored=Stored()), 1.0)
            recorder.end(())
            recorder.flush()
            assert not recorder.is_recording
        assert "cannot be written: No space left" in caplog.messages[0]
