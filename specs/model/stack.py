"""The model of a stack file: what a stack is once it has been read, checked and completed.

`load.py` makes it out of YAML, `canonical.py` turns it into bytes and a version and back. Every field has its final
value here: defaults filled in, interpolation done, durations in seconds, sizes in MiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from specs.ids import GroupId
from specs.model.autoscale import Autoscale
from specs.model.constraints import Mode, Rules
from specs.model.resources import Resources
from specs.model.routes import Route
from specs.model.update import Update


class Protocol(StrEnum):
    TCP = "tcp"
    UDP = "udp"


class Network(StrEnum):
    """How a container is attached: Docker's default bridge, the agent's own network, or none."""

    BRIDGE = "bridge"
    HOST = "host"
    NONE = "none"


class Pull(StrEnum):
    ALWAYS = "always"
    MISSING = "missing"
    NEVER = "never"


class Restart(StrEnum):
    """When an ended task is followed by another: always; unless it exited with 0; never."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How an ended task is followed by another, where `Restart` says that one follows.

    The first wait is `delay_seconds`; each failure makes it longer by `factor`, up to `max_delay_seconds`; each
    `window_seconds` without one halves it. After `attempts` further tasks in a slot, none of which ran for
    `window_seconds`, the slot is given up; 0 means never.
    """

    delay_seconds: float = 1.0
    factor: float = 1.15
    max_delay_seconds: float = 300.0
    attempts: int = 0
    window_seconds: float = 300.0


class Condition(StrEnum):
    """What a dependency must have reached before those that depend on it start."""

    STARTED = "started"
    HEALTHY = "healthy"
    COMPLETED = "completed"


class OnChange(StrEnum):
    """What becomes of those that depend on a service once that was changed: nothing; they are restarted; or their
    containers get a signal."""

    NONE = "none"
    RESTART = "restart"
    SIGNAL = "signal"


class CheckKind(StrEnum):
    HTTP = "http"
    HTTPS = "https"
    TCP = "tcp"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A named port.

    `container_port` 0 means "the same as the host port" (always so on the host's network). `host_port` None means
    any port of the offer.
    """

    name: str
    container_port: int
    host_port: int | None = None
    protocol: Protocol = Protocol.TCP


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A bind mount (`source` is an absolute path on the agent), a Docker volume (`source` is its name), or an
    anonymous volume (`source` empty)."""

    source: str
    target: str
    is_read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """How the executor finds out whether a task is healthy, or ready.

    HTTP and HTTPS: `method` on `path` of the port named `port`, with `headers`, is answered by one of `codes` (pairs of
    first and last); a certificate is looked at only if `verifies`. TCP: a connection to the port. COMMAND: `command` in
    the container (or beside a plain process) exits with 0.

    `successes` in a row make it healthy. Failures before the first success and within `grace_seconds` of the start do
    not count, and within that time it is checked every `start_interval_seconds`. After `failures` in a row a task that
    is not healthy is stopped, 0 means never; one that is not ready is stopped by no number of them.
    """

    kind: CheckKind
    path: str = "/"
    port: str = ""
    command: tuple[str, ...] = ()
    interval_seconds: float = 10.0
    timeout_seconds: float = 5.0
    grace_seconds: float = 30.0
    failures: int = 3
    successes: int = 1
    start_interval_seconds: float = 1.0
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    codes: tuple[tuple[int, int], ...] = ((200, 399),)
    verifies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A command run in the container (or beside a plain process) at a moment of the task's life; it has failed unless
    it exits with 0 within `timeout_seconds`. `user` and `working_dir` empty: those of the container; `environment` is
    added to the container's."""

    command: tuple[str, ...]
    user: str = ""
    working_dir: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A file that the executor writes before the container is created, and again when the endpoints in it have changed.

    `target` absolute: the file is bound there, and written in place; relative: it is below /mnt/mesos/templates, and
    another takes its place at once. `content` is in Jinja's language (discovery.templates.render). After a change the
    container's first process gets `signal`, or `command` is run in the container; both empty: nothing.
    """

    target: str
    content: str
    mode: int = 0o644
    signal: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """How a task is stopped: nobody is sent to it any more, `drain_seconds` pass, then comes `signal`, and after
    `grace_seconds` KILL."""

    signal: str = "SIGTERM"
    grace_seconds: float = 10.0
    drain_seconds: float = 0.0


class Keep(StrEnum):
    """Which of two tasks of a slot stays when the one that was unreachable is back."""

    ORIGINAL = "original"
    REPLACEMENT = "replacement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """What becomes of a task whose agent cannot be reached: its slot is given to another after `replace_after_seconds`,
    and `keep` says which of the two stays should it come back."""

    replace_after_seconds: float = 0.0
    keep: Keep = Keep.REPLACEMENT


class KillOrder(StrEnum):
    """Which tasks a group gives up first when it is to have fewer, of those that are worth the same."""

    YOUNGEST = "youngest"
    OLDEST = "oldest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit:
    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Another service of the same stack that comes first, and what follows when it is changed later; `signal` is that
    of SIGNAL, else ""."""

    service: str
    condition: Condition = Condition.STARTED
    on_change: OnChange = OnChange.NONE
    signal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPage:
    """A task's own metrics, in Prometheus's text form: GET `path` of the port named `port` gives them, and is asked for
    every `interval_seconds`."""

    path: str = "/metrics"
    port: str = ""
    interval_seconds: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What runs, and how it is looked after: what of it, when changed, needs no new container, specs.model.in_place
    names.

    `image` empty means a plain process.

    `command` None leaves the image's own; for a process it is required. Sequences of pairs are sorted by key. A task is
    ready once all of `post_start` are done, one after the other, and while it is healthy and `ready` says so; where
    there is no `ready`, healthy is ready. `pre_stop` are done before the stop signal, within the grace.
    """

    image: str = ""
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: tuple[tuple[str, str], ...] = ()
    ports: tuple[Port, ...] = ()
    volumes: tuple[Volume, ...] = ()
    tmpfs: tuple[str, ...] = ()
    network: Network = Network.BRIDGE
    user: str = ""
    working_dir: str = ""
    hostname: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    pull: Pull = Pull.MISSING
    pull_timeout_seconds: float = 600.0
    privileged: bool = False
    read_only: bool = False
    init: bool = False
    tty: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    group_add: tuple[str, ...] = ()
    shm_size_mib: int = 0
    pids_limit: int = 0
    stop: Stop = Stop()
    health: HealthCheck | None = None
    ready: HealthCheck | None = None
    metrics: MetricsPage | None = None
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    templates: tuple[Template, ...] = ()


DEFAULT_RESOURCES = Resources(cpus_milli=100, mem_mib=128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A labeled group of a stack: how many of what.

    `resources.ports` is empty here: ports are wanted by `container.ports`. `container` and `resources` make the
    version, and all of them but the care (specs.model.in_place) are run-relevant: another one needs new containers;
    `instances` is scale; the rest is metadata. A GLOBAL group has one instance on every agent on which it can run, and
    `instances` is 1 and means nothing.
    """

    id: GroupId
    instances: int
    container: Container
    resources: Resources = DEFAULT_RESOURCES
    restart: Restart = Restart.ALWAYS
    retry: Retry = Retry()
    dependencies: tuple[Dependency, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    mode: Mode = Mode.REPLICATED
    rules: Rules = Rules()
    unreachable: Unreachable = Unreachable()
    kill_order: KillOrder = KillOrder.YOUNGEST
    routes: tuple[Route, ...] = ()
    """Where balancers serve it."""
    update: Update = Update()
    rollback: Update | None = None
    """The pace of going back; None: that of an update."""
    autoscale: Autoscale | None = None
    """Where it is there the number goes with the load, and `instances` is only how many there are at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One submitted file under a name. Groups are sorted by id."""

    name: str
    groups: tuple[Group, ...]
