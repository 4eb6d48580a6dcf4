"""Under any load the number stays within its bounds, and shrinks no sooner than a cool-down after it grew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from framework.core.state.load_window import MOST_AT_ONCE, Scaler, reading
from specs.model.autoscale import Autoscale

BOUNDS = st.builds(
    lambda least, more, up_after, cool_down: Autoscale(
        min=least, max=least + more, cpu_percent=60, up_after_seconds=up_after, cool_down_seconds=cool_down
    ),
    st.integers(1, 5),
    st.integers(0, 40),
    st.integers(0, 60),
    st.integers(1, 300),
)
STEP = st.tuples(
    st.integers(1, 200),  # seconds until it is measured again
    st.floats(0, 1000),  # what each task that tells uses, in per cent
    st.integers(0, 3),  # tasks that tell nothing
    st.sampled_from((False,) * 9 + (True,)),  # whether somebody else leads from then on
)


@given(BOUNDS, st.lists(STEP, max_size=60), st.data())
def test_within_bounds_and_no_faster_than_the_cool_down(
    bounds: Autoscale, steps: list[tuple[int, float, int, bool]], data: st.DataObject
) -> None:
    now, scaler = 1000.0, Scaler()
    instances = data.draw(st.integers(bounds.min, bounds.max))
    rose_at = -1.0
    for seconds, use, silent, is_new_leader in steps:
        now += seconds
        if is_new_leader:
            scaler = Scaler()
        telling = instances - silent
        if telling <= 0:
            continue
        wanted = bounds.bounded(reading("cpu", [use] * telling, 60, instances).wants)
        shall = scaler.settle(bounds, instances, wanted, now)
        assert bounds.min <= shall <= bounds.max
        assert shall <= max(2 * instances, instances + MOST_AT_ONCE)
        if shall < instances:
            assert rose_at < 0 or now - rose_at >= bounds.cool_down_seconds
            assert use < 60, "it shrinks under too little load only"
        if shall > instances:
            assert use > 60
            rose_at = now
        instances = shall


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=20), st.integers(1, 30))
def test_silence_moves_nothing_further(uses: list[float], instances: int) -> None:
    """With tasks that tell nothing there are no more than with all idle, and no fewer than with all at the target."""
    uses = uses[:instances]
    silent = instances - len(uses)
    wants = reading("cpu", uses, 60, instances).wants
    if wants > instances:
        assert wants == reading("cpu", uses + [0.0] * silent, 60, instances).wants
    elif wants < instances:
        assert wants == reading("cpu", uses + [60.0] * silent, 60, instances).wants
