"""The thread that measures all tasks at an interval."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import NoReturn

from executor.core.survey import Survey, SurveyRequested
from executor.core.task import Phase
from executor.metrics.measurement import Measurement, cpus
from executor.metrics.reading import Measuring
from executor.metrics.scraping import Scraping
from executor.metrics.snapshot import Measured, Snapshot
from specs.ids import TaskId

RUNS = frozenset((Phase.RUNNING, Phase.DRAINING, Phase.PRE_STOP, Phase.STOPPING))
"""The phases in which a task is measured."""
SURVEY_SECONDS = 5.0
"""Time-out for the loop's answer."""


class Collector:
    """Measures every `interval_seconds`. `ask` sends a request to the loop; any thread can read `latest`."""

    def __init__(
        self,
        ask: Callable[[SurveyRequested], None],
        measuring: Measuring,
        scraping: Scraping,
        interval_seconds: float,
    ) -> None:
        self._ask = ask
        self._measuring = measuring
        self._scraping = scraping
        self._interval_seconds = interval_seconds
        self._before: dict[TaskId, Measurement] = {}
        self.latest = Snapshot(at=time.time())

    def run(self) -> NoReturn:
        """Measures for ever, at an even pace whatever a round takes."""
        due_at = time.monotonic()
        while True:
            survey = self._survey()
            if survey is not None:
                self.measure(survey)
            now = time.monotonic()
            due_at = max(due_at + self._interval_seconds, now)
            self._rest(due_at)

    def measure(self, survey: Survey) -> None:
        """One round."""
        began_at = time.monotonic()
        running = [seen for seen in survey.tasks if seen.phase in RUNS]
        usages = self._measuring.measure(running)
        measured = tuple(
            Measured(
                seen=seen,
                usage=(usage := usages.get(seen.order.task_id)),
                cpus=None if usage is None else cpus(self._before.get(seen.order.task_id), usage),
                scraped=self._scraping.found(seen.order.task_id),
            )
            for seen in running
        )
        self._before = usages
        self.latest = Snapshot(at=time.time(), seconds=time.monotonic() - began_at, survey=survey, tasks=measured)

    def _rest(self, until: float) -> None:
        """Waits; has pages of tasks asked for meanwhile."""
        running = [each.seen for each in self.latest.tasks]
        while (now := time.monotonic()) < until:
            next_at = self._scraping.due(running)
            time.sleep(max(min(until, next_at if next_at is not None else until) - now, 0.0))

    def _survey(self) -> Survey | None:
        """The loop's answer, None where it takes too long."""
        answers: queue.SimpleQueue[Survey] = queue.SimpleQueue()
        self._ask(SurveyRequested(answers.put))
        try:
            return answers.get(timeout=SURVEY_SECONDS)
        except queue.Empty:
            return None
