"""The scheduler's metrics for Prometheus: counted from what passes through the loop, or read off the view.

docs/metrics.md lists all of it.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from framework.core.commands import Accept, Command, Decline, PublishEvent, PutStack, PutTask, Reconcile, Save
from framework.core.events import BecameLeader, Disconnected, Event, OfferRescinded, OffersReceived, Saved, SaveFailed
from framework.core.model import Instant, Task
from framework.core.views import View
from framework.core.volatile import Connection
from specs.ids import OfferId, TaskId
from specs.states import TaskState

_PREFIX = "framework_scheduler_"
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SLOW = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
MOST_AWAITED = 100_000
"""Limit on tasks that are timed at once; further ones are not timed."""


class Meter:
    """Counts events and commands (framework.loop.Recorder) and requests (framework.ports.Gauge), and writes the page.

    Events and commands come from the loop's thread, requests from the API's; the page can be requested from any thread.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._registry = CollectorRegistry()
        self._event: Event | None = None
        self._begun = 0.0
        self._now: Instant = 0.0
        self._held: dict[OfferId, None] = {}
        self._saving: dict[int, float] = {}
        self._asked_at: dict[str, Instant] = {}
        self._awaited: dict[TaskId, tuple[Instant, str]] = {}
        # Without the time at which each series began, which nobody asks for and which doubles the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
        self._count_all()
        ProcessCollector(namespace="framework_scheduler", registry=self._registry)

    def watch(self, shown: Callable[[], Iterator[Metric]]) -> None:
        """Adds the metrics that `shown` returns to the page; call it before the first request of the page."""
        self._registry.register(_Shown(shown))

    def _count_all(self) -> None:
        registry = self._registry

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(_PREFIX + name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(_PREFIX + name, text, labels, buckets=buckets, registry=registry)

        self._events = counter("events", "Events that the core handled.", "kind")
        self._happenings = counter("happenings", "What the event stream told.", "kind")
        self._steps = histogram("step_seconds", "How long the core took for an event.", _FAST)
        self._offers = counter("offers", "Offers by what became of them.", "fate")
        self._launches = counter("launches", "Tasks sent to agents.")
        self._reconciliations = counter("reconciliations", "Times that Mesos was asked for all it knows.")
        self._saves = histogram("save_seconds", "From a save to its answer.", _FAST)
        self._writes = counter("save_writes", "Records that were to be stored.")
        self._save_failures = counter("save_failures", "Saves that the store refused.")
        self._waits = histogram(
            "task_wait_seconds",
            "From the change of a stack to the first task of a slot, by how far it is.",
            _SLOW,
            "phase",
        )
        self._elections = counter("elections", "Times that this process began to lead.")
        self._requests = counter("api_requests", "Requests that were answered.", "method", "route", "code")
        self._answers = histogram("api_request_seconds", "How long answers took; event streams apart.", _FAST, "route")

    # ---- framework.loop.Recorder ----------------------------------------------------

    def begin(self, event: Event, now: Instant) -> None:
        self._event, self._now, self._begun = event, now, self._clock()

    def end(self, commands: tuple[Command, ...]) -> None:
        event, at = self._event, self._clock()
        if event is None:
            return
        self._steps.observe(at - self._begun)
        self._events.labels(type(event).__name__).inc()
        if isinstance(event, OffersReceived):
            self._offers.labels("received").inc(len(event.offers))
            self._held |= dict.fromkeys(offer.id for offer in event.offers)
        elif isinstance(event, OfferRescinded):
            self._end_offers("rescinded", (event.offer_id,))
        elif isinstance(event, Saved | SaveFailed):
            self._saved(event, at)
        elif isinstance(event, Disconnected):
            self._held.clear()
        elif isinstance(event, BecameLeader):
            self._elections.inc()
        for command in commands:
            self._take(command, at)

    def flush(self) -> None:
        """Does nothing: counts are written at once."""

    def _take(self, command: Command, at: float) -> None:
        if isinstance(command, PublishEvent):
            self._happenings.labels(command.kind).inc()
        elif isinstance(command, Save):
            self._saving[command.ticket] = at
            self._writes.inc(len(command.writes))
            for write in command.writes:
                if isinstance(write, PutTask):
                    self._follow(write.task)
                elif isinstance(write, PutStack):
                    self._asked_at[write.stack.name] = self._now
        elif isinstance(command, Accept):
            self._end_offers("accepted", command.offer_ids)
            self._launches.inc(len(command.launches))
            for launch in command.launches:
                self._launched(launch.task)
        elif isinstance(command, Decline):
            self._end_offers("declined", command.offer_ids)
        elif isinstance(command, Reconcile) and not command.tasks:
            self._reconciliations.inc()

    def _end_offers(self, fate: str, ids: tuple[OfferId, ...]) -> None:
        self._offers.labels(fate).inc(len(ids))
        for id in ids:
            self._held.pop(id, None)

    def _saved(self, event: Saved | SaveFailed, at: float) -> None:
        begun = self._saving.pop(event.ticket, None)
        if begun is not None:
            self._saves.observe(at - begun)
        if isinstance(event, SaveFailed):
            self._save_failures.inc()

    # ---- how long tasks take ----------------------------------------------------------

    def _launched(self, task: Task) -> None:
        """Times the first task of a slot: it comes from a change of the stack, not from a failure of another task."""
        asked_at = self._asked_at.get(task.group.stack)
        if asked_at is not None and task.attempt == 1 and len(self._awaited) < MOST_AWAITED:
            self._waits.labels("placed").observe(max(self._now - asked_at, 0.0))
            self._awaited[task.id] = (asked_at, "running")

    def _follow(self, task: Task) -> None:
        found = self._awaited.get(task.id)
        if found is None:
            return
        asked_at, phase = found
        if task.state.is_terminal:
            del self._awaited[task.id]
            return
        if phase == "running" and task.state is TaskState.RUNNING:
            self._waits.labels("running").observe(max(self._now - asked_at, 0.0))
            phase = "ready"
            self._awaited[task.id] = (asked_at, phase)
        if phase == "ready" and task.is_ready:
            self._waits.labels("ready").observe(max(self._now - asked_at, 0.0))
            del self._awaited[task.id]

    # ---- framework.ports.Gauge -----------------------------------------------------------

    def answered(self, method: str, route: str, code: int, seconds: float | None) -> None:
        """A request was answered. `seconds` is None for a stream, whose length means nothing."""
        self._requests.labels(method, route, str(code)).inc()
        if seconds is not None:
            self._answers.labels(route).observe(seconds)

    def page(self) -> bytes:
        """The page in Prometheus's text form, version 0.0.4."""
        return generate_latest(self._registry)

    # ---- for what is shown ---------------------------------------------------------------

    @property
    def offers_held(self) -> int:
        return len(self._held)

    @property
    def saves_waiting(self) -> int:
        return len(self._saving)


class _Shown:
    """A collector for the metrics that are read when the page is requested."""

    def __init__(self, shown: Callable[[], Iterator[Metric]]) -> None:
        self._shown = shown

    def collect(self) -> Iterator[Metric]:
        """The metrics of now."""
        return self._shown()

    def describe(self) -> tuple[Metric, ...]:
        """Returns nothing, so that it is not called before everything is connected."""
        return ()


def view_metrics(view: View) -> Iterator[Metric]:
    """The metrics of a view."""
    yield gauge("subscribed", "Whether it is subscribed to a master.", int(view.connection is Connection.SUBSCRIBED))
    yield gauge("stacks", "Stacks there are.", len(view.stacks))
    tasks, groups, slots, refused = Tally[str](), Tally[str](), Tally[str](), Tally[str]()
    for stack in view.stacks.values():
        for group in stack.groups:
            tasks.update(group.states)
            groups[group.state.value] += 1
            slots["wanted"] += group.wanted
            slots["ready"] += group.ready
            slots["waiting"] += sum(not each.is_final for each in group.waiting)
            slots["given_up"] += sum(each.is_final for each in group.waiting)
            for rule in group.refused_by:
                refused[rule] += len(group.waiting)
    yield _by("tasks", "Tasks that have not ended, by state.", "state", tasks)
    yield _by("groups", "Groups by state.", "state", groups)
    yield _by("slots", "Slots: how many are wanted, ready, waiting for a task, and given up.", "of", slots)
    yield _by("refused_slots", "Slots that no agent may take, by the rules that keep them off.", "rule", refused)
    available = sum(not one.unavailable for one in view.agents.values())
    agents = {"available": available, "avoided": len(view.agents) - available}
    yield _by("agents", "Agents by whether tasks may go there.", "state", agents)
    yield gauge("questions", "What waits for an operator's approval.", len(view.approval_requests))


def gauge(name: str, text: str, value: float) -> Metric:
    """A value of now."""
    return GaugeMetricFamily(_PREFIX + name, text, value=value)


def counted(name: str, text: str, value: float) -> Metric:
    """A count that somebody else keeps."""
    return CounterMetricFamily(_PREFIX + name, text, value=value)


def _by(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, text, labels=[label])
    for word, value in sorted(values.items()):
        family.add_metric([word], value)
    return family
