"""The driver on real Mesos: what masters make of what we say, and how a master's end is survived."""

from __future__ import annotations

import dataclasses
import json
import signal
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from framework.adapters.codec import executor_id
from framework.adapters.mesos import MesosDriver
from framework.adapters.mesos_config import ExecutorConfig, MesosConfig
from framework.core.commands import Accept, Acknowledge, Decline, Kill, Launch, Reconcile, Revive, Subscribe, Suppress
from framework.core.events import (
    AgentRemoved,
    AgentsReported,
    CallFailed,
    Disconnected,
    ExecutorFailed,
    FrameworkRefused,
    OfferRescinded,
    OffersReceived,
    StatusReceived,
    Subscribed,
)
from framework.core.model import Status
from framework.local import commands
from framework.local.cluster import Cluster
from framework.local.daemon import Daemon
from framework.local.waiting import wait_for
from placement.agent import Agent, AgentState
from placement.offer import Offer
from placement.reservation_pools import draw
from specs.ids import AgentId, FrameworkId, TaskId
from specs.model.resources import PortRanges, Resources
from specs.model.stack import CheckKind, Container, HealthCheck, Port
from specs.states import TaskState
from tests.kit.cluster import NewCluster, leased_subnet, running_cluster
from tests.kit.fake_master import Inbox
from tests.kit.mesos_samples import make_task

pytestmark = pytest.mark.cluster

EXECUTOR_FILE = Path(__file__).parents[1] / "bench" / "noop_executor.py"
EXECUTOR = ExecutorConfig(uri=EXECUTOR_FILE.as_uri(), file_name=EXECUTOR_FILE.name)
CONTAINER = Container(
    image="busybox",
    ports=(Port(name="http", container_port=8080),),
    labels=(("owner", "me"),),
    health=HealthCheck(kind=CheckKind.HTTP, path="/healthz", port="http"),
)


class Talk:
    """A driver, what it posted, and short words for what tests do with it."""

    def __init__(self, master: str, framework_id: FrameworkId | None = None, **settings: Any) -> None:
        self.inbox = Inbox()
        config = MesosConfig(master=master, **{"executor": EXECUTOR, "role": "apps", **settings})
        self.driver = MesosDriver(config, self.inbox.post)
        self.driver.perform(Subscribe(framework_id=framework_id))

    def subscribed(self, count: int = 1, seconds: float = 20.0) -> Subscribed:
        found: Subscribed = self.inbox.wait(Subscribed, count, seconds)
        return found

    def offer(self) -> Offer:
        """The newest offer that was not rescinded."""
        gone = {event.offer_id for event in self.inbox.of(OfferRescinded)}
        offers: list[Offer] = [
            offer
            for event in (self.inbox.wait(OffersReceived, seconds=20), *self.inbox.of(OffersReceived))
            for offer in event.offers
            if offer.id not in gone
        ]
        return offers[-1]

    def launch(self, slot: int = 2) -> tuple[Offer, Launch]:
        offer = self.offer()
        port = next(iter(offer.resources.ports))
        task = dataclasses.replace(make_task(host_ports=(port,), agent=offer.agent_id), slot=slot)
        resources = Resources(cpus_milli=100, mem_mib=32, ports=PortRanges.single([port]))
        launch = Launch(task=task, container=CONTAINER, resources=resources)
        self.driver.perform(Accept(offer_ids=(offer.id,), launches=(launch,), refuse_seconds=1.0))
        return offer, launch

    def status(self, state: TaskState, after: int = 0) -> Status:
        """The first status of that state, acknowledged."""

        def find() -> Status | None:
            events = self.inbox.of(StatusReceived)[after:]
            return next((event.status for event in events if event.status.state is state), None)

        status = wait_for(find, 30, f"a status {state}")
        if status.uuid and status.agent_id:
            acknowledge = Acknowledge(task_id=status.task_id, agent_id=status.agent_id, uuid=status.uuid)
            self.driver.perform(acknowledge)
        return status


