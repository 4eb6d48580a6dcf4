"""The cluster on which the stories happen: one for all of them, since it takes most of a minute to make."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.cluster import running_cluster
from tests.kit.story import Stage

SESSION_SECONDS = 3
PING_SECONDS = 1
PINGS = 3


@pytest.fixture(scope="session")
def whole_stage(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Stage]:
    """Three agents, a master, two schedulers; dead and silent ones are noticed within seconds."""
    with running_cluster(
        tmp_path_factory.mktemp("stories"),
        schedulers=2,
        master_flags={"agent_ping_timeout": f"{PING_SECONDS}secs", "max_agent_ping_timeouts": PINGS},
        scheduler_flags={"executor-idle": "5s", "session-timeout": f"{SESSION_SECONDS}s"},
    ) as cluster:
        yield Stage(cluster, tmp_path_factory.mktemp("stacks"))


@pytest.fixture
def stage(whole_stage: Stage) -> Iterator[Stage]:
    """Starts each story on a cluster that is up and empty, however the one before ended."""
    yield whole_stage
    whole_stage.clear()
