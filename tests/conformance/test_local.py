"""`framework.local` against real ZooKeeper and Mesos."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from framework.cli.local import local
from framework.local import engine, requirements
from framework.local.cluster import Cluster
from framework.local.errors import LocalError
from framework.local.images import BUSYBOX
from framework.local.leftovers import AGENT_LABEL, agent_ids
from framework.local.waiting import wait_for
from tests.kit.cluster import NewCluster, leased_subnet, need, running_cluster

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("local")) as cluster:
        yield cluster


def agents_of(cluster: Cluster) -> list[dict[str, object]]:
    state = cluster.wait_for_leader().get("/state")
    return sorted(state["slaves"], key=lambda agent: str(agent["hostname"]))


def test_three_agents_register_with_ports_of_their_own(cluster: Cluster) -> None:
    agents = agents_of(cluster)
    assert [agent["hostname"] for agent in agents] == ["agent1", "agent2", "agent3"]
    ports = [agent["resources"]["ports"] for agent in agents]  # type: ignore[index]
    assert ports == ["[31000-31499]", "[31500-31999]", "[32000-32499]"]
    assert [agent["attributes"] for agent in agents] == [
        {"rack": "a", "zone": "z1"},
        {"rack": "b", "zone": "z1"},
        {"rack": "c", "zone": "z2"},
    ]


def test_a_killed_agent_is_down_and_comes_back_as_itself(cluster: Cluster) -> None:
    before = agents_of(cluster)
    agent = cluster.daemon("agent2").kill(signal.SIGKILL)
    assert agent.state == "down"
    agent.start().wait()
    wait_for(lambda: cluster.active_agents() == 3, 30, "registration of agent2")
    assert [found["id"] for found in agents_of(cluster)] == [found["id"] for found in before]


def test_a_frozen_daemon_is_said_to_be_frozen(cluster: Cluster) -> None:
    agent = cluster.daemon("agent3")
    assert agent.kill(signal.SIGSTOP).state == "frozen"
    assert agent.kill(signal.SIGCONT).state == "running"


def test_another_process_finds_the_cluster_by_its_directory(cluster: Cluster) -> None:
    found = Cluster(cluster.directory)
    assert found.shape == cluster.shape
    assert {name: daemon.pid for name, daemon in found.daemons.items()} == {
        name: daemon.pid for name, daemon in cluster.daemons.items()
    }


def test_a_second_cluster_at_the_same_addresses_is_refused_and_told_who_is_there(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Cluster(tmp_path_factory.mktemp("other"), subnet=cluster.shape.subnet)
    with pytest.raises(LocalError) as refused:
        other.up()
    pid = cluster.daemon("master1").pid
    assert f"master1's address {cluster.daemon('master1').address} is in use by pid {pid} (" in str(refused.value)
    assert "--subnet N" in str(refused.value)
    assert cluster.active_agents() == 3


def test_another_master_takes_over_when_the_leader_dies(new_cluster: NewCluster) -> None:
    cluster = new_cluster(masters=3, agents=1)
    first = cluster.wait_for_leader()
    first.kill(signal.SIGKILL)
    second = cluster.wait_for_leader()
    assert second.name != first.name
    wait_for(lambda: cluster.active_agents() == 1, 60, f"the agent at {second.name}")
    first.start().wait()
    assert cluster.wait_for_leader().name == second.name


def test_a_master_that_ended_itself_is_started_again_but_not_one_that_was_killed(new_cluster: NewCluster) -> None:
    cluster = new_cluster(agents=1, is_kept=True)
    master = cluster.daemon("master1")
    cluster.daemon("zookeeper").kill(signal.SIGSTOP)
    wait_for(lambda: master.restarts > 0, 60, "a master that has lost ZooKeeper, and is started again")
    cluster.daemon("zookeeper").kill(signal.SIGCONT)
    wait_for(lambda: cluster.active_agents() == 1, 90, "registration of the agent with it")
    agent = cluster.daemon("agent1").kill(signal.SIGTERM)
    master.kill(signal.SIGABRT)
    before = master.restarts
    wait_for(lambda: master.restarts == before + 1, 30, "the master again")
    assert agent.state == "down" and agent.restarts == 0


def test_up_after_a_reboot_starts_from_nothing(new_cluster: NewCluster) -> None:
    cluster = new_cluster(agents=1)
    for daemon in cluster.daemons.values():
        daemon.kill()
        (daemon.directory / "pid").write_text("1 of-another-boot:1")
    assert not cluster.is_up()
    Cluster(cluster.directory, subnet=cluster.shape.subnet).up(agents=1)
    assert cluster.active_agents() == 1


def test_down_leaves_no_executor_and_none_of_its_containers_but_those_of_others(
    new_cluster: NewCluster, images: None
) -> None:
    cluster = new_cluster(agents=1)
    (agent_id,) = agent_ids(cluster.directory)
    sandbox = str(cluster.directory / "agent1/work/slaves/x")
    executor = subprocess.Popen(["sleep", "300"], env={**os.environ, "MESOS_SANDBOX": sandbox})
    with engine.connection() as client:
        ours, others = (
            client.containers.run(BUSYBOX, "sleep 300", detach=True, labels={AGENT_LABEL: label})
            for label in (agent_id, "somebody-else")
        )
        try:
            cluster.down()
            assert executor.wait(10) == -signal.SIGKILL
            left = [container.id for container in client.containers.list(all=True)]
            assert ours.id not in left
            assert others.id in left
        finally:
            others.remove(force=True)


def test_a_directory_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("dear")
    with pytest.raises(LocalError, match="has things in it that are not a cluster's: letters"):
        Cluster(tmp_path).up()
    assert [path.name for path in tmp_path.iterdir()] == ["letters"]


def test_the_command_line(tmp_path: Path) -> None:
    need(requirements.CLUSTER)

    def say(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(local, [words[0], "--dir", str(tmp_path / "c"), *words[1:]])
        assert result.exit_code == code, result.output
        return result.output

    with leased_subnet() as subnet:
        try:
            assert "No cluster" in say("status", code=1)
            assert (
                say("up", "--schedulers", "0", "--agents", "2", "--subnet", str(subnet)).count(f"127.{subnet}.0.1") == 2
            )
            assert "is up already" in say("up", "--agents", "2")
            assert "is up with agents 2; wanted agents 3" in say("up", "--agents", "3", code=1)
            assert say("kill", "agent2", "TERM") == "agent2 got SIGTERM and is down.\n"
            assert "agent2 is down already" in say("kill", "agent2", code=1)
            assert "got NONE" in say("kill", "agent1", "NONE", code=2)
            assert "there are: zookeeper, master1, agent1, agent2" in say("start", "agent7", code=1)
            states = {row["name"]: row["state"] for row in json.loads(say("status", "--json", code=1))}
            running = dict.fromkeys(("zookeeper", "master1", "agent1", "keeper"), "running")
            assert states == {**running, "agent2": "down"}
            assert "agent2 runs: pid" in say("start", "agent2")
            assert len(say("logs", "agent2", "-n", "3").splitlines()) == 3
            assert "in use by this cluster" in say("doctor")
        finally:
            assert "is down" in say("down")
    assert "agent1" in say("status", code=1)


def test_what_ends_while_it_starts_is_named_with_its_last_words(new_cluster: NewCluster) -> None:
    with pytest.raises(LocalError) as failed:
        new_cluster(agents=1, agent_flags={"isolation": "no/such"})
    assert "agent1 ended while the cluster was starting" in str(failed.value)
    assert "no/such" in str(failed.value)
