"""The keys of a stack file that hold keys of their own: resources, stop, unreachable, and compose's deploy."""

from __future__ import annotations

from specs.file.constraint_forms import Constraints
from specs.file.custom_resources import CustomResources, GenericResources
from specs.file.fields import NOWHERE, Field, Nested, Table
from specs.file.health_forms import DURATION
from specs.file.kinds import Choice, Integer, Pairs, Parsed
from specs.file.placement_forms import ComposePreferences
from specs.file.refused_keys import DEPLOY_REFUSED, LIMITS_REFUSED, RESERVATIONS_REFUSED
from specs.file.restart_forms import RESTART_POLICY
from specs.file.update_forms import ROLLBACK_CONFIG, UPDATE_CONFIG, Pace
from specs.file.values import WANTED_CPUS, WANTED_SIZE, parse_cpus_milli, parse_signal, parse_size_mib
from specs.model.constraints import Mode
from specs.model.limits import MAX_GPUS, MAX_INSTANCES
from specs.model.stack import Keep

SIZE = Parsed(parse_size_mib, WANTED_SIZE, pattern=r"^[0-9]+(\.[0-9]+)?\s*([bB]|[kKmMgGtT]([iI]?[bB])?)$")
CPUS = Parsed(parse_cpus_milli, WANTED_CPUS, ("number", "string"), r"^[0-9]*\.?[0-9]+$")
SIGNAL = Parsed(parse_signal, "the name of a signal", ("string", "integer"))
INSTANCES = Integer(0, MAX_INSTANCES)
_JOB_MODES = dict.fromkeys(
    ("replicated-job", "global-job"),
    'is not supported yet: tasks that end are not counted; restart: "no" or on-failure lets each run once',
)


def _pids(text: str) -> int:
    number = int(text) if text.lstrip("-").isdigit() and len(text) < 10 else 0
    if number < -1 or number == 0:
        raise ValueError(f"wanted a whole number above 0, or -1 for no limit; got {text!r}")
    return max(number, 0)


PIDS = Parsed(_pids, "a whole number above 0, or -1 for no limit", ("integer", "string"))

RESOURCES = Table(
    "resources",
    (
        Field("cpus", CPUS, "resources.cpus_milli", "Processors, to a thousandth (0.1)."),
        Field("memory", SIZE, "resources.mem_mib", "Memory, with its unit, rounded up to MiB (128M)."),
        Field("disk", SIZE, "resources.disk_mib", "Disk, with its unit, rounded up to MiB (none)."),
        Field("gpus", Integer(0, MAX_GPUS), "resources.gpus", "Graphics processors (none)."),
        Field(
            "custom",
            CustomResources(),
            "resources.custom",
            "Resources of the agents' own, by name: a number to a thousandth, or a list of a set's items (none).",
        ),
    ),
)
STOP = Table(
    "stop",
    (
        Field("signal", SIGNAL, "stop.signal", "The signal that asks the task to stop (SIGTERM)."),
        Field("grace", DURATION, "stop.grace_seconds", "Time from then until it is killed (10s)."),
        Field(
            "drain",
            DURATION,
            "stop.drain_seconds",
            "Time before the signal in which nobody new is sent to the task, and what it is at is finished (0s).",
        ),
    ),
)
UNREACHABLE = Table(
    "unreachable",
    (
        Field(
            "replace_after",
            DURATION,
            "unreachable.replace_after_seconds",
            "How long its slot waits for it before another task takes it (0s).",
        ),
        Field(
            "keep",
            Choice({keep.value: keep for keep in Keep}),
            "unreachable.keep",
            "Which of the two stays when it is back: original, replacement (replacement).",
        ),
    ),
)
DEPLOY_LIMITS = Table(
    "deploy.resources.limits",
    (
        Field("cpus", CPUS, "resources.cpus_milli", "As resources.cpus."),
        Field("memory", SIZE, "resources.mem_mib", "As resources.memory."),
        Field("pids", PIDS, "container.pids_limit", "As pids_limit."),
    ),
    LIMITS_REFUSED,
)
DEPLOY_RESERVATIONS = Table(
    "deploy.resources.reservations",
    (
        Field("cpus", CPUS, "resources.cpus_milli", "As resources.cpus; with limits.cpus the two must be the same."),
        Field("memory", SIZE, "resources.mem_mib", "As resources.memory; with limits.memory the two must be the same."),
        Field(
            "generic_resources",
            GenericResources(),
            "resources.custom",
            "As resources.custom: discrete_resource_spec with kind and value.",
        ),
    ),
    RESERVATIONS_REFUSED,
)
_DEPLOY_RESOURCES = Table(
    "deploy.resources",
    (
        Field("limits", Nested(DEPLOY_LIMITS), NOWHERE, "What a task gets, and no more."),
        Field("reservations", Nested(DEPLOY_RESERVATIONS), NOWHERE, "The same: a task gets what it reserves."),
    ),
)
PLACEMENT = Table(
    "deploy.placement",
    (
        Field("constraints", Constraints("deploy.constraints"), "deploy.constraints", "They join constraints."),
        Field(
            "preferences",
            ComposePreferences(),
            "deploy.preferences",
            "They join spread, as preferences of 50 points, each within those before it.",
        ),
        Field(
            "max_replicas_per_node",
            Integer(0, MAX_INSTANCES),
            "deploy.max_per",
            "As the constraint hostname MAX_PER; 0: no limit.",
        ),
    ),
)
DEPLOY = Table(
    "deploy",
    (
        Field("replicas", INSTANCES, "instances", "As instances."),
        Field(
            "labels",
            Pairs("metadata", "labels of the service"),
            "metadata",
            "Metadata of the group, not of containers.",
        ),
        Field("resources", Nested(_DEPLOY_RESOURCES), NOWHERE, "As resources."),
        Field("restart_policy", Nested(RESTART_POLICY), NOWHERE, "As restart: condition, delay, max_attempts, window."),
        Field(
            "mode",
            Choice({mode.value: mode for mode in Mode}, _JOB_MODES),
            "mode",
            "As mode: replicated or global.",
        ),
        Field("placement", Nested(PLACEMENT), NOWHERE, "On which agents; see constraints and spread."),
        Field(
            "update_config",
            Pace(UPDATE_CONFIG, "update", is_compose=True),
            "update",
            "As update, with compose's defaults; not both.",
        ),
        Field(
            "rollback_config",
            Pace(ROLLBACK_CONFIG, "rollback", is_compose=True),
            "rollback",
            "As rollback, with compose's defaults; not both.",
        ),
    ),
    DEPLOY_REFUSED,
)
