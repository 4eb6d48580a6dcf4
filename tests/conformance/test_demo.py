"""The tour of `make demo`, on a real cluster with the real scheduler, executor and containers."""

import re

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


def page_after(said: str, command: str) -> str:
    """The page that the tour's curl showed."""
    return said.partition(command)[2].partition("\n")[2].partition("\n\n")[0]


def asked(page: str) -> list[str]:
    """Which services answered, each below the one that asked it."""
    return re.findall(r"(?:from \w+\.|^ +)(\w+)(?=\.| says)", page, re.MULTILINE)


def test_the_tour_shows_what_runs_and_down_leaves_nothing(
    new_cluster: NewCluster, images: None, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster = new_cluster(schedulers=1, dns=engine.bridge_address(), balancer=True)
    ids = agent_ids(cluster.directory)
    run(cluster)
    said = capfd.readouterr().out
    assert "shop/web" in said
    shop, other = (page_after(said, f"Host: {stack}.example") for stack in ("shop", "other"))
    assert asked(shop) == ["web", "auth", "redis", "catalogue", "redis", "pricing"]
    assert asked(other) == asked(shop) and "from shop." not in other and "from other." not in shop
    assert "has no endpoint any more" in said
    assert len(containers_of(ids)) >= 17
    cluster.down()
    assert containers_of(ids) == []
