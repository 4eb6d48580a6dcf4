"""The file that holds a backup, and what is found wrong with a store; without ZooKeeper."""

from __future__ import annotations

import gzip
import io
import json
import stat
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from framework.adapters import backup_file, marks, records, spec_records
from framework.adapters.backup_file import BackupFault
from framework.adapters.checking import Report, Severity, check
from framework.adapters.marks import Epoch
from specs.ids import TaskId, VersionId
from specs.states import Goal, TaskState
from tests.kit.backups import AGENT, backup, tree
from tests.kit.stored import VERSION, stored_stack, stored_task, stored_version


def said(report: Report) -> list[str]:
    return [f"{finding.severity.value}: {finding.text}" for finding in report.findings]


class TestCheck:
    def test_nothing_is_wrong_with_what_a_scheduler_writes(self) -> None:
        report = check(tree(stored_task(1), stored_task(51)))
        assert said(report) == []
        assert report.is_good
        assert (report.schema, report.epoch, report.framework_id, report.next_serial) == (3, 3, "f-1", 100)
        counts = report.counts
        assert (counts.stacks, counts.versions, counts.tasks, counts.living, counts.agents) == (1, 1, 2, 2, 1)
        assert report.highest_serial == 51
        assert counts.bytes == sum(len(data) for data in tree(stored_task(1), stored_task(51)).values())

    def test_an_ended_task_is_counted_but_nothing_is_asked_of_it(self) -> None:
        ended = stored_task(2, state=TaskState.FAILED, version=VersionId("ffffffffffff"))
        report = check(tree(ended, framework_id=""))
        assert report.is_good
        assert (report.counts.tasks, report.counts.living) == (1, 0)

    @pytest.mark.parametrize(
        ("path", "data", "says"),
        [
            ("/schema", None, "/schema is not there"),
            ("/schema", b"mine", "/schema is not ours"),
            ("/schema", marks.restoring_node(), "/schema says that a backup is being restored"),
            ("/schema", b'{"kind": "mesos-framework", "schema": 9}', "/schema has schema 9, and this program knows"),
            ("/epoch", b"7", "/epoch is no epoch"),
            ("/epoch", None, "/epoch is not there"),
            ("/tasks", None, "/tasks is not there: no scheduler can read this store"),
            ("/framework", b"{}", "/framework is no FrameworkRecord"),
            ("/tasks/0", b"{}", "/tasks/0 is no TaskBucket"),
            ("/tasks/0", b"\x08\x09", "/tasks/0 has schema 9, and this program knows schemas up to 3: a newer"),
            ("/tasks/5", records.bucket_node([records.task_bytes(stored_task(1))]), "/tasks/5 has task shop.web"),
            ("/tasks/0", records.bucket_node([records.task_bytes(stored_task(1))] * 2), "/tasks/0 has two tasks with"),
            (
                "/tasks/0",
                records.bucket_node([records.task_bytes(stored_task(1, id=TaskId("me")))]),
                "/tasks/0 has a task id 'me': wanted",
            ),
            ("/agents/1", records.bucket_node([records.agent_bytes(AGENT)]), "/agents/1 has agent"),
            ("/stacks/shop", spec_records.stack_node(stored_stack("other")), "/stacks/shop names stack 'other'"),
            (f"/versions/shop/{VERSION}", None, "/stacks/shop says that shop/web00000"),
            (f"/versions/shop/{VERSION}", records.version_node(stored_version()), f"/versions/shop/{VERSION} names"),
        ],
    )
    def test_what_keeps_a_scheduler_from_starting_is_damage(self, path: str, data: bytes | None, says: str) -> None:
        report = check(tree(more={path: data}))
        assert report.damages[0].text.startswith(says)
        assert says.split()[0] == report.damages[0].path
        assert not report.is_good

    def test_living_tasks_without_a_framework_id_are_damage(self) -> None:
        assert said(check(tree(stored_task(1), framework_id=""))) == [
            "damage: /framework has no framework id, yet 1 tasks live: a scheduler refuses to start them a second time"
            " as a new framework"
        ]

    def test_faults(self) -> None:
        twin = replace(stored_task(51), slot=1)
        lost = stored_task(101, version=VersionId("ffffffffffff"), goal=Goal.STOP)
        one, other = stored_task(1), twin
        assert said(check(tree(one, other, lost))) == [
            f"fault: /tasks/1 has task {lost.id} of version ffffffffffff: /versions/shop/ffffffffffff is not there",
            f"fault: /tasks/0 and others have 2 tasks for slot 1 of {one.group}: {one.id} and {other.id}",
            f"note: /tasks/1 has task {lost.id}, and /framework says that 100 is the next number; the next scheduler"
            " goes on above the highest",
        ]

    def test_notes_are_harmless(self) -> None:
        unused = records.version_node(stored_version(number=7))
        report = check(
            tree(stored_task(2), more={"/mine": b"", "/tasks/mine": b"", "/versions/shop/000000000007": unused})
        )
        assert report.is_good
        assert sorted(finding.path for finding in report.findings) == [
            "/mine",
            "/tasks/0",  # its agent
            "/tasks/mine",
            "/versions/shop/000000000007",
        ]

    def test_large_nodes_are_spoken_of_before_they_are_too_large(self) -> None:
        near, over = b"x" * 850_000, b"x" * 1_000_001
        found = {
            finding.path: finding
            for finding in check(tree(more={"/mine": near, "/yours": over})).findings
            if "bytes" in finding.text
        }
        assert found["/mine"].text == "/mine has 850,000 bytes, near the limit of 1,000,000"
        assert found["/mine"].severity is Severity.NOTE
        assert found["/yours"].severity is Severity.FAULT

    def test_an_older_store_has_no_agents(self) -> None:
        older = tree(more={"/schema": b'{"kind": "mesos-framework", "schema": 1}', "/agents": None})
        assert check({path: data for path, data in older.items() if not path.startswith("/agents")}).is_good


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.backup"


