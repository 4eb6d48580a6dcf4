"""The configuration of the connection to Mesos."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from specs.model.resources import Resources

WEEK_SECONDS = 7 * 24 * 3600.0
DEFAULT_PORT = 5050
AGENT_WORD = "agent"
"""Among name servers: the agent's own address."""
EXECUTOR_RESOURCES = Resources(cpus_milli=100, mem_mib=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorConfig:
    """How an agent gets and starts the executor: it fetches `uri`, and runs it with its own python3.

    `address` is the host:port in `uri` of the scheduler that serves it, empty where others do: a scheduler that leads
    later serves the same from another address. `content` is the archive's SHA-256 where `uri` does not say it; only
    what `is_cacheable` may an agent keep for a while: what is there must never be replaced.
    Endpoints are published at `endpoints`, URLs with spaces between. What tasks use is measured every
    `metrics_interval_seconds` (0: never), and told at `metrics_port` (0: at any).
    """

    uri: str
    address: str = ""
    content: str = ""
    is_cacheable: bool = True
    file_name: str = "framework-executor.pyz"
    idle_seconds: int = 60
    operations: int = 4
    endpoints: str = ""
    metrics_interval_seconds: float = 10.0
    metrics_port: int = 0
    resources: Resources = EXECUTOR_RESOURCES
    environment: tuple[tuple[str, str], ...] = (("MALLOC_ARENA_MAX", "1"),)
    shutdown_grace_seconds: float = 15.0

    @property
    def variables(self) -> tuple[tuple[str, str], ...]:
        """Its environment, beside what the agent gives it."""
        return (*self.environment, *((("FRAMEWORK_ENDPOINTS", self.endpoints),) if self.endpoints else ()))

    @property
    def command(self) -> str:
        return (
            f"exec python3 {self.file_name} --idle {self.idle_seconds} --operations {self.operations}"
            f" --metrics-interval {self.metrics_interval_seconds:g} --metrics-port {self.metrics_port}"
        )

    def uri_from(self, address: str) -> str:
        """Where a scheduler with this address serves the same archive."""
        return self.uri.replace(f"//{self.address}/", f"//{address}/", 1) if self.address else self.uri


def executor_uri(advertise: str, sha256: str, file_name: str = "framework-executor.pyz") -> str:
    """Where the scheduler that is reached at `advertise` (host:port) serves the archive with this hash."""
    return f"http://{advertise}/v1/executor/{sha256}/{file_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MesosConfig:
    """`master` is zk://host:port,host:port/path, or host:port, or several of them with commas between.

    `secret` is the password of `principal`, empty where the master asks for none; Mesos keeps the tasks of a framework
    that is gone for `failover_timeout_seconds`; so many calls may wait to be sent; the master is asked for its agents
    every `agents_interval_seconds`, and less often where that takes it long. Containers that name no name servers get
    `dns`, where the word agent stands for the address of their agent, and search `dns_domain` for their own stack's.
    """

    master: str
    executor: ExecutorConfig
    name: str = "framework"
    user: str = "root"
    role: str = "*"
    principal: str = ""
    secret: str = field(default="", repr=False)
    webui_url: str = ""
    hostname: str = ""
    failover_timeout_seconds: float = WEEK_SECONDS
    checkpoint: bool = True
    most_waiting_calls: int = 100_000
    agents_interval_seconds: float = 15.0
    dns: tuple[str, ...] = ()
    dns_domain: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a `master` that names none."""
        if self.is_in_zookeeper:
            zookeeper_of(self.master)
        else:
            addresses_of(self.master)

    @property
    def is_in_zookeeper(self) -> bool:
        """Whether ZooKeeper knows who leads."""
        return self.master.startswith("zk://")


def zookeeper_of(master: str) -> tuple[str, str]:
    """The servers and the path of zk://[user:password@]host:port,host:port/path.

    Mesos lets everybody read the masters' nodes, whatever password it writes them with.
    """
    found = re.fullmatch(r"zk://(?:[^@/]*@)?([^/@]+)(/.*[^/])/?", master)
    if not found:
        raise _strange(master)
    return found[1], found[2]


def addresses_of(master: str) -> list[str]:
    """The masters of host:port,host:port; the port is 5050 where none is given."""
    words = [word.strip() for word in master.split(",") if word.strip()]
    if not words or not all(re.fullmatch(r"[^:/@\s]+(:\d{1,5})?", word) for word in words):
        raise _strange(master)
    return [word if ":" in word else f"{word}:{DEFAULT_PORT}" for word in words]


def _strange(master: str) -> ValueError:
    wanted = "zk://host:port,host:port/path, or host:port, or host:port,host:port"
    return ValueError(f"--master: wanted {wanted}, got {master!r}")