@contextmanager
def talking(master: str, framework_id: FrameworkId | None = None, **settings: Any) -> Iterator[Talk]:
    talk = Talk(master, framework_id, **settings)
    try:
        yield talk
    finally:
        talk.driver.close()


def remove(cluster: Cluster, framework_id: str) -> None:
    """Ends a framework as an operator does; the driver itself cannot."""
    data = urllib.parse.urlencode({"frameworkId": framework_id}).encode()
    address = cluster.wait_for_leader().address
    urllib.request.urlopen(f"http://{address}/teardown", data, timeout=10).close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Of its agent a part is reserved for the role `team`; masters and agent are in the region eu."""
    options: dict[str, Any] = {
        "masters": 3,
        "agents": 1,
        "resources": "cpus:4;mem:4096;disk:10000;gpus:2;tokens:7.5;fpga:{a,b};"
        "cpus(team):1;mem(team):256;mem(others):100",
        "master_flags": {"agent_ping_timeout": "2secs", "max_agent_ping_timeouts": 3, "domain": in_zone("eu", "eu-1")},
        "agent_flags": {"domain": in_zone("eu", "eu-2")},
    }
    with running_cluster(tmp_path_factory.mktemp("mesos"), **options) as cluster:
        yield cluster


def in_zone(region: str, zone: str) -> str:
    """A --domain of master or agent."""
    return json.dumps({"fault_domain": {"region": {"name": region}, "zone": {"name": zone}}})


def operate(cluster: Cluster, kind: str, **content: Any) -> None:
    """A call of the operator API to the leading master."""
    request = urllib.request.Request(
        f"http://{cluster.wait_for_leader().address}/api/v1",
        json.dumps({"type": kind, kind.lower(): content}).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()


@pytest.fixture
def talk(cluster: Cluster) -> Iterator[Talk]:
    """A subscribed framework, which ends with the test."""
    with talking(cluster.master_url) as talk:
        talk.subscribed()
        yield talk
    remove(cluster, talk.subscribed().framework_id)


def shown(cluster: Cluster, framework_id: str) -> dict[str, Any]:
    """The framework as the master shows it."""
    frameworks = (cluster.wait_for_leader().get("/state") or {})["frameworks"]
    return next(each for each in frameworks if each["id"] == framework_id)


def test_the_master_shows_the_framework_as_configured(cluster: Cluster) -> None:
    settings: dict[str, Any] = {
        "principal": "me",
        "webui_url": "http://10.0.0.1:8080",
        "hostname": "here",
        "name": "stacks",
    }
    with talking(cluster.master_url, **settings) as talk:
        subscribed = talk.subscribed()
        assert subscribed.master == cluster.wait_for_leader().address
        framework = shown(cluster, subscribed.framework_id)
    wanted = {
        **settings,
        "user": "root",
        "roles": ["apps"],
        "checkpoint": True,
        "failover_timeout": 604800.0,
        "capabilities": [
            "MULTI_ROLE",
            "PARTITION_AWARE",
            "TASK_KILLING_STATE",
            "REGION_AWARE",
            "RESERVATION_REFINEMENT",
            "GPU_RESOURCES",
        ],
        "active": True,
        "connected": True,
    }
    assert {key: framework[key] for key in wanted} == wanted
    wait_for(lambda: not shown(cluster, subscribed.framework_id)["connected"], 10, "the end of the connection")
    remove(cluster, subscribed.framework_id)


def test_an_offer_is_the_agents(talk: Talk) -> None:
    offer = talk.offer()
    assert (offer.hostname, offer.role, offer.agent_port) == ("agent1", "apps", 5051)
    assert offer.address.startswith("127.")
    assert (offer.resources.cpus_milli, offer.resources.mem_mib, offer.resources.disk_mib) == (4000, 4096, 10000)
    assert len(offer.resources.ports) == 500
    assert offer.attributes == (("rack", "a"), ("zone", "z1"))
    assert offer.executor_ids == ()


def test_a_task_runs_is_shown_and_is_killed(cluster: Cluster, talk: Talk) -> None:
    offer, launch = talk.launch()
    running = talk.status(TaskState.RUNNING)
    assert (running.task_id, running.agent_id, running.source) == (launch.task.id, offer.agent_id, "SOURCE_EXECUTOR")
    task = shown(cluster, talk.subscribed().framework_id)["tasks"][0]
    assert (task["id"], task["name"], task["state"]) == (launch.task.id, "web[dev,frontend].2", "TASK_RUNNING")
    labels = {label["key"]: label["value"] for label in task["labels"]}
    wanted = {"owner": "me", "stack": "shop", "service": "web", "labels": "dev,frontend", "slot": "2"}
    assert labels == {**wanted, "version": "0123456789ab"}
    port = task["discovery"]["ports"]["ports"][0]
    assert (port["number"], port["name"], port["protocol"]) == (launch.task.host_ports[0], "http", "tcp")
    assert port["labels"] == {"labels": [{"key": "network-scope", "value": "host"}]}
    assert (task["discovery"]["name"], task["discovery"]["environment"]) == ("web", "dev,frontend")
    assert task["health_check"]["http"]["path"] == "/healthz"
    talk.driver.perform(Kill(task_id=launch.task.id, agent_id=offer.agent_id, grace_seconds=3.0))
    killed = talk.status(TaskState.KILLED)  # An agent tells it only after RUNNING was acknowledged.
    assert killed.task_id == launch.task.id
    assert not talk.inbox.of(CallFailed)


def test_reconciliation_answers_without_uuid(talk: Talk) -> None:
    offer, launch = talk.launch()
    talk.status(TaskState.RUNNING)
    before = len(talk.inbox.of(StatusReceived))
    talk.driver.perform(Reconcile(tasks=((launch.task.id, offer.agent_id),)))
    status = talk.status(TaskState.RUNNING, before)
    assert (status.task_id, status.uuid, status.reason) == (launch.task.id, "", "REASON_RECONCILIATION")


def test_an_accept_of_a_strange_offer_drops_its_tasks(talk: Talk) -> None:
    """Mesos takes the call and answers with statuses: that is no CallFailed."""
    _, launch = talk.launch()
    talk.status(TaskState.RUNNING)
    offer = talk.inbox.of(OffersReceived)[0].offers[0]
    again = dataclasses.replace(launch, task=dataclasses.replace(launch.task, id=TaskId("shop.web.again.0.99")))
    talk.driver.perform(Accept(offer_ids=(offer.id,), launches=(again,), refuse_seconds=1.0))
    assert talk.status(TaskState.DROPPED).task_id == "shop.web.again.0.99"
    assert not talk.inbox.of(CallFailed)


def test_suppress_and_revive(talk: Talk) -> None:
    offer = talk.offer()
    talk.driver.perform(Suppress())
    talk.driver.perform(Decline(offer_ids=(offer.id,), refuse_seconds=3600.0))
    count = len(talk.inbox.of(OffersReceived))
    time.sleep(2.5)  # two allocations of a second each
    assert len(talk.inbox.of(OffersReceived)) == count
    talk.driver.perform(Revive())
    talk.inbox.wait(OffersReceived, count + 1, 10)


def test_another_process_takes_over_with_the_same_id(cluster: Cluster) -> None:
    with talking(cluster.master_url) as first:
        framework_id = first.subscribed().framework_id
        _, launch = first.launch()
        first.status(TaskState.RUNNING)
        with talking(cluster.master_url, framework_id) as second:
            assert second.subscribed().framework_id == framework_id
            refused: FrameworkRefused = first.inbox.wait(FrameworkRefused, seconds=10)
            assert refused.message == "Framework failed over"
            second.driver.perform(Reconcile())
            assert second.status(TaskState.RUNNING).task_id == launch.task.id
    remove(cluster, framework_id)


def test_the_leaders_death_is_survived(cluster: Cluster, talk: Talk) -> None:
    _, launch = talk.launch()
    talk.status(TaskState.RUNNING)
    leader = cluster.wait_for_leader()
    leader.kill()
    try:
        begin = time.monotonic()
        again = talk.subscribed(2, 30)
        assert again.framework_id == talk.subscribed().framework_id
        assert again.master != leader.address
        problems = [event.problem for event in talk.inbox.of(Disconnected)]
        assert 1 <= len(problems) <= 3 and all(leader.address in problem for problem in problems[:1])
        assert time.monotonic() - begin < 15
        before = len(talk.inbox.of(StatusReceived))
        agents = wait_for(cluster.active_agents, 30, "the agent's registration with the new leader")
        assert agents == 1
        talk.driver.perform(Reconcile(tasks=((launch.task.id, launch.task.agent_id),)))
        assert talk.status(TaskState.RUNNING, before).task_id == launch.task.id
    finally:
        leader.start().wait()


def test_the_end_of_an_executor_and_of_an_agent_are_told(cluster: Cluster, talk: Talk) -> None:
    offer, _ = talk.launch()
    talk.status(TaskState.RUNNING)
    agent = cluster.daemon("agent1")
    agent.kill(signal.SIGUSR1)  # ends its executors and unregisters
    try:
        failed: AgentRemoved = talk.inbox.wait(AgentRemoved, seconds=20)
        assert failed.agent_id == offer.agent_id
        executors = {event.agent_id for event in talk.inbox.of(ExecutorFailed)}
        assert executors <= {AgentId(offer.agent_id)}
    finally:
        agent.start().wait()
        wait_for(lambda: cluster.active_agents() == 1, 30, "the agent's registration")


@pytest.fixture
def team(cluster: Cluster) -> Iterator[Talk]:
    """A subscribed framework of the role for which something is reserved, which is often told of the agents."""
    with talking(cluster.master_url, role="team", agents_interval_seconds=0.2) as talk:
        talk.subscribed()
        yield talk
    remove(cluster, talk.subscribed().framework_id)


def reported(talk: Talk, what: str, condition: Callable[[Agent], Any]) -> Agent:
    """The cluster's agent as soon as it is reported so."""

    def find() -> Agent | None:
        report: AgentsReported = talk.inbox.wait(AgentsReported, max(1, len(talk.inbox.of(AgentsReported))))
        assert not report.problem
        return next((agent for agent in report.agents if condition(agent)), None)

    return wait_for(find, 20, what)