class TestFile:
    def test_it_reads_what_it_wrote_and_is_for_its_owner_only(self, file: Path) -> None:
        size = backup_file.write(file, backup())
        assert backup_file.read(file) == backup()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.stat().st_size == size
        assert [each.name for each in file.parent.iterdir()] == [file.name]

    def test_equal_backups_are_equal_files(self, file: Path) -> None:
        other = file.with_name("other")
        backup_file.write(file, backup())
        backup_file.write(other, backup())
        assert file.read_bytes() == other.read_bytes()

    def test_it_is_a_plain_archive(self, file: Path) -> None:
        backup_file.write(file, backup())
        with tarfile.open(file) as archive:
            names = archive.getnames()
            stream = archive.extractfile("manifest.json")
            assert stream is not None
            manifest = json.load(stream)
        assert names[0] == "manifest.json"
        assert "nodes/tasks/1" in names
        assert "nodes/tasks" not in names
        assert manifest["when"] == "2023-11-14T22:13:20+00:00"
        assert (manifest["root"], manifest["schema"], manifest["counts"]["tasks"]) == ("/framework", 3, 2)

    def test_a_file_that_is_there_is_replaced_only_if_asked(self, file: Path) -> None:
        file.write_text("mine")
        with pytest.raises(BackupFault, match="is there already"):
            backup_file.write(file, backup())
        assert file.read_text() == "mine"
        backup_file.write(file, backup(), may_replace=True)
        assert backup_file.read(file) == backup()

    def test_what_cannot_be_written_is_said_and_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(BackupFault, match=r"away/file cannot be written: No such file or directory"):
            backup_file.write(tmp_path / "away" / "file", backup())
        with pytest.raises(BackupFault, match="cannot be read: No such file"):
            backup_file.read(tmp_path / "away" / "file")

    @pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.6, 0.9, 0.99])
    def test_one_that_is_cut_off_is_refused(self, file: Path, share: float) -> None:
        backup_file.write(file, backup())
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(BackupFault, match=r"is no backup|is cut off or damaged|lacks \d+ of the"):
            backup_file.read(file)

    def test_a_flipped_bit_is_found_or_changes_nothing(self, file: Path) -> None:
        backup_file.write(file, backup())
        whole = file.read_bytes()
        for place in range(10, len(whole), 7):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
            try:
                with gzip.open(file) as stream:
                    is_same = stream.read() == gzip.decompress(whole)
            except (OSError, EOFError, zlib.error):
                is_same = False
            if is_same:
                assert backup_file.read(file) == backup()
            else:
                with pytest.raises(BackupFault):
                    backup_file.read(file)

    def test_edits_are_named(self, file: Path) -> None:
        for edit, says in (
            ({"nodes/epoch": b"7"}, "node /epoch has 1 bytes, and had"),
            (
                {"nodes/epoch": marks.epoch_node(Epoch(number=4, transaction=8, holder="a:1"))},
                "node /epoch is not what",
            ),
            ({"nodes/tasks/0": None}, "lacks 1 of the 8 nodes of its manifest, such as /tasks/0"),
            ({"nodes/tasks/9": b""}, "it holds 'nodes/tasks/9', of which its manifest does not know"),
            ({"../etc/passwd": b""}, "it holds '../etc/passwd'"),
            ({"manifest.json": b'{"kind": "other"}'}, "its manifest is of kind 'other'"),
            ({"manifest.json": b'{"kind": "mesos-framework-backup", "format": 2}'}, "has format 2, and this program"),
            (
                {"manifest.json": b'{"kind": "mesos-framework-backup", "format": 1, "sha256": ""}'},
                "was edited: its own",
            ),
            ({"manifest.json": b"[]"}, "manifest.json is not as a framework writes it"),
        ):
            backup_file.write(file, backup(), may_replace=True)
            _edit(file, edit)
            with pytest.raises(BackupFault) as caught:
                backup_file.read(file)
            assert says in str(caught.value)
            assert str(file) in str(caught.value)

    @pytest.mark.parametrize(
        "content",
        [b"", b"mine", gzip.compress(b"mine"), gzip.compress(b"\0" * 10240)],
        ids=["empty", "text", "folded text", "folded zeros"],
    )
    def test_other_files_are_no_backups(self, file: Path, content: bytes) -> None:
        file.write_bytes(content)
        with pytest.raises(BackupFault, match="is no backup"):
            backup_file.read(file)


def _edit(file: Path, edit: Mapping[str, bytes | None]) -> None:
    """Changes members of an archive, adds those that it has not, and takes out those that are None."""
    with tarfile.open(file) as archive:
        found: dict[str, bytes | None] = {}
        for member in archive:
            stream = archive.extractfile(member)
            found[member.name] = stream.read() if stream else b""
    with tarfile.open(file, "w:gz") as archive:
        for name, data in {**found, **edit}.items():
            if data is not None:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
