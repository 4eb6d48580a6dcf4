"""`framework.local` against real ZooKeeper and Mesos."""

import signal
from collections.abc import Iterator

import pytest

from framework.local.cluster import Cluster
from framework.local.errors import LocalError
from framework.local.waiting import wait_for
from tests.kit.cluster import NewCluster, running_cluster

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


def test_what_ends_while_it_starts_is_named_with_its_last_words(new_cluster: NewCluster) -> None:
    with pytest.raises(LocalError) as failed:
        new_cluster(agents=1, agent_flags={"isolation": "no/such"})
    assert "agent1 ended while the cluster was starting" in str(failed.value)
    assert "no/such" in str(failed.value)
