"""Every limit of a stack file. What exceeds one is refused with the number; docs/stack-file.md lists them."""

from __future__ import annotations

MIB = 1 << 20

MAX_FILE_BYTES = 1 * MIB
MAX_NODES = 100_000
"""Values in a file, aliases counted as often as they are used."""
MAX_TEXT = 8 * MIB
"""Characters of all values of a file, aliases counted as often as they are used."""
MAX_DEPTH = 32
MAX_GROUP_NODES = 1_000_000
"""Values of all groups together, each with its service's settings."""
MAX_JSON_BYTES = 16 * MIB
"""The body of a submission; the normalised form is larger than the file it came from."""

MAX_FAULTS = 100
"""Mistakes that are told at once."""
MAX_SERVICES = 1_000
MAX_GROUPS = 10_000
MAX_INSTANCES = 100_000
MAX_PORTS = 100
MAX_TASK_ID_LENGTH = 200
MAX_SETTINGS_BYTES = 256 * 1024
"""The canonical form of one group: it travels with each task and rests in one store node."""
MAX_VALUE_BYTES = 128 * 1024 - 1
"""One text once its variables are filled in, and one label's value: the longest argument that a program can be given.
specs.rules.kernel_limits has what the kernel takes of arguments, environment, host names and paths."""
MAX_NESTED_DEFAULTS = 16

MAX_CPUS_MILLI = 10_000_000
MIN_MEM_MIB = 4
MAX_MEM_MIB = 64 * MIB
MAX_DISK_MIB = 1024 * MIB
MAX_GPUS = 1_024
MAX_SECONDS = 7 * 24 * 3600.0
MAX_FAILURES = 1_000
MAX_HOOKS = 16
"""Commands of post_start, and of pre_stop."""
MAX_TEMPLATES = 32
MAX_TEMPLATE_BYTES = 64 * 1024
MAX_CHECK_HEADERS = 32
MAX_CHECK_CODES = 32
MAX_ATTEMPTS = 1_000
MAX_FACTOR = 100

MAX_CONSTRAINTS = 50
"""Constraints of a group; the rules within any, all and not count too."""
MAX_SPREADS = 8
MAX_NEIGHBOURS = 16
"""Limit on near and apart together."""
MAX_PREFERENCES = 16
MAX_RULE_DEPTH = 8
"""any, all and not within one another."""
MAX_RULE_VALUES = 200
"""Values of one rule, and targets of a spread."""
MAX_FIELD_LENGTH = 100
MAX_PATTERN_LENGTH = 1_000
"""Characters of a regular expression, and of any other value of a rule."""
MAX_WEIGHT = 100
MAX_STEPS = 50
"""Limit on the steps of an update; pauses count."""
MAX_METRICS = 8
"""Metrics by which one group is scaled."""
MAX_TARGET_PERCENT = 1_000
"""Per cent of the resources that a group asks for: where agents have more to give, a task may use more of the cpus."""
MAX_CUSTOM_RESOURCES = 16
MAX_CUSTOM_MILLI = 10**12
MAX_CUSTOM_ITEMS = 256
"""Items of one set."""
