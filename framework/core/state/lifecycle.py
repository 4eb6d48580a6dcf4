"""The two tables of a task's life: what may follow what, and what to do about it. A test walks every cell."""

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


class Effect(StrEnum):
    """What a status does to the state that we know."""

    MOVE = "move"
    """It is news: it becomes the observed state."""
    KEEP = "keep"
    """It is old news, or none: acknowledge it and go on."""
    RETURNED = "returned"
    """The task had ended for us, and its slot may have been filled again: it must end in truth."""


class Action(StrEnum):
    """What a task's goal and state ask of us."""

    NOTHING = "nothing"
    KILL = "kill"
    REPLACE = "replace"
    """Give its slot to another, at once or after the group's `replace_after`; `back` says what if it comes back."""
    ENDED = "ended"
    """Its slot is free; the restart policy says what follows."""


def follow(observed: TaskState, said: TaskState) -> Effect:
    """What the word `said` of Mesos does to a task last observed as `observed`."""
    if said is TaskState.INTENT:
        return Effect.KEEP  # ours alone: Mesos has no such word
    if observed.is_terminal:
        if said.is_terminal or said is TaskState.UNREACHABLE:
            return Effect.KEEP
        return Effect.RETURNED
    if said.is_terminal or observed is TaskState.UNREACHABLE or said is TaskState.UNREACHABLE:
        return Effect.MOVE
    return Effect.MOVE if _RANK[said] >= _RANK[observed] else Effect.KEEP


class Back(StrEnum):
    """What is to be done about a task that was unreachable and is back."""

    GOES_ON = "goes on"
    """Nobody has taken its place."""
    TAKES_OVER = "takes over"
    """Its replacement is stopped, and it has its slot again."""
    STOPS = "stops"


def back(goal: Goal, said: TaskState, *, is_replaced: bool, is_desired: bool) -> Back:
    """What becomes of a task that Mesos says is in the state `said` after it was unreachable. `is_replaced`: its slot
    was given to another; `is_desired`: as it is, it is what its slot shall have.

    Only one that runs takes over: what is still starting is no better than its replacement.
    """
    if goal is Goal.STOP:
        return Back.STOPS
    if not is_replaced:
        return Back.GOES_ON
    return Back.TAKES_OVER if said is TaskState.RUNNING and is_desired else Back.STOPS


def act(goal: Goal, observed: TaskState) -> Action:
    """What is to be done about a task with this goal in this state."""
    if observed.is_terminal:
        return Action.ENDED
    if goal is Goal.STOP:
        # Nobody hears a kill on an agent that is away: it is repeated once the agent is back.
        return Action.NOTHING if observed is TaskState.UNREACHABLE else Action.KILL
    return Action.REPLACE if observed is TaskState.UNREACHABLE else Action.NOTHING
