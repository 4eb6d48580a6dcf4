"""A cluster: daemons in the directories of one directory.

Each daemon is a process of its own with an address of its own in 127.0.0.0/8: with subnet N, ZooKeeper is
127.N.0.1:2181, masterK 127.N.0.K:5050, agentK 127.N.1.K:5051, schedulerK 127.N.2.K:8080; what
stacks route is served at 127.N.3.1.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from framework.local import commands, leftovers, requirements
from framework.local.commands import Flags
from framework.local.daemon import Daemon, Kind, http_status
from framework.local.errors import LocalError
from framework.local.install import install
from framework.local.ports import check_free
from framework.local.shape import ATTRIBUTES, RESOURCES, Shape
from framework.local.waiting import wait_for

SHAPE_FILE = "cluster.json"
URL_FILE = "url"
LOCK_FILE = "lock"
KEEPER = "keeper"

REGISTRATION_SECONDS = 60.0
AGENT_END_SECONDS = 10.0
SCHEDULER_END_SECONDS = 10.0
BALANCER_END_SECONDS = 15.0
MESOS_KINDS = ("mesos-master", "mesos-agent")
MOST_RESTARTS = 2
"""Limit on restarts of a Mesos daemon while the cluster starts. Mesos 1.11 can crash where a request meets it before it
has set up its authentication (SIGSEGV in AuthenticatorManager::authenticate; once in some hundred starts)."""


class Cluster:
    """ZooKeeper, masters, agents and schedulers; each can be killed and started again.

    `subnet` matters until `up`; afterwards the directory says what the cluster is, to other processes too.
    """

    def __init__(self, directory: Path | str, subnet: int = 0) -> None:
        self.directory = Path(directory).absolute()
        self._subnet = subnet

    @property
    def shape(self) -> Shape:
        """The shape of the cluster, or the one that it would have at its subnet if it is not there."""
        try:
            stored = json.loads((self.directory / SHAPE_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Shape(subnet=self._subnet)
        return Shape(**{**stored, "attributes": tuple(stored["attributes"])})

    @property
    def zookeeper_address(self) -> str:
        return self.shape.zookeeper_address

    @property
    def master_url(self) -> str:
        """zk://HOST:PORT/mesos, the address of the Mesos masters."""
        return self.shape.master_url

    @property
    def store_url(self) -> str:
        """zk://HOST:PORT/framework, the store of our schedulers."""
        return self.shape.store_url

    @property
    def url(self) -> str:
        """The first scheduler's API."""
        return f"http://{self.shape.scheduler_ip(1)}:8080"

    @property
    def daemons(self) -> dict[str, Daemon]:
        """Every daemon by its name, ZooKeeper first, then masters, agents, schedulers, DNS, balancer, keeper."""
        found = {}
        for name in (*self.shape.addresses(), KEEPER):
            if (self.directory / name / "daemon.json").exists():
                found[name] = Daemon(self.directory / name)
        return found

    def daemon(self, name: str) -> Daemon:
        """The daemon of that name; raises LocalError if there is none."""
        daemons = self.daemons
        if name not in daemons:
            there = ", ".join(daemons) or "none: no cluster is there, see `framework local up`"
            raise LocalError(f"no daemon is named {name} in {self.directory}; there are: {there}")
        return daemons[name]

    def of_kind(self, kind: Kind) -> list[Daemon]:
        return [daemon for daemon in self.daemons.values() if daemon.spec.kind == kind]

    def kept(self) -> list[Daemon]:
        """The daemons that a keeper starts again: all but itself."""
        return [daemon for daemon in self.daemons.values() if daemon.name != KEEPER]

    def is_up(self) -> bool:
        """Whether any daemon runs."""
        return any(daemon.pid for daemon in self.daemons.values())

    def leader(self) -> Daemon | None:
        """The master that leads, or None."""
        for daemon in self.of_kind("mesos-master"):
            if daemon.state == "running" and (daemon.get("/metrics/snapshot") or {}).get("master/elected") == 1:
                return daemon
        return None

    def wait_for_leader(self, seconds: float = REGISTRATION_SECONDS) -> Daemon:
        return wait_for(self.leader, seconds, f"a leading Mesos master (logs: {self.directory}/master*/log)")

    def active_agents(self) -> int:
        """The number of agents that the leading master counts as active; 0 without a leader."""
        leader = self.leader()
        return int((leader.get("/metrics/snapshot") or {}).get("master/slaves_active", 0)) if leader else 0

    def up(
        self,
        *,
        masters: int = 1,
        agents: int = 3,
        schedulers: int = 0,
        attributes: tuple[str, ...] = ATTRIBUTES,
        resources: str = RESOURCES,
        dns: str = "",
        balancer: bool = False,
        is_kept: bool = False,
        master_flags: Flags | None = None,
        agent_flags: Flags | None = None,
        scheduler_flags: Flags | None = None,
    ) -> "Cluster":
        """Starts a cluster from nothing, and returns once its agents are registered and its schedulers answer.

        An earlier cluster in the directory is taken down and forgotten.  Flags are the programs' own and win over
        ours.  With `dns` a server of names answers at this address.  With `is_kept` a daemon that ends by itself is
        started again (framework.local.keeper).  Raises LocalError, with all daemons stopped again and their logs kept,
        if that cannot be.
        """
        shape = Shape(
            subnet=self._subnet,
            masters=masters,
            agents=agents,
            schedulers=schedulers,
            attributes=attributes,
            resources=resources,
            dns=dns,
            balancer=balancer,
        )
        shape.check()
        requirements.check((*requirements.CLUSTER, *(requirements.BALANCERS[:1] if balancer else ())))
        self._check_directory()
        if balancer and os.geteuid():
            raise LocalError("--balancer serves at port 80, for which you have to be root")
        with self._locked():
            install()
            self._stop()
            self._forget()
            check_free(shape.addresses())
            (self.directory / SHAPE_FILE).write_text(json.dumps(asdict(shape), indent=2), encoding="utf-8")
            try:
                self._start(shape, master_flags or {}, agent_flags or {}, scheduler_flags or {})
                if is_kept:
                    Daemon.create(self.directory / KEEPER, commands.keeper(self.directory)).start()
            except BaseException:  # Ctrl-C included: what has been started is stopped, and the cause goes on.
                self._stop()
                raise
        return self

    def down(self) -> None:
        """Stops everything, the agents' executors, tasks and containers included; logs stay until the next `up`."""
        if (self.directory / SHAPE_FILE).exists():
            with self._locked():
                self._stop()

    def _start(self, shape: Shape, master_flags: Flags, agent_flags: Flags, scheduler_flags: Flags) -> None:
        home = self.directory
        Daemon.create(
            home / "zookeeper", commands.zookeeper(home / "zookeeper", shape.zookeeper_address)
        ).start().wait()
        for number in range(1, shape.masters + 1):
            directory = home / f"master{number}"
            Daemon.create(directory, commands.master(directory, shape, number, master_flags)).start()
        for number in range(1, shape.agents + 1):
            directory = home / f"agent{number}"
            Daemon.create(directory, commands.agent(directory, shape, number, agent_flags)).start()
        self._wait_for_agents(shape.agents)
        if shape.dns:
            Daemon.create(home / "dns", commands.dns(shape)).start().wait()
        for number in range(1, shape.schedulers + 1):
            directory = home / f"scheduler{number}"
            Daemon.create(directory, commands.scheduler(shape, number, scheduler_flags)).start().wait()
        if shape.schedulers:
            self._wait_for_scheduler()
            (home / URL_FILE).write_text(self.url + "\n", encoding="utf-8")
        if shape.balancer:
            Daemon.create(home / "balancer", commands.balancer(home / "balancer", shape)).start().wait()

    def _wait_for_agents(self, number: int) -> None:
        def registered() -> bool:
            self._keep_alive()
            return self.leader() is not None and self.active_agents() == number

        what = f"registration of {number} agents with a leading master"
        wait_for(registered, REGISTRATION_SECONDS, f"{what} (logs: {self.directory}/*/log)")

    def _wait_for_scheduler(self) -> None:
        def ready() -> bool:
            self._keep_alive()
            return any(http_status(f"http://{daemon.address}/v1/ready") == 200 for daemon in schedulers)

        schedulers = self.of_kind("scheduler")
        what = "a scheduler that leads and has subscribed to Mesos"
        wait_for(ready, REGISTRATION_SECONDS, f"{what} (logs: {self.directory}/scheduler*/log)")

    def _keep_alive(self) -> None:
        """Starts a Mesos daemon again that has ended, a few times; raises LocalError for any other."""
        for daemon in self.daemons.values():
            if daemon.pid is not None:
                continue
            if daemon.spec.kind in MESOS_KINDS and daemon.restarts < MOST_RESTARTS:
                daemon.start_again()
            else:
                raise LocalError(f"{daemon.name} ended while the cluster was starting. {daemon.last_words()}")

    def _stop(self) -> None:
        """Ends the keeper and schedulers first, so that neither starts anything again; then agents with their tasks;
        then the rest."""
        for daemon in self.of_kind("keeper"):
            daemon.kill()
        for daemon in self.of_kind("scheduler"):
            _end(daemon, signal.SIGTERM)
        _wait_for_ends(self.of_kind("scheduler"), SCHEDULER_END_SECONDS)
        agents = self.of_kind("mesos-agent")
        for daemon in agents:
            _end(daemon, signal.SIGUSR1)  # On which an agent ends its executors.
        _wait_for_ends(agents, AGENT_END_SECONDS)
        for daemon in self.of_kind("balancer"):
            _end(daemon, signal.SIGTERM)  # Its HAProxy would serve on without it.
        _wait_for_ends(self.of_kind("balancer"), BALANCER_END_SECONDS)
        leftovers.end_balancer(self.directory)
        leftovers.end_executors(self.directory)
        leftovers.remove_containers(self.directory)
        for daemon in self.daemons.values():
            daemon.kill()
        (self.directory / URL_FILE).unlink(missing_ok=True)

    def _check_directory(self) -> None:
        """Refuses a directory with files that are not a cluster's: `up` would remove them."""
        ours = {SHAPE_FILE, URL_FILE, LOCK_FILE, KEEPER} | set(self.shape.addresses())
        if self.directory.is_dir():
            strange = sorted(path.name for path in self.directory.iterdir() if path.name not in ours)
            if strange:
                raise LocalError(
                    f"{self.directory} has things in it that are not a cluster's: {', '.join(strange[:3])}"
                    "; name an empty directory, or one that does not exist"
                )

    def _forget(self) -> None:
        """Removes the files of an earlier cluster from the directory."""
        for name in (*self.shape.addresses(), KEEPER):
            if (self.directory / name).exists():
                shutil.rmtree(self.directory / name)
        (self.directory / SHAPE_FILE).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Lets one process at a time start or stop the cluster."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / LOCK_FILE).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _end(daemon: Daemon, number: signal.Signals) -> None:
    pid = daemon.pid
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)  # One that is stopped would never hear the other.


def _wait_for_ends(daemons: list[Daemon], seconds: float) -> None:
    """Waits a bounded time for daemons to end; those that still run are killed later."""
    with contextlib.suppress(LocalError):
        wait_for(lambda: all(daemon.pid is None for daemon in daemons), seconds, "end of daemons")
