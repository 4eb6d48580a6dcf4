"""The order in which the groups of a stack start, stop and are changed, as their containers write it down: on real
Mesos and Docker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

STACK = """
services:
  redis: &service
    image: framework-demo/busybox:1
    command:
      - sh
      - -c
      - |
        echo "$$FRAMEWORK_SERVICE starts" >> /out/said
        trap 'sleep 1; echo "$$FRAMEWORK_SERVICE stops" >> /out/said; exit 0' TERM
        while :; do sleep 1 & wait $$!; done
    environment: {SETTING: "${SETTING}"}
    volumes: ["DIRECTORY:/out"]
    resources: {cpus: 0.1, memory: 16M}
  migrate:
    <<: *service
    command: ["sh", "-c", "sleep 1; echo migrate ${MIGRATION} >> /out/said; exit ${EXIT:-0}"]
    environment: {SETTING: "${MIGRATION}"}
    depends_on: [redis]
    restart: "no"
  web:
    <<: *service
    environment: {SETTING: "${MIGRATION}"}
    depends_on:
      redis: {condition: started, on_change: restart}
      migrate: {condition: service_completed_successfully}
  mail:
    <<: *service
    environment: {}
    depends_on: [redis]
"""


class Shop:
    """A stack whose containers write to one file; `said` is what they have since it was last asked."""

    def __init__(self, cli: Cli, directory: Path) -> None:
        self.cli = cli
        self._out = directory / "out"
        self._out.mkdir()
        self._file = directory / "stack.yml"
        self._seen = 0

    def submit(self, setting: str, migration: str, status: int = 0, *, code: int | None = 0) -> str:
        self._file.write_text(STACK.replace("DIRECTORY", str(self._out)), encoding="utf-8")
        values = {"SETTING": setting, "MIGRATION": migration, "EXIT": str(status)}
        os.environ.update(values)
        try:
            done = self.cli.run("submit", str(self._file), "--name", "shop", "--wait", code=code)
        finally:
            for name in values:
                del os.environ[name]
        return done.stdout + done.stderr

    def all(self) -> list[str]:
        path = self._out / "said"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def said(self, count: int) -> list[str]:
        """The next lines, so many."""
        eventually(lambda: len(self.all()) >= self._seen + count, f"{count} more lines, after {self.all()}")
        lines = self.all()[self._seen :]
        self._seen += len(lines)
        assert len(lines) == count, lines
        return lines


def test_start_change_and_stop_in_order(tmp_path: Path, images: None) -> None:
    with running_cluster(tmp_path / "cluster", agents=2, schedulers=1) as cluster:
        cli = Cli(cluster.url)
        shop = Shop(cli, tmp_path)
        shop.submit("1", "1")
        lines = shop.said(4)
        assert [line for line in lines if line != "mail starts"] == ["redis starts", "migrate 1", "web starts"], lines
        assert lines[0] == "redis starts"

        shop.submit("2", "1")
        assert shop.said(4) == ["redis stops", "redis starts", "web stops", "web starts"], "mail runs on"
        web = cli.tasks("shop/web")
        assert len(web) == 1

        shop.submit("2", "2")
        assert shop.said(3) == ["migrate 2", "web stops", "web starts"], "the changed step ran first"

        words = shop.submit("2", "3", 3, code=1)
        assert "migrate" in words, words
        assert shop.said(1) == ["migrate 3"]
        (kept,) = cli.tasks("shop/web")
        assert kept["is_outdated"] and kept["state"] == "RUNNING", "it waits for the step that failed"

        shop.submit("2", "4")
        assert shop.said(3) == ["migrate 4", "web stops", "web starts"]

        cli.run("stop", "shop/*", "--wait")
        lines = shop.said(3)
        assert sorted(lines[:2]) == ["mail stops", "web stops"] and lines[2] == "redis stops", lines
        cli.run("start", "shop/*", "--wait")
        assert shop.said(3)[0] == "redis starts"
        cli.run("remove", "shop", "--yes", "--wait")
        lines = shop.said(3)
        assert sorted(lines[:2]) == ["mail stops", "web stops"] and lines[2] == "redis stops", lines
