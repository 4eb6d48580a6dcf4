"""The configuration of a scheduler; the command line and its environment fill it in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerConfig:
    """`zk` is the root of our store (zk://host:port,…/path), `master` Mesos's (the same form, or host:port).

    `bind` is where the API listens, `advertise` how agents reach it. `token` guards changes, None for none; requests
    may call the scheduler by the names `hosts`, beside localhost and IP addresses. `webui_url` is what
    Mesos's web UI links to; empty: the advertised address. The master is asked for its agents every
    `agents_interval_seconds`, and less often where that takes it long. An executor without tasks ends after
    `executor_idle_seconds` and does `executor_operations` starts and stops at a time. Another scheduler leads once
    ZooKeeper has not heard from this one for `session_timeout_seconds`. Agents fetch the executor from `executor_url`,
    where it says {sha256} with the archive's hash in its place; empty: from the advertised address. Of each stack
    `history` definitions are kept. Executors publish endpoints at `endpoints`, URLs with spaces between; nowhere where
    that is empty. They measure what tasks use every `metrics_interval_seconds` (0: never), and tell it at
    `metrics_port` of the agent (0: at any).
    Containers ask the name servers `dns`, where `agent` is the agent's address, and search `dns_domain`
    for services of their stack; with none they ask whom Docker has them ask.
    """

    zk: str
    master: str
    bind: tuple[str, int] = ("127.0.0.1", 8080)
    advertise: tuple[str, int] = ("127.0.0.1", 8080)
    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    name: str = "framework"
    role: str = "*"
    principal: str = ""
    secret: str | None = field(default=None, repr=False)
    user: str = "root"
    agents_interval_seconds: float = 15.0
    executor_idle_seconds: float = 60.0
    executor_operations: int = 4
    executor_url: str = ""
    session_timeout_seconds: float = 10.0
    history: int = 20
    endpoints: str = ""
    metrics_interval_seconds: float = 10.0
    metrics_port: int = 0
    dns: tuple[str, ...] = ()
    dns_domain: str = ""
    webui_url: str = ""
    log_level: str = "info"
    journal: str = ""
    """A file for the flight recorder, "" for none."""

    @property
    def advertised(self) -> str:
        """host:port under which agents and people reach this scheduler."""
        host, port = self.advertise
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
