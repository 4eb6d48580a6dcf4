"""How long a group's version waits after failures, and when it gives up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.core.model import Backoff, Task
from framework.core.state.backoff import (
    MOST_AGENTS,
    MOST_TRIES,
    after_failure,
    countdown,
    is_permanently_failed,
    is_waiting,
    permanent_failure,
    sentence,
)
from specs.ids import AgentId
from specs.model.stack import Retry
from specs.permanence import Permanent
from tests.kit.stored import stored_task

T0 = 1_000.0
RETRY = Retry(delay_seconds=2, factor=2, max_delay_seconds=60, window_seconds=100)
FAILED = stored_task(1)


def permanent(word: str = Permanent.IMAGE_NOT_FOUND, agent: str = "a1") -> Task:
    return replace(FAILED, permanent=word, agent_id=AgentId(agent))


def fail(before: Backoff | None, now: float, *, ran: float = 0.0, retry: Retry = RETRY, task: Task = FAILED) -> Backoff:
    return after_failure(before, task=task, ran_seconds=ran, cause="exit code 1", now=now, retry=retry)


def series(count: int, retry: Retry = RETRY) -> Backoff:
    """A number of failures, each as soon as the wait before is over."""
    backoff = fail(None, T0, retry=retry)
    for _ in range(count - 1):
        backoff = fail(backoff, backoff.until, retry=retry)
    return backoff


def test_the_wait_grows_by_the_factor_up_to_the_most() -> None:
    assert [series(count).delay_seconds for count in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]
    assert series(7).failures == 7


def test_failures_within_a_wait_count_as_one() -> None:
    first = fail(None, T0)
    assert fail(first, T0) is first
    assert fail(first, T0 + 1.99) is first
    assert fail(first, T0 + 2).failures == 2


@pytest.mark.parametrize(
    ("quiet", "delay", "failures"),
    [(0, 32, 5), (99.9, 32, 5), (100, 16, 5), (200, 8, 5), (300, 4, 5), (400, 2, 1), (10**9, 2, 1)],
)
def test_each_window_without_a_failure_halves_it(quiet: float, delay: float, failures: int) -> None:
    before = series(4)
    after = fail(before, before.until + quiet)
    assert (after.delay_seconds, after.failures) == (delay, failures)


def test_a_task_that_ran_for_a_window_makes_no_wait_longer() -> None:
    before = series(4)
    after = fail(before, before.until + 10, ran=100)
    assert (after.delay_seconds, after.failures) == (16, 4)
    assert fail(None, T0, ran=1e6).delay_seconds == 2
    # Were it otherwise, a group of thousands with a failure each day would wait for minutes after each of them.
    for _ in range(100):
        after = fail(after, after.until + 1, ran=100)
    assert after.delay_seconds == 16


def test_without_a_delay_there_is_no_wait() -> None:
    retry = replace(RETRY, delay_seconds=0)
    assert series(3, retry).until == T0
    assert series(3, retry).failures == 3


def test_settings_that_were_changed_hold_from_the_next_failure_on() -> None:
    before = series(6)
    assert fail(before, before.until, retry=replace(RETRY, max_delay_seconds=10)).delay_seconds == 10
    assert fail(before, before.until, retry=replace(RETRY, delay_seconds=70, max_delay_seconds=80)).delay_seconds == 70


def test_a_wait_of_a_clock_that_is_far_ahead_is_over() -> None:
    backoff = fail(None, T0)
    assert is_waiting(backoff, T0) and is_waiting(backoff, T0 - 2)
    assert not is_waiting(backoff, T0 - 3)
    assert not is_waiting(backoff, T0 + 2)
    assert fail(backoff, T0 - 500).delay_seconds == 4, "time that runs back lowers and raises nothing of itself"


def test_sentences() -> None:
    assert sentence(series(1)) == "waits 2 s after: exit code 1"
    assert sentence(series(4)) == "waits 16 s (4 failures) after: exit code 1"
    assert countdown(series(4), series(4).until - 12) == "waits 12 s (of 16 s, 4 failures) after: exit code 1"
    assert countdown(series(1), T0 + 0.5) == "waits 1.5 s (of 2 s, 1 failure) after: exit code 1"


class TestPermanent:
    """Failures that trying again does not mend."""

    RETRY = Retry()

    def fail(self, before: Backoff | None, task: Task) -> Backoff:
        return fail(before, before.until if before else T0, task=task, retry=self.RETRY)

    def test_long_waits_and_an_end(self) -> None:
        backoff = self.fail(None, permanent())
        delays = [backoff.delay_seconds]
        while not is_permanently_failed(backoff):
            backoff = self.fail(backoff, permanent())
            delays.append(backoff.delay_seconds)
        assert delays == [10, 30, 90, 270, 300]
        assert (backoff.tries, backoff.failures, backoff.until) == (MOST_TRIES, 5, backoff.at)
        assert permanent_failure(backoff, "shop/web") == (
            "gave up after 5 attempts on 1 agent; it will not mend by itself: exit code 1; submit it mended, or"
            " `framework reset-backoff 'shop/web'`"
        )

    def test_another_agent_may_do_where_that_can_be(self) -> None:
        backoff = self.fail(None, permanent(Permanent.IMAGE_ABSENT))
        for number in range(2, 8):
            backoff = self.fail(backoff, permanent(Permanent.IMAGE_ABSENT, f"a{number}"))
            assert (backoff.tries, backoff.delay_seconds) == (1, 10)
        for tries in range(2, MOST_TRIES + 1):
            assert not is_permanently_failed(backoff)
            backoff = self.fail(backoff, permanent(Permanent.IMAGE_ABSENT))
            assert backoff.tries == tries
        assert is_permanently_failed(backoff)

    def test_not_on_every_agent_of_a_large_cluster(self) -> None:
        backoff = self.fail(None, permanent(Permanent.IMAGE_ABSENT))
        for number in range(2, MOST_AGENTS + 1):
            assert not is_permanently_failed(backoff)
            backoff = self.fail(backoff, permanent(Permanent.IMAGE_ABSENT, f"a{number}"))
        assert is_permanently_failed(backoff) and len(backoff.agents) == MOST_AGENTS

    def test_the_same_everywhere_counts_on_each_agent(self) -> None:
        backoff = None
        for number in range(MOST_TRIES):
            backoff = self.fail(backoff, permanent(Permanent.IMAGE_DENIED, f"a{number}"))
        assert backoff is not None and is_permanently_failed(backoff)

    def test_a_word_of_a_newer_executor_is_permanent_too(self) -> None:
        assert self.fail(None, permanent("not-known-here")).delay_seconds == 10

    def test_one_that_came_to_run_begins_the_count_anew(self) -> None:
        backoff = self.fail(self.fail(None, permanent()), permanent())
        after = self.fail(backoff, FAILED)
        assert (after.tries, after.agents, after.delay_seconds, after.failures) == (0, (), 1, 1)

    def test_the_longest_wait_holds_for_them_too(self) -> None:
        assert fail(None, T0, task=permanent(), retry=replace(RETRY, max_delay_seconds=3)).delay_seconds == 3


_RETRIES = st.builds(
    lambda delay, factor, more, window: Retry(
        delay_seconds=delay, factor=factor, max_delay_seconds=delay + more, window_seconds=window
    ),
    st.floats(0, 1_000),
    st.floats(1, 100),
    st.floats(0, 10_000),
    st.floats(0.001, 100_000),
)
_WORDS = st.sampled_from(["", "", "", Permanent.IMAGE_NOT_FOUND, Permanent.IMAGE_ABSENT])


@given(
    _RETRIES, st.lists(st.tuples(st.floats(0, 10_000), st.floats(0, 10_000), _WORDS, st.integers(1, 30)), max_size=40)
)
def test_whatever_fails_the_wait_is_within_its_bounds_and_grows_once_a_wait(
    retry: Retry, ends: list[tuple[float, float, str, int]]
) -> None:
    backoff: Backoff | None = None
    now = T0
    for later, ran, word, agent in ends:
        now += later
        task = permanent(word, f"a{agent}")
        after = after_failure(backoff, task=task, ran_seconds=ran, cause="x" * 1_000, now=now, retry=retry)
        assert retry.delay_seconds <= after.delay_seconds <= retry.max_delay_seconds
        assert after.until - after.at <= after.delay_seconds * (1 + 1e-9) + 1e-6
        assert len(after.agents) <= MOST_AGENTS and len(after.cause) <= 300
        assert after.tries <= MOST_TRIES + len(ends)
        if backoff is not None and is_waiting(backoff, now):
            assert after is backoff
        backoff = after