TOTAL = Resources(
    cpus_milli=5000,
    mem_mib=4352,
    disk_mib=10000,
    gpus=2,
    scalars=(("tokens", 7500),),
    sets=(("fpga", ("a", "b")),),
)


def without_ports(amount: Resources | None) -> Resources:
    assert amount is not None
    return dataclasses.replace(amount, ports=PortRanges())


def test_the_agents_are_reported(cluster: Cluster, team: Talk, talk: Talk) -> None:
    agent = reported(team, "all of the agent free", lambda agent: agent.free == agent.total)
    assert team.subscribed().region == "eu"
    assert (agent.hostname, agent.region, agent.zone) == ("agent1", "eu", "eu-2")
    assert f"{agent.address}:{agent.port}" == cluster.daemon("agent1").address
    assert agent.attributes == (("rack", "a"), ("zone", "z1"))
    assert (agent.state, agent.window) == (AgentState.ACTIVE, None)
    assert without_ports(agent.total) == TOTAL
    assert agent.total is not None and len(agent.total.ports) == 500
    others: AgentsReported = talk.inbox.wait(AgentsReported)
    assert others.agents[0].total is not None
    assert (others.agents[0].total.cpus_milli, others.agents[0].total.mem_mib) == (4000, 4096)
    offer = team.offer()
    assert (offer.region, offer.zone, offer.window) == ("eu", "eu-2", None)
    assert offer.resources == agent.total


