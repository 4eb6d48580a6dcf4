"""The example stack with routes behind a real balancer, under load: nothing of what is asked is lost."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.kit.balancers import Balancer, running_balancer
from tests.kit.cli import EXAMPLES, eventually
from tests.kit.story import Stage
from tests.kit.traffic import Traffic

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

EXAMPLE = (EXAMPLES / "routes.yml").read_text(encoding="utf-8")
GREEN = EXAMPLE.replace("blue", "green")
HOST = "site.example.org"


def test_the_example_stack_is_updated_and_scaled_under_load_without_a_lost_request(
    stage: Stage, tmp_path: Path
) -> None:
    with running_balancer("haproxy", stage.cluster, tmp_path / "haproxy") as balancer:
        stage.submit("site", EXAMPLE)
        serves(balancer, HOST)
        loads = balancer.said().count("New worker")
        with Traffic(lambda: f"{balancer.address}:80", HOST) as traffic:
            stage.submit("site", GREEN)
            stage.cli.run("scale", "site/web", "2", "--wait")
            assert balancer.said().count("New worker") == loads, "servers come and go without a reload"
            before = stage.ids("site")
            stage.submit("site", GREEN.replace("www.site", "other").replace("instances: 4", "instances: 2"))
            assert stage.ids("site") == before, "another route restarts nothing"
            serves(balancer, "other.example.org")
            eventually(lambda: balancer.said().count("drains") >= 6, "every task that left was drained first")
        assert traffic.failures == [], balancer.said()
        assert traffic.seconds
        stage.remove("site")


@pytest.mark.stories
def test_nothing_is_lost_while_the_follower_and_the_leader_are_killed_and_all_tasks_replaced(
    stage: Stage, tmp_path: Path
) -> None:
    with running_balancer("haproxy", stage.cluster, tmp_path / "haproxy") as balancer:
        stage.submit("site", EXAMPLE)
        serves(balancer, HOST)
        with Traffic(lambda: f"{balancer.address}:80", HOST) as traffic:
            balancer.end(signal.SIGKILL)
            stage.kill(stage.leader())
            balancer.start()
            stage.cli.run("restart", "site/web", "--wait")
        assert traffic.failures == [], balancer.said()
        stage.remove("site")


def serves(balancer: Balancer, host: str) -> None:
    """Waits until the balancer has an answer for a host."""

    def answers() -> bool:
        with Traffic(lambda: f"{balancer.address}:80", host, clients=1) as look:
            eventually(lambda: look.seconds or look.failures, "an answer, whatever it is")
        return not look.failures

    eventually(answers, f"{host} is served: {balancer.said()}", 60)
