"""The command lines of the daemons."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from framework.local.daemon import DaemonSpec, Kind
from framework.local.install import mesos_home
from framework.local.shape import DNS_PORT, Shape

Flags = Mapping[str, str | int]

# Debian's libzookeeper-java; its manifest names the other jars that it needs.
ZOOKEEPER_JAR = Path("/usr/share/java/zookeeper.jar")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def zookeeper(directory: Path, address: str) -> DaemonSpec:
    """A ZooKeeper server that stores its data in the directory."""
    host, _, port = address.partition(":")
    (directory / "data").mkdir(parents=True, exist_ok=True)
    (directory / "zoo.cfg").write_text(
        f"tickTime=500\ndataDir={directory}/data\nclientPortAddress={host}\nclientPort={port}\n"
        "maxClientCnxns=0\nadmin.enableServer=false\nminSessionTimeout=1000\nmaxSessionTimeout=60000\n"
        "4lw.commands.whitelist=srvr,ruok,mntr\n",
        encoding="utf-8",
    )
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    command = ("java", "-Xmx256m", "-cp", str(ZOOKEEPER_JAR), main, str(directory / "zoo.cfg"))
    return DaemonSpec(kind="zookeeper", address=address, command=command)


def master(directory: Path, shape: Shape, number: int, flags: Flags) -> DaemonSpec:
    """Master `number` of the cluster; `flags` are mesos-master's, and win."""
    ip = shape.master_ip(number)
    own: Flags = {
        "hostname": ip,
        "zk": shape.master_url,
        "quorum": shape.masters // 2 + 1,
        "zk_session_timeout": "5secs",
    }
    return _mesos("mesos-master", directory, ip, 5050, {**own, **flags})


def agent(directory: Path, shape: Shape, number: int, flags: Flags) -> DaemonSpec:
    """Agent `number` of the cluster; `flags` are mesos-agent's, and win."""
    own: dict[str, str | int] = {
        "hostname": f"agent{number}",
        "master": shape.master_url,
        "resources": shape.agent_resources(number),
        "runtime_dir": str(directory / "run"),
        "fetcher_cache_dir": str(directory / "fetch"),
        "launcher_dir": str(mesos_home()),
        "containerizers": "mesos",
        "launcher": "posix",
        "isolation": "posix/cpu,posix/mem",
        "systemd_enable_support": "false",
        # The default, 2 s, is shorter than the time that an executor needs to register with a restarted agent.
        "executor_reregistration_timeout": "15secs",
    }
    if shape.agent_attributes(number):
        own["attributes"] = shape.agent_attributes(number)
    return _mesos("mesos-agent", directory, shape.agent_ip(number), 5051, {**own, **flags})


def scheduler(shape: Shape, number: int, flags: Flags) -> DaemonSpec:
    """Our scheduler; `flags` are options of `framework scheduler`, without dashes, and win."""
    address = f"{shape.scheduler_ip(number)}:8080"
    own: Flags = {"zk": shape.store_url, "master": shape.master_url, "bind": address, "advertise": address}
    names: Flags = {"dns": shape.dns} if shape.dns else {}
    return _ours("scheduler", address, ("scheduler",), {**own, **names, **flags})


def dns(shape: Shape) -> DaemonSpec:
    """`framework dns` with the containers' own addresses: they reach each other, because they are on one machine."""
    options: Flags = {
        "zk": shape.store_url,
        "listen": f"{shape.dns}:{DNS_PORT}",
        "addresses": "container",
        "url": f"http://{shape.scheduler_ip(1)}:8080",
    }
    return _ours("dns", f"{shape.dns}:{DNS_PORT}", ("dns",), options)


def balancer(directory: Path, shape: Shape) -> DaemonSpec:
    """`framework balancer haproxy`, with its files in the directory."""
    address = f"{shape.balancer_ip}:8404"
    options: Flags = {
        "zk": shape.store_url,
        "bind": shape.balancer_ip,
        "stats": address,
        "directory": str(directory / "state"),
    }
    return _ours("balancer", address, ("balancer", "haproxy"), options)


def keeper(cluster: Path) -> DaemonSpec:
    """The keeper of the cluster in a directory."""
    return DaemonSpec(
        kind="keeper", address="-", command=(sys.executable, "-m", "framework.local.keeper", str(cluster))
    )


def executor_path() -> str:
    """The PATH of agents, and so of executors.

    Its first python3 is that of this interpreter, but outside its virtual environment, as on an agent where
    nothing of ours is installed.
    """
    return f"{Path(sys.base_prefix) / 'bin'}:{SYSTEM_PATH}"


def _ours(kind: Kind, address: str, words: tuple[str, ...], options: Flags) -> DaemonSpec:
    """A command of `framework` that serves at the address."""
    given = (word for name, value in options.items() for word in (f"--{name}", str(value)))
    return DaemonSpec(kind=kind, address=address, command=(sys.executable, "-m", "framework.cli.main", *words, *given))


def _mesos(
    program: Literal["mesos-master", "mesos-agent"], directory: Path, ip: str, port: int, flags: Flags
) -> DaemonSpec:
    (directory / "work").mkdir(parents=True, exist_ok=True)
    every: Flags = {"ip": ip, "port": port, "work_dir": str(directory / "work"), **flags}
    command = (str(mesos_home() / program), *(f"--{name}={value}" for name, value in every.items()))
    return DaemonSpec(kind=program, address=f"{ip}:{port}", command=command, environment={"PATH": executor_path()})