def test_a_task_is_paid_from_several_pools(team: Talk) -> None:
    """Twice, as the second task must find the executor of the first to be its own."""
    overhead = EXECUTOR.resources
    want = Resources(cpus_milli=1200, mem_mib=64, gpus=1, scalars=(("tokens", 1500),))
    for slot, item in enumerate(("a", "b")):
        offer = team.offer()
        free, reserved = offer.pools
        assert free.reservation == "" and json.loads(reserved.reservation)[-1]["role"] == "team"
        if slot == 0:
            assert without_ports(offer.resources) == TOTAL
            reserved = dataclasses.replace(reserved, resources=reserved.resources - overhead)
        else:
            assert offer.executor_ids == (executor_id(EXECUTOR, "team", reserved.reservation),)
        port = next(iter(offer.resources.ports))
        exact = dataclasses.replace(want, ports=PortRanges.single([port]), sets=(("fpga", (item,)),))
        pools, _ = draw((free, reserved), exact)
        assert len(pools) == 2, "reserved cpus or memory, and the rest from what is free"
        task = dataclasses.replace(make_task((port,), offer.agent_id), slot=slot, id=TaskId(f"shop.web.dev.{slot}.1"))
        launch = Launch(
            task=task,
            container=CONTAINER,
            resources=exact,
            pools=pools,
            executor_reservation=reserved.reservation,
        )
        before, offers = len(team.inbox.of(StatusReceived)), len(team.inbox.of(OffersReceived))
        team.driver.perform(Accept(offer_ids=(offer.id,), launches=(launch,), refuse_seconds=0.0))
        assert team.status(TaskState.RUNNING, before).task_id == task.id
        team.inbox.wait(OffersReceived, offers + 1, 10)
    agent = reported(team, "both tasks counted", lambda agent: agent.free and not agent.free.sets)
    assert without_ports(agent.free) == Resources(
        cpus_milli=5000 - 2 * 1200 - overhead.cpus_milli,
        mem_mib=4352 - 2 * 64 - overhead.mem_mib,
        disk_mib=10000,
        scalars=(("tokens", 4500),),
    )


