"""Every key that a stack file may hold: what it means, where it goes, or why it is refused.

The loader, the JSON Schema and the tables of the documentation are all made from these tables.
"""

from __future__ import annotations

from specs.file.autoscale_forms import Autoscaling
from specs.file.constraint_forms import Constraints
from specs.file.dependency_forms import DependsOn, Links
from specs.file.device_forms import ExtraHosts, Ulimits, parse_address, parse_capability, parse_device, parse_tmpfs
from specs.file.fields import NOWHERE, Field, Nested, Table
from specs.file.health_forms import DURATION, HEALTH, READY, Check, Healthcheck
from specs.file.hook_forms import Hooks
from specs.file.kinds import Anything, Boolean, Choice, Command, Pairs, Text, Texts
from specs.file.metric_forms import Page
from specs.file.placement_forms import Neighbours, Preferences, Spreads, Sticky
from specs.file.port_forms import Ports
from specs.file.refused_keys import SERVICE_REFUSED, TOP_REFUSED
from specs.file.restart_forms import Restarts
from specs.file.route_forms import Routes
from specs.file.sections import CPUS, DEPLOY, INSTANCES, PIDS, RESOURCES, SIGNAL, SIZE, STOP, UNREACHABLE
from specs.file.template_forms import Templates
from specs.file.update_forms import ROLLBACK, UPDATE, Pace
from specs.file.volume_forms import DeclaredVolumes, Volumes
from specs.model.constraints import Mode, Strategy
from specs.model.stack import KillOrder, Network, Pull

_NETWORK = Choice({network.value: network for network in Network})
_PULL = Choice({pull.value: pull for pull in Pull})

