"""Settings that are applied to running containers, and signals that they get, on real Mesos and Docker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

STACK = """
name: shop
services:
  config:
    image: framework-demo/busybox:1
    command: ["sh", "-c", "while :; do sleep 1; done"]
    environment: {SETTING: "SETTING"}
    resources: {cpus: 0.1, memory: 16M}
    stop: {grace: 1s}
  web:
    image: framework-demo/busybox:1
    command:
      - sh
      - -c
      - |
        trap 'echo "$$FRAMEWORK_SLOT reads anew" >> /out/said' HUP
        while :; do sleep 1 & wait $$!; done
    volumes: ["DIRECTORY:/out"]
    resources: {cpus: 0.1, memory: 16M}
    depends_on:
      config: {condition: started, on_change: signal HUP}
    groups: [{labels: [prod], instances: 2}]
    stop: {grace: 1s}
"""
HEALTH = '    health: {command: "test ! -e /out/sick", interval: 1s, timeout: 5s, grace: 1s, failures: 0}\n'


def test_running_containers_get_checks_and_signals(tmp_path: Path, images: None) -> None:
    out, file = tmp_path / "out", tmp_path / "shop.yml"
    out.mkdir()
    text = STACK.replace("DIRECTORY", str(out))

    def submit(text: str) -> None:
        file.write_text(text, encoding="utf-8")
        cli.run("submit", str(file), "--wait")

    def running() -> dict[str, str]:
        return {task["id"]: task["container_id"] for task in cli.tasks("shop/web")}

    def health() -> set[str]:
        return {task["health"] for task in cli.tasks("shop/web")}

    with running_cluster(tmp_path / "cluster", agents=2, schedulers=1) as cluster:
        cli = Cli(cluster.url)
        submit(text)
        before = running()
        assert len(before) == 2 and health() == {"NONE"}

        file.write_text(text + HEALTH, encoding="utf-8")
        assert "applied in place; running tasks stay (2)" in cli.run("plan", str(file)).stdout
        submit(text + HEALTH)
        assert running() == before and health() == {"HEALTHY"}
        (out / "sick").touch()
        eventually(lambda: health() == {"UNHEALTHY"}, "the new check is asked")
        submit(text)
        assert running() == before and health() == {"NONE"}
        assert all(task["is_ready"] for task in cli.tasks("shop/web")), "without a check there is nothing against them"

        file.write_text(text + HEALTH, encoding="utf-8")
        cli.run("submit", str(file))
        eventually(lambda: health() == {"UNHEALTHY"}, "a task that was ill before it was asked is found out")
        assert running() == before
        assert all(task["is_ready"] and task["is_on_probation"] for task in cli.tasks("shop/web")), "and serves on"
        (out / "sick").unlink()
        cli.run("submit", str(file), "--wait")
        assert running() == before and health() == {"HEALTHY"}
        submit(text)
        assert cli.json("rollout", "history", "shop")["rollouts"] == [], "none of this was a rollout"

        submit(text.replace('"SETTING"', '"another"'))
        eventually(
            lambda: (out / "said").exists() and len((out / "said").read_text().splitlines()) == 2, "each gets a signal"
        )
        assert sorted((out / "said").read_text().splitlines()) == ["0 reads anew", "1 reads anew"]
        assert running() == before
