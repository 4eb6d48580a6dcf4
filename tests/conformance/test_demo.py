"""The tour of `make demo`, on a real cluster with the real scheduler, executor and containers."""

import pytest

from framework.local import engine
from framework.local.demo import run
from framework.local.leftovers import AGENT_LABEL, agent_ids
from tests.kit.cluster import NewCluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker]


def containers_of(ids: list[str]) -> list[str]:
    with engine.connection() as client:
        found = client.containers.list(filters={"label": AGENT_LABEL})
        return [container.name for container in found if container.labels[AGENT_LABEL] in ids]


def test_the_tour_shows_what_runs_and_down_leaves_nothing(
    new_cluster: NewCluster, images: None, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster = new_cluster(schedulers=1)
    ids = agent_ids(cluster.directory)
    run(cluster)
    said = capfd.readouterr().out
    assert "shop/web" in said
    assert "from shop.web" in said
    assert len(containers_of(ids)) >= 8
    cluster.down()
    assert containers_of(ids) == []