SERVICE = Table(
    "a service",
    (
        Field(
            "image",
            Text("the name of an image"),
            "container.image",
            "The image. Without one the command is a plain process on the agent.",
        ),
        Field(
            "command",
            Command(),
            "container.command",
            "What to run, a text split as a shell does or a list; else the image's own.",
        ),
        Field("entrypoint", Command(), "container.entrypoint", "Replaces the image's entry point."),
        Field(
            "environment",
            Pairs("container.environment", "the environment", from_variables=True),
            "container.environment",
            "Environment. A name without a value takes the submitter's.",
        ),
        Field(
            "ports",
            Ports("container.ports"),
            "container.ports",
            "Ports: a list, or a mapping of names. The host port is any of the offer unless named.",
        ),
        Field("links", Links(), "links", "Services that start first and are found under their names."),
        Field(
            "depends_on",
            DependsOn(),
            "depends_on",
            "Services that come first, perhaps until healthy or completed; and what follows when they change.",
        ),
        Field("resources", Nested(RESOURCES), NOWHERE, "What each task gets, and no more."),
        Field("health", Check(HEALTH), "container.health", "How to tell that a task is healthy."),
        Field("ready", Check(READY), "container.ready", "How to tell that a task is ready (it is when it is healthy)."),
        Field("metrics", Page(), "container.metrics", "Where a task tells its own metrics, as Prometheus wants them."),
        Field("stop", Nested(STOP), NOWHERE, "How a task is stopped."),
        Field(
            "post_start",
            Hooks(),
            "container.post_start",
            "Commands run in the container once it has started: it is ready after that; if one fails the task fails.",
        ),
        Field(
            "pre_stop",
            Hooks(),
            "container.pre_stop",
            "Commands run in the container before the stop signal, within the grace.",
        ),
        Field(
            "templates",
            Templates(),
            "container.templates",
            "Files for the container with the addresses of others in them, written anew when these change.",
        ),
        Field(
            "restart",
            Restarts(),
            NOWHERE,
            "When an ended task is followed by another: always, on-failure, never (always); or a mapping.",
        ),
        Field("unreachable", Nested(UNREACHABLE), NOWHERE, "What becomes of a task whose agent cannot be reached."),
        Field("update", Pace(UPDATE, "update"), "update", "At which pace, and under which guard, tasks are replaced."),
        Field(
            "rollback",
            Pace(ROLLBACK, "rollback"),
            "rollback",
            "The pace of going back: the keys of update but steps and canary (that of update).",
        ),
        Field("instances", INSTANCES, "instances", "How many tasks (1); with autoscale: how many at first (its min)."),
        Field("autoscale", Autoscaling(), "autoscale", "As many tasks as the load wants, between two numbers."),
        Field(
            "kill_order",
            Choice({order.value: order for order in KillOrder}),
            "kill_order",
            "Which of its tasks go first when it is to have fewer: youngest, oldest (youngest).",
        ),
        Field(
            "mode",
            Choice({mode.value: mode for mode in Mode}),
            "mode",
            "replicated: so many instances; global: one on every agent that fits, and no instances (replicated).",
        ),
        Field(
            "constraints",
            Constraints("rules.constraints"),
            "rules.constraints",
            "What agents must be like, and how tasks share them: one rule or a list (none).",
        ),
        Field(
            "spread",
            Spreads("rules.spread"),
            "rules.spread",
            "Fields over whose values tasks are spread evenly: one or a list, from the outermost (none).",
        ),
        Field("near", Neighbours("rules.near"), "rules.near", "Groups to be near to: one or a list (none)."),
        Field("apart", Neighbours("rules.apart"), "rules.apart", "Groups to keep away from: one or a list (none)."),
        Field(
            "prefer",
            Preferences("rules.prefer"),
            "rules.prefer",
            "Preferred rules: one or a list, each perhaps with a weight from -100 to 100 (none).",
        ),
        Field(
            "strategy",
            Choice({strategy.value: strategy for strategy in Strategy}),
            "rules.strategy",
            "Among agents that are worth the same: spread, the emptiest; pack, the fullest (spread).",
        ),
        Field(
            "sticky",
            Sticky(),
            "rules.sticky",
            "Whether a slot goes back to its last agent: false, true, always, or how long it waits for it (false).",
        ),
        Field(
            "routes",
            Routes("routes"),
            "routes",
            "Where balancers serve it: one route or a list; changing them restarts nothing (none).",
        ),
        Field(
            "metadata",
            Pairs("metadata", "metadata"),
            "metadata",
            "Free names and values kept with the group; changing them restarts nothing.",
        ),
        Field("volumes", Volumes(), "volumes", "Volumes: absolute paths on the agent, or names of volumes kept there."),
        Field(
            "tmpfs",
            Texts("container.tmpfs", "a path as /run or /run:size=64m", parse_tmpfs, or_one=True),
            "container.tmpfs",
            "File systems in memory.",
        ),
        Field(
            "network", _NETWORK, "container.network", "bridge, host or none (bridge; a plain process is on the host's)."
        ),
        Field("pull", _PULL, "container.pull", "When to pull the image: always, missing, never (missing)."),
        Field("pull_timeout", DURATION, "container.pull_timeout_seconds", "How long a pull may take (10m)."),
        Field("user", Text("a user"), "container.user", "User, or user:group, by name or number."),
        Field("working_dir", Text("a path"), "container.working_dir", "The directory to start in."),
        Field("hostname", Text("a host name"), "container.hostname", "The container's host name."),
        Field(
            "labels",
            Pairs("container.labels", "labels of the container"),
            "container.labels",
            "Docker labels of the container. Labels of groups stand in groups.",
        ),
        Field("privileged", Boolean(), "container.privileged", "All capabilities and devices."),
        Field("read_only", Boolean(), "container.read_only", "The container's own file system cannot be written."),
        Field("init", Boolean(), "container.init", "A small init process passes signals on and reaps children."),
        Field("tty", Boolean(), "container.tty", "A terminal."),
        Field(
            "cap_add",
            Texts("container.cap_add", "a capability", parse_capability),
            "container.cap_add",
            "Capabilities to add.",
        ),
        Field(
            "cap_drop",
            Texts("container.cap_drop", "a capability", parse_capability),
            "container.cap_drop",
            "Capabilities to take away.",
        ),
        Field(
            "devices",
            Texts("container.devices", "a device", parse_device),
            "container.devices",
            "Devices of the agent.",
        ),
        Field(
            "dns",
            Texts("container.dns", "an IP address", parse_address, or_one=True),
            "container.dns",
            "Name servers, in the place of the scheduler's `--dns`.",
        ),
        Field(
            "dns_search",
            Texts("container.dns_search", "a domain", or_one=True),
            "container.dns_search",
            "Domains to search.",
        ),
        Field(
            "dns_opt",
            Texts("container.dns_opt", "an option of resolv.conf"),
            "container.dns_opt",
            "Options of the resolver, as ndots:2.",
        ),
        Field("extra_hosts", ExtraHosts(), "container.extra_hosts", "Entries of /etc/hosts, as name:address."),
        Field("group_add", Texts("container.group_add", "a group"), "container.group_add", "More groups of the user."),
        Field(
            "security_opt",
            Texts("container.security_opt", "an option"),
            "container.security_opt",
            "Docker security options.",
        ),
        Field(
            "sysctls",
            Pairs("container.sysctls", "kernel parameters"),
            "container.sysctls",
            "Kernel parameters of the container.",
        ),
        Field("ulimits", Ulimits(), "container.ulimits", "Limits, one number or soft and hard."),
        Field("shm_size", SIZE, "container.shm_size_mib", "Size of /dev/shm, with its unit, rounded up to MiB."),
        Field("pids_limit", PIDS, "container.pids_limit", "How many processes; -1: no limit."),
        Field("scale", INSTANCES, "instances", "As instances.", False),
        Field(
            "deploy",
            Nested(DEPLOY),
            NOWHERE,
            "replicas, mode, labels, placement, resources, restart_policy, update_config, rollback_config; see below.",
            False,
        ),
        Field(
            "healthcheck",
            Healthcheck(),
            "container.health",
            "As health with a command; intervals default to compose's own.",
            False,
        ),
        Field("stop_signal", SIGNAL, "stop.signal", "As stop.signal.", False),
        Field("stop_grace_period", DURATION, "stop.grace_seconds", "As stop.grace.", False),
        Field("cpus", CPUS, "resources.cpus_milli", "As resources.cpus.", False),
        Field("mem_limit", SIZE, "resources.mem_mib", "As resources.memory; a unit is wanted.", False),
        Field(
            "mem_reservation",
            SIZE,
            "resources.mem_mib",
            "As resources.memory; with mem_limit the two must be the same.",
            False,
        ),
        Field("network_mode", _NETWORK, "container.network", "As network: bridge, host or none.", False),
        Field("net", _NETWORK, "container.network", "Fig's word for network.", False),
        Field(
            "pull_policy",
            Choice(
                {"always": Pull.ALWAYS, "missing": Pull.MISSING, "if_not_present": Pull.MISSING, "never": Pull.NEVER},
                {"build": "is refused: images are not built here: build and push it, and name it with image"},
            ),
            "container.pull",
            "As pull; if_not_present is missing.",
            False,
        ),
        Field(
            "expose",
            Ports("expose"),
            "expose",
            "As ports, with any host port: linked services reach them over the agent.",
            False,
        ),
        Field(
            "attach",
            Anything(),
            NOWHERE,
            "Accepted, means nothing here: it is about the terminal of docker compose up.",
            False,
        ),
        Field("develop", Anything(), NOWHERE, "Accepted, means nothing here: it is about docker compose watch.", False),
    ),
    SERVICE_REFUSED,
    {"build": "container.image", "dockerfile": "container.image"},
)

TOP = Table(
    "a stack file",
    (
        Field(
            "name", Text("the stack's name"), "name", "The stack's name; `--name` wins; else the file's or directory's."
        ),
        Field("services", Anything(), NOWHERE, "The services by name."),
        Field(
            "volumes",
            DeclaredVolumes(),
            "declared_volumes",
            "Names of volumes, without options; need not be declared.",
            may_be_null=True,
        ),
        Field("version", Anything(), NOWHERE, "Accepted, means nothing here, as in compose.", False),
    ),
    TOP_REFUSED,
)