def test_an_agent_that_is_drained_is_reported_so(cluster: Cluster, team: Talk) -> None:
    agent = reported(team, "the agent", lambda agent: agent.state is AgentState.ACTIVE)
    operate(cluster, "DRAIN_AGENT", agent_id={"value": agent.id})
    try:
        reported(team, "the agent drained", lambda agent: agent.state is AgentState.DRAINED)
    finally:
        operate(cluster, "REACTIVATE_AGENT", agent_id={"value": agent.id})
    reported(team, "the agent back", lambda agent: agent.state is AgentState.ACTIVE)
    operate(cluster, "DEACTIVATE_AGENT", agent_id={"value": agent.id})
    try:
        reported(team, "the agent deactivated", lambda agent: agent.state is AgentState.DEACTIVATED)
    finally:
        operate(cluster, "REACTIVATE_AGENT", agent_id={"value": agent.id})
    reported(team, "the agent back", lambda agent: agent.state is AgentState.ACTIVE)


def test_planned_maintenance_is_in_reports_and_offers(cluster: Cluster, team: Talk) -> None:
    agent = reported(team, "the agent", lambda agent: agent.window is None)
    team.offer()
    begin = int(time.time()) + 3600
    window = {
        "machine_ids": [{"hostname": agent.hostname, "ip": agent.address}],
        "unavailability": {"start": {"nanoseconds": begin * 10**9}, "duration": {"nanoseconds": 60 * 10**9}},
    }
    operate(cluster, "UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": [window]})
    try:
        planned = reported(team, "the window", lambda agent: agent.window)
        assert planned.window == (begin, begin + 60)
        wait_for(lambda: team.offer().window, 10, "an offer with the window")
        assert team.offer().window == planned.window
    finally:
        operate(cluster, "UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": []})
    reported(team, "no window", lambda agent: agent.window is None)


