"""Launches that never come to their executor, on real Mesos: what is said of them, and that all is well in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.archive import build_archive
from framework.local.cluster import Cluster
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.zookeeper]

STACK = "services: {work: {command: sleep 600, resources: {cpus: 0.05, memory: 8M}, instances: 2}}"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The address from which agents fetch the executor; nothing is there at first."""
    return tmp_path / "files" / "executor.pyz"


@pytest.fixture
def cluster(archive: Path, tmp_path: Path) -> Iterator[Cluster]:
    flags = {"executor-url": str(archive)}
    with running_cluster(tmp_path / "cluster", agents=1, schedulers=1, scheduler_flags=flags) as cluster:
        yield cluster


def test_what_cannot_be_fetched_or_does_not_start_is_tried_again_and_told(
    cluster: Cluster, archive: Path, tmp_path: Path
) -> None:
    cli = Cli(cluster.url)
    (tmp_path / "stack.yml").write_text(STACK, encoding="utf-8")
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "lost")

    def waits(*words: str) -> bool:
        causes = str(cli.json("info", "lost/work"))
        return all(word in causes for word in words)

    eventually(lambda: waits(" s after: Failed to launch container"), "a back-off begins: there is no archive")
    ends = cli.ended("lost")
    assert {(end["state"], end["reason"]) for end in ends} == {("FAILED", "REASON_CONTAINER_LAUNCH_FAILED")}
    assert max(end["attempt"] for end in ends) >= 3, "the first ones began none"
    archive.parent.mkdir()
    archive.write_text("raise SystemExit('this is no executor')", encoding="utf-8")
    ended = ("FAILED", "REASON_EXECUTOR_TERMINATED")
    eventually(
        lambda: ended in {(end["state"], end["reason"]) for end in cli.ended("lost")}, "an executor that ends at once"
    )
    archive.unlink()
    build_archive(archive)
    eventually(lambda: [task["state"] for task in cli.tasks("lost")] == ["RUNNING"] * 2, "both run")
    assert {"@" in task["executor_id"] for task in cli.tasks("lost")} == {False}
    cli.run("remove", "lost", "--yes", "--wait")
