"""The executor's metrics as a whole: measuring, and telling it over HTTP."""

from __future__ import annotations

import logging
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

from executor.core.survey import SurveyRequested
from executor.metrics.collector import Collector
from executor.metrics.exposition import CONTENT_TYPE
from executor.metrics.histogram import Histogram
from executor.metrics.reading import PAGE, Measuring
from executor.metrics.scraping import Scraping
from executor.metrics.serving import MetricsServer
from executor.metrics.snapshot import Own, page_of, usage_json
from executor.workers import start_thread

DELAYS = (0.01, 0.1, 1.0, 10.0)
"""Seconds, for how late checks begin."""

log = logging.getLogger("executor.metrics")


class Metrics:
    """Begins with `start`. `port` is where it answers then, 0 while it does not."""

    def __init__(self, executor: str, version: str) -> None:
        self._executor = executor
        self._version = version
        self._agent = self._hostname = ""
        self._started_at = time.time()
        self._collector: Collector | None = None
        self.delays = Histogram(DELAYS)
        self.port = 0

    def start(self, ask: Callable[[SurveyRequested], None], interval_seconds: float, address: str, port: int) -> None:
        """Measures from now on, and answers at the agent's `address`. Where it cannot listen, tasks run all the
        same."""
        self._collector = Collector(ask, Measuring(), Scraping(), interval_seconds)
        try:
            pages = {"/metrics": (CONTENT_TYPE, self._page), "/v1/usage": ("application/json", self._usage)}
            server = MetricsServer(address, port, pages)
        except OSError:
            log.error("no metrics: nowhere to listen")
            return
        start_thread("metrics", self._collector.run)
        server.start()
        self.port = server.port

    def know_agent(self, agent: str, hostname: str) -> None:
        """Which agent this is."""
        self._agent, self._hostname = agent, hostname

    def _page(self) -> bytes:
        assert self._collector is not None, "there is no server before"
        used = resource.getrusage(resource.RUSAGE_SELF)
        own = Own(
            executor=self._executor,
            agent=self._agent,
            hostname=self._hostname,
            version=self._version,
            cpu_seconds=used.ru_utime + used.ru_stime,
            mem_bytes=int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE,
            threads=threading.active_count(),
            started_at=self._started_at,
        )
        return page_of(own, self._collector.latest, self.delays).text()

    def _usage(self) -> bytes:
        assert self._collector is not None, "there is no server before"
        return usage_json(self._collector.latest, self._executor, self._agent)