def test_an_agent_that_the_master_lost_is_reported_until_it_is_given_up(new_cluster: NewCluster) -> None:
    """A new master knows the agents of the old from its registry, before they come."""
    cluster = new_cluster(masters=1, agents=1)
    with talking(cluster.master_url, agents_interval_seconds=0.2) as talk:
        before = reported(talk, "the agent", lambda agent: agent.state is AgentState.ACTIVE)
        agent = cluster.daemon("agent1").kill()
        reported(talk, "the agent gone", lambda agent: agent.state is AgentState.DISCONNECTED)
        cluster.daemon("master1").kill().start().wait()
        talk.subscribed(2, 40)
        count = len(talk.inbox.of(AgentsReported))
        report: AgentsReported = talk.inbox.wait(AgentsReported, count + 1)
        assert [(each.id, each.state) for each in report.agents] == [(before.id, AgentState.DISCONNECTED)]
        assert report.agents[0].attributes == before.attributes
        agent.start()
        reported(talk, "the agent back", lambda agent: agent.state is AgentState.ACTIVE)


def test_a_framework_that_was_removed_is_refused(cluster: Cluster) -> None:
    with talking(cluster.master_url) as talk:
        framework_id = talk.subscribed().framework_id
        remove(cluster, framework_id)
        talk.inbox.wait(FrameworkRefused, seconds=20)
        assert len(talk.inbox.of(Subscribed)) == 1
    with talking(cluster.master_url, framework_id) as talk:
        refused: FrameworkRefused = talk.inbox.wait(FrameworkRefused, seconds=20)
        assert "removed" in refused.message


def test_a_single_master_that_restarts_is_found_again_without_noise(new_cluster: NewCluster) -> None:
    cluster = new_cluster(masters=1, agents=0)
    with talking(cluster.master_url) as talk:
        first = talk.subscribed()
        cluster.daemon("master1").kill().start().wait()
        assert talk.subscribed(2, 40).framework_id == first.framework_id
        problems = [event.problem for event in talk.inbox.of(Disconnected)]
        assert len(problems) == len(set(problems)) <= 5, problems


def test_a_wrong_secret_or_role_is_one_clear_line(new_cluster: NewCluster, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials.json"
    credentials.write_text('{"credentials": [{"principal": "me", "secret": "right"}]}', encoding="utf-8")
    flags = {"authenticate_http_frameworks": "true", "http_framework_authenticators": "basic"}
    flags |= {"credentials": str(credentials), "roles": "apps"}
    cluster = new_cluster(masters=1, agents=0, master_flags=flags)
    address = cluster.wait_for_leader().address
    with talking(address, principal="me", secret="wrong") as talk:
        problem: Disconnected = talk.inbox.wait(Disconnected, seconds=10)
        assert address in problem.problem and "principal and secret" in problem.problem
    with talking(address, principal="me", secret="right", role="others") as talk:
        refused: FrameworkRefused = talk.inbox.wait(FrameworkRefused, seconds=10)
        assert "others" in refused.message
    with talking(address, principal="me", secret="right") as talk:
        talk.subscribed()
        talk.driver.perform(Revive())


def test_zookeeper_may_come_late_and_the_masters_later(tmp_path: Path) -> None:
    with leased_subnet() as subnet:
        address = f"127.{subnet}.0.1:2181"
        server = Daemon.create(tmp_path / "zookeeper", commands.zookeeper(tmp_path / "zookeeper", address))
        with talking(f"zk://{address}/mesos") as talk:
            first: Disconnected = talk.inbox.wait(Disconnected, seconds=10)
            assert f"ZooKeeper at {address} does not answer" in first.problem
            talk.driver.perform(Kill(task_id=make_task().id, agent_id=None))
            assert "ZooKeeper" in talk.inbox.wait(CallFailed).problem
            try:
                server.start().wait()
                second: Disconnected = talk.inbox.wait(Disconnected, 2, 20)
                assert f"no Mesos master leads: none is registered in ZooKeeper at {address}/mesos" in second.problem
            finally:
                server.kill()
