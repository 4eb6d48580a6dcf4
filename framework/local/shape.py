"""The daemons of a local cluster and their addresses. Pure."""

import re
from dataclasses import dataclass

from framework.local.errors import LocalError

ATTRIBUTES = ("rack:a;zone:z1", "rack:b;zone:z1", "rack:c;zone:z2")
RESOURCES = "cpus:4;mem:4096;disk:10000"

MAX_MASTERS = 9
MAX_AGENTS = 250
MAX_SCHEDULERS = 9
MAX_SUBNET = 250
DNS_PORT = 53
"""The only port to which containers send queries."""

# All ranges stay below 32768, where the kernel starts to take ports for outgoing connections, and apart from each
# other, since tasks on the host's network share the machine's ports whatever their agent.
FIRST_PORT = 31000
END_PORT = 32500
PORTS_PER_AGENT = 500
PORTS_IN_ALL = 20000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The number of each kind of daemon, and the resources of the agents.

    `attributes` holds one Mesos attribute string per agent, used in turn; `resources` is one Mesos resource string
    for every agent, to which a port range of the agent's own is added unless it names ports. `dns` is the address at
    which `framework dns` answers containers, "" where none runs; `balancer`: whether HAProxy serves what stacks route.
    """

    subnet: int = 0
    masters: int = 1
    agents: int = 3
    schedulers: int = 0
    attributes: tuple[str, ...] = ATTRIBUTES
    resources: str = RESOURCES
    dns: str = ""
    balancer: bool = False

    def check(self) -> None:
        """Raises LocalError for an impossible shape."""
        for what, value, least, most in (
            ("subnet", self.subnet, 0, MAX_SUBNET),
            ("masters", self.masters, 1, MAX_MASTERS),
            ("agents", self.agents, 0, MAX_AGENTS),
            ("schedulers", self.schedulers, 0, MAX_SCHEDULERS),
        ):
            if not least <= value <= most:
                raise LocalError(f"{what}: wanted a number from {least} to {most}, got {value}")
        for attributes in self.attributes:
            _check_pairs("attributes", attributes, "rack:a;zone:z1")
        _check_pairs("resources", self.resources, RESOURCES)

    @property
    def zookeeper_address(self) -> str:
        return f"127.{self.subnet}.0.1:2181"

    @property
    def master_url(self) -> str:
        """The address of the Mesos masters in ZooKeeper."""
        return f"zk://{self.zookeeper_address}/mesos"

    @property
    def store_url(self) -> str:
        """The address of our schedulers' store in ZooKeeper."""
        return f"zk://{self.zookeeper_address}/framework"

    def master_ip(self, number: int) -> str:
        return f"127.{self.subnet}.0.{number}"

    def agent_ip(self, number: int) -> str:
        return f"127.{self.subnet}.1.{number}"

    def scheduler_ip(self, number: int) -> str:
        return f"127.{self.subnet}.2.{number}"

    @property
    def balancer_ip(self) -> str:
        """The address at which routes of stacks are served; HAProxy's own page is at port 8404."""
        return f"127.{self.subnet}.3.1"

    def addresses(self) -> dict[str, str]:
        """HOST:PORT of every daemon, by its name."""
        found = {"zookeeper": self.zookeeper_address}
        found |= {f"master{n}": f"{self.master_ip(n)}:5050" for n in range(1, self.masters + 1)}
        found |= {f"agent{n}": f"{self.agent_ip(n)}:5051" for n in range(1, self.agents + 1)}
        found |= {f"scheduler{n}": f"{self.scheduler_ip(n)}:8080" for n in range(1, self.schedulers + 1)}
        found |= {"dns": f"{self.dns}:{DNS_PORT}"} if self.dns else {}
        found |= {"balancer": f"{self.balancer_ip}:8404"} if self.balancer else {}
        return found

    def agent_attributes(self, number: int) -> str:
        return self.attributes[(number - 1) % len(self.attributes)] if self.attributes else ""

    def agent_resources(self, number: int) -> str:
        if re.search(r"(^|;)\s*ports\s*:", self.resources):
            return self.resources
        first, last = self.agent_ports(number)
        return f"{self.resources};ports:[{first}-{last}]"

    def agent_ports(self, number: int) -> tuple[int, int]:
        """The first and the last port that the agent offers; no two agents of a cluster share one."""
        size = min(PORTS_PER_AGENT, PORTS_IN_ALL // max(1, self.agents))
        first = min(FIRST_PORT, END_PORT - size * self.agents) + size * (number - 1)
        return first, first + size - 1


def _check_pairs(what: str, text: str, example: str) -> None:
    """Refuses attributes that Mesos would refuse only in the agent's log, after the agent has ended."""
    for pair in filter(None, (part.strip() for part in text.split(";"))):
        name, colon, value = pair.partition(":")
        if not colon or not name.strip() or not value.strip():
            raise LocalError(f'{what}: wanted name:value pairs like "{example}", got "{pair}" in "{text}"')
