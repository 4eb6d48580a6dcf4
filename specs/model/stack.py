"""The model of a stack file: what a stack is once it has been read, checked and completed.

specs.file.load makes it out of YAML, specs.model.canonical turns it into bytes and a version and back. Every field has
its final value here: defaults filled in, interpolation done, durations in seconds, sizes in MiB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from specs.ids import GroupId
from specs.model.autoscale import Autoscale
from specs.model.constraints import Mode, Rules
from specs.model.declared import PLAIN, SECRET, WITHIN, Effect, in_place, plain, replaces, says, scheduler_only, secret
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
    """The state that a dependency must reach before its dependants start."""

    STARTED = "started"
    HEALTHY = "healthy"
    COMPLETED = "completed"


class OnChange(StrEnum):
    """The reaction of dependants to a change of a service: none; they are restarted; or their containers get a
    signal."""

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
    path: str = plain("/")
    port: str = plain("")
    command: tuple[str, ...] = secret(())
    interval_seconds: float = 10.0
    timeout_seconds: float = 5.0
    grace_seconds: float = 30.0
    failures: int = 3
    successes: int = 1
    start_interval_seconds: float = 1.0
    method: str = plain("GET")
    headers: tuple[tuple[str, str], ...] = secret(())
    codes: tuple[tuple[int, int], ...] = ((200, 399),)
    verifies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A command run in the container (or beside a plain process) at a moment of the task's life; it has failed unless
    it exits with 0 within `timeout_seconds`. `user` and `working_dir` empty: those of the container; `environment` is
    added to the container's."""

    command: tuple[str, ...] = field(metadata=says(SECRET))
    user: str = plain("")
    working_dir: str = plain("")
    environment: tuple[tuple[str, str], ...] = secret(())
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A file that the executor writes before the container is created, and again when the endpoints in it have changed.

    `target` absolute: the file is bound there, and written in place; relative: it is below /mnt/mesos/templates, and
    another takes its place at once. `content` is in Jinja's language (discovery.templates.render). After a change the
    container's first process gets `signal`, or `command` is run in the container; both empty: nothing.
    """

    target: str = field(metadata=says(PLAIN))
    content: str = field(metadata=says(SECRET))
    mode: int = 0o644
    signal: str = plain("")
    command: tuple[str, ...] = secret(())


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
    """The treatment of a task whose agent cannot be reached: its slot is given to another task after
    `replace_after_seconds`, and `keep` says which of the two stays should it come back."""

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
    """The program that runs, and how it is looked after. Each field declares what a change of it needs
    (specs.model.declared).

    `image` empty means a plain process.

    `command` None leaves the image's own; for a process it is required. Sequences of pairs are sorted by key. A task is
    ready once all of `post_start` are done, one after the other, and while it is healthy and `ready` says so; where
    there is no `ready`, healthy is ready. `pre_stop` are done before the stop signal, within the grace.
    """

    image: str = replaces("", PLAIN)
    command: tuple[str, ...] | None = replaces(None, SECRET)
    entrypoint: tuple[str, ...] | None = replaces(None, SECRET, needs_image=True)
    environment: tuple[tuple[str, str], ...] = replaces((), SECRET)
    ports: tuple[Port, ...] = replaces((), PLAIN, named_by="name")
    volumes: tuple[Volume, ...] = replaces((), PLAIN, needs_image=True, named_by="target")
    tmpfs: tuple[str, ...] = replaces((), PLAIN, needs_image=True)
    network: Network = replaces(Network.BRIDGE)
    user: str = replaces("", PLAIN)
    working_dir: str = replaces("", PLAIN)
    hostname: str = replaces("", PLAIN, needs_image=True)
    labels: tuple[tuple[str, str], ...] = replaces((), SECRET, needs_image=True)
    pull: Pull = in_place(Pull.MISSING)
    pull_timeout_seconds: float = in_place(600.0)
    privileged: bool = replaces(False, needs_image=True)
    read_only: bool = replaces(False, needs_image=True)
    init: bool = replaces(False, needs_image=True)
    tty: bool = replaces(False, needs_image=True)
    cap_add: tuple[str, ...] = replaces((), PLAIN, needs_image=True)
    cap_drop: tuple[str, ...] = replaces((), PLAIN, needs_image=True)
    devices: tuple[str, ...] = replaces((), PLAIN, needs_image=True)
    dns: tuple[str, ...] = replaces((), PLAIN, needs_image=True)
    dns_search: tuple[str, ...] = replaces((), PLAIN, needs_image=True)
    dns_opt: tuple[str, ...] = replaces((), PLAIN, needs_image=True)
    extra_hosts: tuple[str, ...] = replaces((), PLAIN, needs_image=True)
    security_opt: tuple[str, ...] = replaces((), PLAIN, needs_image=True)
    sysctls: tuple[tuple[str, str], ...] = replaces((), PLAIN, needs_image=True)
    ulimits: tuple[Ulimit, ...] = replaces((), PLAIN, needs_image=True, named_by="name")
    group_add: tuple[str, ...] = replaces((), PLAIN, needs_image=True)
    shm_size_mib: int = replaces(0, needs_image=True, least=0, most=2**31)
    pids_limit: int = replaces(0, needs_image=True, least=0, most=2**31)
    stop: Stop = in_place(Stop(), PLAIN)
    health: HealthCheck | None = in_place(None, WITHIN)
    ready: HealthCheck | None = in_place(None, WITHIN)
    metrics: MetricsPage | None = in_place(None, PLAIN)
    post_start: tuple[Hook, ...] = replaces((), WITHIN)
    pre_stop: tuple[Hook, ...] = in_place((), WITHIN)
    templates: tuple[Template, ...] = replaces((), WITHIN)


DEFAULT_RESOURCES = Resources(cpus_milli=100, mem_mib=128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A labeled group of a stack: how many of what.

    `resources.ports` is empty here: ports are wanted by `container.ports`. `container` and `resources` make the
    version (specs.model.canonical). A GLOBAL group has one instance on every agent on which it can run, and
    `instances` is 1 and means nothing.
    """

    id: GroupId = field(metadata=says(PLAIN, Effect.METADATA))
    instances: int = field(metadata=says(effect=Effect.SCALES))
    container: Container = field(metadata=says(WITHIN))
    resources: Resources = replaces(DEFAULT_RESOURCES, PLAIN)
    restart: Restart = scheduler_only(Restart.ALWAYS)
    retry: Retry = scheduler_only(Retry())
    dependencies: tuple[Dependency, ...] = scheduler_only((), PLAIN, named_by="service")
    metadata: tuple[tuple[str, str], ...] = scheduler_only((), SECRET)
    mode: Mode = scheduler_only(Mode.REPLICATED)
    rules: Rules = scheduler_only(Rules(), PLAIN)
    unreachable: Unreachable = scheduler_only(Unreachable())
    kill_order: KillOrder = scheduler_only(KillOrder.YOUNGEST)
    routes: tuple[Route, ...] = scheduler_only((), PLAIN)
    """Where balancers serve it."""
    update: Update = scheduler_only(Update())
    rollback: Update | None = scheduler_only(None)
    """The pace of going back; None: that of an update."""
    autoscale: Autoscale | None = scheduler_only(None, PLAIN)
    """Where set, the load decides the number of tasks; `instances` is only the first number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One submitted file under a name. Groups are sorted by id."""

    name: str
    groups: tuple[Group, ...] = field(metadata=says(WITHIN))
