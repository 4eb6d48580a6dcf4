"""Exit codes: what a process says when it ends."""

from __future__ import annotations

from enum import IntEnum


class CliExit(IntEnum):
    """Exit codes of the commands that people run."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NO_LEADER = 3
    GAVE_UP = 4


class ServerExit(IntEnum):
    """Exit codes of the scheduler."""

    STORE_UNREACHABLE = 100
    SESSION_LOST = 101
    LEADERSHIP_LOST = 103
    MESOS_REFUSED = 106
    BUG = 107
    TASKS_WITHOUT_FRAMEWORK_ID = 108
    FRAMEWORK_REMOVED = 110
