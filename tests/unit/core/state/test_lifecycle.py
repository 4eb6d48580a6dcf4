"""Every cell of both tables."""

from __future__ import annotations

import pytest

from framework.core.state.lifecycle import Action, StatusEffect, act, transition
from specs.states import TERMINAL, Goal, TaskState

ORDER = [TaskState.INTENT, TaskState.STAGING, TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING]
AWAY = TaskState.UNREACHABLE


def test_every_state_is_covered_by_the_groups_of_this_test() -> None:
    assert set(TaskState) == {*ORDER, AWAY, *TERMINAL}


@pytest.mark.parametrize("observed", TaskState)
@pytest.mark.parametrize("said", TaskState)
def test_transition(observed: TaskState, said: TaskState) -> None:
    effect = transition(observed, said)
    if said is TaskState.INTENT:
        assert effect is StatusEffect.KEEP
    elif observed in TERMINAL:
        assert effect is (StatusEffect.KEEP if said in TERMINAL or said is AWAY else StatusEffect.RETURNED)
    elif said in TERMINAL or AWAY in (said, observed):
        assert effect is StatusEffect.MOVE
    else:
        goes_back = ORDER.index(said) < ORDER.index(observed)
        assert effect is (StatusEffect.KEEP if goes_back else StatusEffect.MOVE)


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("goal", Goal)
def test_act(goal: Goal, state: TaskState) -> None:
    expected = {
        (Goal.RUN, AWAY): Action.REPLACE,
        (Goal.STOP, AWAY): Action.NOTHING,
        **{(goal, state): Action.ENDED for goal in Goal for state in TERMINAL},
        **{(Goal.RUN, state): Action.NOTHING for state in ORDER},
        **{(Goal.STOP, state): Action.KILL for state in ORDER},
    }
    assert len(expected) == len(Goal) * len(TaskState)
    assert act(goal, state) is expected[goal, state]
