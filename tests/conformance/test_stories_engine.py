"""Never lost, never doubled: the Docker engine is killed and frozen, on a cluster with an engine of its own.

`make stories` runs these; test_executor_engine.py has what runs with every test.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest

from tests.kit.cluster import running_cluster
from tests.kit.engine import OwnEngine, own_engine
from tests.kit.executors import executors_of
from tests.kit.stages import SESSION_SECONDS
from tests.kit.story import Stage, docker, passes, workers

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper, pytest.mark.stories]

ENGINE_SECONDS = 120
"""For so long an executor waits for an engine that takes a call and does not answer it."""


@pytest.fixture(scope="module")
def engine() -> Iterator[OwnEngine]:
    with own_engine() as own:
        yield own


class EngineStage(Stage):
    """Its containers are in the engine's network, where only they reach each other."""

    def visit(self, task_id: str, url: str) -> str:
        return docker("exec", task_id, "timeout", "3", "wget", "-q", "-O", "-", url)


@pytest.fixture(scope="module")
def engine_stage(engine: OwnEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running_cluster(
        tmp_path_factory.mktemp("engine"),
        agents=2,
        schedulers=2,
        agent_flags={"executor_environment_variables": json.dumps(engine.environment)},
        scheduler_flags={"executor-idle": "5s", "session-timeout": f"{SESSION_SECONDS}s"},
    ) as cluster:
        yield EngineStage(cluster, tmp_path_factory.mktemp("stacks"))


@pytest.fixture
def stage(engine_stage: Stage) -> Iterator[Stage]:
    yield engine_stage
    engine_stage.clear()


def executors(stage: Stage) -> list[int]:
    return [pid for agent in ("agent1", "agent2") for pid in executors_of(stage.cluster, agent)]


def test_the_engine_is_killed(stage: Stage, engine: OwnEngine) -> None:
    """Its containers run on without it and end when it is back (live-restore is off): others take their slots."""
    stage.submit("engine", workers(6))
    before, of_agents = set(stage.ids("engine")), executors(stage)
    engine.stop(signal.SIGKILL)
    engine.start()
    stage.at_rest("engine", 6, 120, without=before)
    assert executors(stage) == of_agents, "no executor ended"


def test_the_engine_and_the_leader_are_killed_during_a_launch(stage: Stage, engine: OwnEngine) -> None:
    stage.submit("start", workers(2))
    stage.cli.run("scale", "start/work", "30")
    stage.until(lambda: len(stage.containers("start")) > 2, "start", "one more is there")
    engine.stop(signal.SIGKILL)
    stage.kill(stage.leader())
    engine.start()
    stage.at_rest("start", 30, 180)


def test_the_engine_is_frozen_for_longer_than_executors_wait(stage: Stage, engine: OwnEngine) -> None:
    """Running tasks are left alone; pending ones start when the engine answers again."""
    stage.submit("cold", workers(4))
    before, of_agents = stage.running("cold"), executors(stage)
    with engine.frozen():
        stage.cli.run("scale", "cold/work", "8")
        passes(ENGINE_SECONDS + 10)
    stage.at_rest("cold", 8, 180)
    assert stage.running("cold").items() >= before.items(), "what ran was not touched"
    assert executors(stage) == of_agents, "no executor ended"
