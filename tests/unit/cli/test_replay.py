"""framework replay"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from framework.core.events import BecameLeader
from framework.core.model import Stored
from framework.recorder import Recorder
from tests.kit.conversation import SETTINGS
from tests.kit.recorded import SECRET, live
from tests.unit.cli.conftest import Run


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    live(tmp_path / "journal")
    return tmp_path / "journal"


def test_the_same_comes_of_it(run: Run, journal: Path) -> None:
    result = run("replay", str(journal))
    assert result.exit_code == 0
    assert "The same" in result.stdout


def test_it_shows_what_happened_and_no_secret(run: Run, journal: Path) -> None:
    shown = run("replay", str(journal), "--show").stdout
    assert "StackSubmitted(" in shown and "    Accept(" in shown
    assert SECRET not in shown


def test_it_stops_where_it_is_told(run: Run, journal: Path) -> None:
    assert "of 2 events" in run("replay", str(journal), "--upto", "2").stdout
    assert sum(json.loads(run("replay", str(journal), "--upto", "2", "--json").stdout)["events"].values()) == 2


def test_the_first_difference_is_shown_with_its_event(run: Run, journal: Path) -> None:
    text = journal.read_text(encoding="utf-8")
    journal.write_text(text.replace('"Subscribe ', '"Suppress ', 1), encoding="utf-8")
    result = run("replay", str(journal))
    assert result.exit_code == 1
    assert "Something else came of event 1" in result.stdout
    assert "BecameLeader(" in result.stdout and "recorded: Suppress " in result.stdout
    assert json.loads(run("replay", str(journal), "--json").stdout)["difference"]["number"] == 1


def test_a_journal_that_breaks_off(run: Run, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "journal", SETTINGS)
    recorder.begin(BecameLeader(stored=Stored()), 1.0)
    recorder.close()
    result = run("replay", str(tmp_path / "journal"))
    assert (result.exit_code, result.stdout) == (0, "The same 1 command came of 1 event.\n")


@pytest.mark.parametrize(("name", "code"), [("nothing", 2), ("stack.yml", 1)])
def test_other_files(run: Run, tmp_path: Path, name: str, code: int) -> None:
    (tmp_path / "stack.yml").write_text("services: {}\n", encoding="utf-8")
    result = run("replay", str(tmp_path / name))
    assert result.exit_code == code and name in result.stderr
