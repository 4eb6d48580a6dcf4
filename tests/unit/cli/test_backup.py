"""`framework backup`, `restore` and `store check`: what they say and end with; ZooKeeper's part is played."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from framework.adapters import backup_file, restoring
from framework.adapters import snapshot as taking
from framework.adapters.marks import restoring_node
from framework.adapters.restoring import Restored
from framework.adapters.snapshot import Snapshot
from framework.ports import StoreFault
from specs.urls import parse_url
from tests.kit.backups import backup, tree
from tests.kit.stored import stored_task
from tests.unit.cli.conftest import Run

ZK = "zk://10.0.0.7:2181/framework"


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says what is below the root."""

    def put(found: dict[str, bytes], **more: Any) -> None:
        snapshot = Snapshot(url=parse_url(ZK, "zk"), taken_at=1.7e9, nodes=found, **more)
        monkeypatch.setattr(taking, "take", lambda url, on_problem: snapshot)

    return put


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The requested restores: the url, and whether it replaces."""
    asked: list[tuple[str, bool]] = []

    def restore(_backup: Any, url: str, *, replaces: bool, on_problem: Any, is_as_new: bool) -> Restored:
        asked.append((url, replaces))
        return Restored(epoch=4, next_serial=1_000_100, written=9, removed=0, former_id="f-1" if is_as_new else "")

    monkeypatch.setattr(restoring, "restore", restore)
    return asked


@pytest.fixture
def file(tmp_path: Path) -> Path:
    name = tmp_path / "store.backup"
    backup_file.write(name, backup())
    return name


class TestBackup:
    def test_it_says_what_it_wrote_and_that_it_is_secret(
        self, run: Run, there: Callable[..., None], tmp_path: Path
    ) -> None:
        there(tree(stored_task(1)))
        done = run("backup", str(tmp_path / "new"), "--zk", ZK)
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith(f"{ZK} is backed up to {tmp_path / 'new'} (")
        assert "1 stack, 1 version, 1 task (1 living), 1 agent; 14 nodes," in done.stdout
        assert "as secret as the stack files" in done.stderr
        assert backup_file.read(tmp_path / "new").manifest.root == "/framework"

    def test_json(self, run: Run, there: Callable[..., None], tmp_path: Path) -> None:
        there(tree(stored_task(1)))
        done = json.loads(run("backup", str(tmp_path / "new"), "--zk", ZK, "--json").stdout)
        assert (done["epoch"], done["counts"]["tasks"], done["is_good"]) == (3, 1, True)

    def test_a_damaged_store_is_backed_up_as_it_is_and_said(
        self, run: Run, there: Callable[..., None], tmp_path: Path
    ) -> None:
        there(tree(more={"/tasks/0": b"rubbish"}))
        done = run("backup", str(tmp_path / "new"), "--zk", ZK)
        assert done.exit_code == 1
        assert "damage: /tasks/0 is no TaskBucket" in done.stderr
        assert (tmp_path / "new").exists()

    @pytest.mark.parametrize(
        ("found", "more", "says"),
        [
            ({}, {}, "is not a framework's store: there is nothing to back up"),
            ({"/json.info_1": b""}, {}, "is not a framework's store"),
            ({"/schema": restoring_node()}, {}, "is being restored, or that broke off"),
            (tree(), {"is_consistent": False}, "changed each of the 100 times it was read"),
        ],
    )
    def test_what_is_no_store_or_never_rests_is_refused(
        self,
        run: Run,
        there: Callable[..., None],
        tmp_path: Path,
        found: dict[str, bytes],
        more: dict[str, Any],
        says: str,
    ) -> None:
        there(found, **more)
        done = run("backup", str(tmp_path / "new"), "--zk", ZK)
        assert done.exit_code == 1
        assert says in done.stderr
        assert not (tmp_path / "new").exists()

    def test_a_file_that_is_there_is_kept(self, run: Run, there: Callable[..., None], file: Path) -> None:
        there(tree())
        done = run("backup", str(file), "--zk", ZK)
        assert done.exit_code == 1
        assert "is there already; name another file, or replace it with --force" in done.stderr
        assert run("backup", str(file), "--zk", ZK, "--force").exit_code == 0

    def test_where_is_asked_for(self, run: Run, tmp_path: Path) -> None:
        done = run("backup", str(tmp_path / "new"))
        assert done.exit_code == 2
        assert "--zk" in done.stderr
        done = run("backup", str(tmp_path / "new"), "--zk", "http://x")
        assert done.exit_code == 2
        assert "wanted zk://HOST:PORT,HOST:PORT/PATH" in done.stderr


class TestRestore:
    def test_into_nothing(
        self, run: Run, there: Callable[..., None], restored: list[tuple[str, bool]], file: Path
    ) -> None:
        there({})
        done = run("restore", str(file), "--zk", ZK)
        assert done.exit_code == 0, done.output
        assert restored == [(ZK, False)]
        assert done.stdout.startswith(f"{ZK} holds what /framework held on 2023-11-14 22:13:20: 1 stack,")
        assert "Epoch 4; task numbers go on from 1000100. Start the scheduler now." in done.stdout

    def test_as_a_new_framework_it_says_what_becomes_of_what_runs(
        self, run: Run, there: Callable[..., None], restored: list[tuple[str, bool]], file: Path
    ) -> None:
        there({})
        done = run("restore", str(file), "--zk", ZK, "--as-new")
        assert (done.exit_code, restored) == (0, [(ZK, False)])
        assert (
            "It has no framework id: Mesos gives the scheduler a new one, and all tasks are started afresh."
            in done.stdout
        )
        first, second, third = done.stderr.splitlines()
        assert first.startswith("What still runs of framework f-1 (") and "is not taken over." in first
        assert "`docker ps --filter label=framework.framework_id=f-1` shows what is left" in second
        assert third.startswith("If Mesos has not removed it")

    def test_what_is_there_is_replaced_only_if_told_twice(
        self, run: Run, there: Callable[..., None], restored: list[tuple[str, bool]], file: Path
    ) -> None:
        there(tree(stored_task(1), framework_id="f-other"))
        done = run("restore", str(file), "--zk", ZK)
        assert (done.exit_code, restored) == (1, [])
        assert "is not empty: it holds 1 stack and 1 task (1 living)" in done.stderr
        done = run("restore", str(file), "--zk", ZK, "--replace")
        assert (done.exit_code, restored) == (2, [])
        assert "/framework holds 1 stack" in done.stderr
        done = run("restore", str(file), "--zk", ZK, "--replace", "--yes")
        assert (done.exit_code, restored) == (0, [(ZK, True)])
        assert "belonged to framework f-other before, and belongs to f-1 now" in done.stderr

    def test_never_while_somebody_leads(
        self, run: Run, there: Callable[..., None], restored: list[tuple[str, bool]], file: Path
    ) -> None:
        there(tree(), leader="10.0.0.1:8080")
        done = run("restore", str(file), "--zk", ZK, "--replace", "--yes")
        assert (done.exit_code, restored) == (1, [])
        assert "10.0.0.1:8080 leads on" in done.stderr

    def test_a_cut_off_file_is_refused_before_anything_is_looked_at(
        self, run: Run, restored: list[tuple[str, bool]], file: Path
    ) -> None:
        file.write_bytes(file.read_bytes()[:-200])
        done = run("restore", str(file), "--zk", ZK)
        assert (done.exit_code, restored) == (1, [])
        assert "is no backup, or is cut off or damaged" in done.stderr

    def test_one_that_no_scheduler_starts_with_is_refused(
        self, run: Run, restored: list[tuple[str, bool]], tmp_path: Path
    ) -> None:
        backup_file.write(tmp_path / "bad", backup(tree(more={"/tasks/0": b"rubbish"})))
        done = run("restore", str(tmp_path / "bad"), "--zk", ZK)
        assert (done.exit_code, restored) == (1, [])
        assert "no scheduler would start with it: /tasks/0 is no TaskBucket" in done.stderr

    def test_json(self, run: Run, there: Callable[..., None], restored: list[tuple[str, bool]], file: Path) -> None:
        there({})
        done = json.loads(run("restore", str(file), "--zk", ZK, "--json").stdout)
        assert (done["epoch"], done["next_serial"], done["written"]) == (4, 1_000_100, 9)


class TestCheck:
    def test_a_store_in_order(self, run: Run, there: Callable[..., None]) -> None:
        there(tree(stored_task(1)))
        done = run("store", "check", "--zk", ZK)
        assert done.exit_code == 0
        lines = done.stdout.splitlines()
        assert lines[0].startswith(f"{ZK}: 1 stack, 1 version, 1 task (1 living)")
        assert lines[1] == "schema 3, epoch 3, framework id f-1, next task number 100 (the highest given is 1)"
        assert lines[-1] == "in order"

    def test_what_is_wrong_is_said_the_worst_first(self, run: Run, there: Callable[..., None]) -> None:
        there(tree(stored_task(1), stored_task(101), more={"/mine": b"", "/tasks/7": b"\x08\x09"}))
        done = run("store", "check", "--zk", ZK)
        assert done.exit_code == 1
        kinds = [line.split(": ")[0] for line in done.stdout.splitlines() if ": /" in line]
        assert kinds == ["damage", "note", "note"]
        found = json.loads(run("store", "check", "--zk", ZK, "--json").stdout)
        assert found["is_good"] is False
        assert found["findings"][0]["path"] == "/tasks/7"

    def test_a_backup(self, run: Run, file: Path) -> None:
        done = run("store", "check", str(file))
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith(f"{file}: 1 stack")

    def test_nothing_and_nobody(self, run: Run, there: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
        assert run("store", "check").exit_code == 2
        there({})
        assert "There is nothing at" in run("store", "check", "--zk", ZK).stderr
        there({"/mine": b""})
        assert "has no /schema" in run("store", "check", "--zk", ZK).stderr

        def fail(url: str, on_problem: Any) -> None:
            raise StoreFault(f"{url}: gave up after 15 s: it is not there", temporary=True)

        monkeypatch.setattr(taking, "take", fail)
        done = run("store", "check", "--zk", ZK)
        assert (done.exit_code, done.stderr) == (1, f"{ZK}: gave up after 15 s: it is not there\n")
