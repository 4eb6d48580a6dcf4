"""The life of a task, as two tables: which reported state changes the observed one, and what a task needs done.

    INTENT --> STAGING --> STARTING --> RUNNING --> KILLING      stored, then reported by Mesos: only forwards,
       |          |            |           |           |         and any step may be left out
       +----------+------------+-----+-----+-----------+
                                     |
                  +------------------+------------------+
                  |                                     |
                  v                                     v
             UNREACHABLE --> any living state        terminal: FINISHED, FAILED, KILLED, ERROR, LOST, DROPPED,
                  |          again (see `back`)         ^      GONE, GONE_BY_OPERATOR, UNKNOWN
                  |                                     |
                  +-------------------------------------+

A terminal state is the last one for us. If Mesos reports such a task as living after all, it has RETURNED: its slot may
have another task, so it is never observed again and must end (core.converge.kill_guard).

A test walks every cell of both tables.
"""

from __future__ import annotations

from enum import StrEnum

from specs.states import Goal, TaskState

_RANK = {
    TaskState.INTENT: 0,
    TaskState.STAGING: 1,
    TaskState.STARTING: 2,
    TaskState.RUNNING: 3,
    TaskState.KILLING: 4,
}


class StatusEffect(StrEnum):
    """The effect of a status on the observed state."""

    MOVE = "move"
    """The reported state becomes the observed one."""
    KEEP = "keep"
    """The observed state stays: the report is older, or the same. The status is acknowledged all the same."""
    RETURNED = "returned"
    """The task had ended for us, and its slot may have another task: it must end."""


class Action(StrEnum):
    """The action that a task needs, by its goal and its observed state."""

    NOTHING = "nothing"
    KILL = "kill"
    REPLACE = "replace"
    """Give its slot to another, at once or after the group's `replace_after`; `back` decides if it comes back."""
    ENDED = "ended"
    """Its slot is free; the restart policy says what follows."""


def transition(observed: TaskState, reported: TaskState) -> StatusEffect:
    """The effect of a status with the state `reported` on a task that was last observed as `observed`."""
    if reported is TaskState.INTENT:
        return StatusEffect.KEEP  # ours alone: Mesos has no such word
    if observed.is_terminal:
        if reported.is_terminal or reported is TaskState.UNREACHABLE:
            return StatusEffect.KEEP
        return StatusEffect.RETURNED
    if reported.is_terminal or observed is TaskState.UNREACHABLE or reported is TaskState.UNREACHABLE:
        return StatusEffect.MOVE
    return StatusEffect.MOVE if _RANK[reported] >= _RANK[observed] else StatusEffect.KEEP


class Back(StrEnum):
    """The decision about a task that was unreachable and can be reached again."""

    GOES_ON = "goes on"
    """Nobody has taken its place."""
    TAKES_OVER = "takes over"
    """Its replacement is stopped, and it has its slot again."""
    STOPS = "stops"


def back(goal: Goal, reported: TaskState, *, is_replaced: bool, is_desired: bool) -> Back:
    """Decides about a task that Mesos reports as `reported` after it was unreachable. `is_replaced`: its slot was given
    to another; `is_desired`: it is just what the spec wants in that slot.

    Only a running task takes over: one that is still starting is no better than its replacement.
    """
    if goal is Goal.STOP:
        return Back.STOPS
    if not is_replaced:
        return Back.GOES_ON
    return Back.TAKES_OVER if reported is TaskState.RUNNING and is_desired else Back.STOPS


def act(goal: Goal, observed: TaskState) -> Action:
    """The action that a task with this goal needs in this state."""
    if observed.is_terminal:
        return Action.ENDED
    if goal is Goal.STOP:
        # A kill does not reach an agent that is away: it is sent again once the agent is back.
        return Action.NOTHING if observed is TaskState.UNREACHABLE else Action.KILL
    return Action.REPLACE if observed is TaskState.UNREACHABLE else Action.NOTHING
