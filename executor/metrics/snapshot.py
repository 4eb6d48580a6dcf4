"""The use of resources by all tasks at one moment, as JSON and as a page of metrics. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from executor.core.order import Order
from executor.core.survey import Survey, TaskSnapshot
from executor.core.task import Phase
from executor.metrics.exposition import Family, Page, labels_text, plain_values
from executor.metrics.histogram import Histogram
from executor.metrics.measurement import Measurement

TASK_LABELS = ("stack", "service", "group", "slot", "task")
"""The labels that name the task of a sample."""
_CONTAINER = "framework_container_"
_TASK = "framework_task_"
_EXECUTOR = "framework_executor_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """A task's own page, or the `fault` for which it is missing; `seconds` is how long the request took."""

    families: tuple[Family, ...] = ()
    fault: str = ""
    seconds: float = 0.0

    @property
    def samples(self) -> int:
        """The number of its samples."""
        return sum(len(family.samples) for family in self.families)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A task, its use in all, the cores it used since the measurement before, and its own page."""

    seen: TaskSnapshot
    usage: Measurement | None = None
    cpus: float | None = None
    scraped: Scraped | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All tasks at `at`, in seconds since 1970; to measure them took `seconds`."""

    at: float
    seconds: float = 0.0
    survey: Survey = field(default_factory=Survey)
    tasks: tuple[Measured, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The executor itself and its own use; times in seconds since 1970."""

    executor: str
    agent: str
    hostname: str
    version: str
    cpu_seconds: float
    mem_bytes: int
    threads: int
    started_at: float


def labels_of(order: Order) -> dict[str, str]:
    """The labels of all samples of a task."""
    group = order.group
    return dict(
        zip(TASK_LABELS, (group.stack, group.service, str(group), str(order.slot), str(order.task_id)), strict=True)
    )


def usage_json(snapshot: Snapshot, executor: str, agent: str) -> bytes:
    """The tasks that could be measured, as JSON: the schema is that of GET /v1/usage in docs/metrics.md."""
    plain = {
        "at": round(snapshot.at, 3),
        "executor": executor,
        "agent": agent,
        "tasks": [_task_json(each, each.usage) for each in snapshot.tasks if each.usage is not None],
    }
    return json.dumps(plain, separators=(",", ":")).encode()


def _task_json(measured: Measured, usage: Measurement) -> dict[str, Any]:
    return {
        "task": measured.seen.order.task_id,
        "cpus": measured.cpus,
        "cpus_limit": usage.cpus_limit,
        "mem_bytes": usage.mem_bytes,
        "mem_limit_bytes": usage.mem_limit_bytes,
        "net_rx_bytes": usage.net_rx_bytes or 0,
        "net_tx_bytes": usage.net_tx_bytes or 0,
        "block_read_bytes": usage.block_read_bytes,
        "block_write_bytes": usage.block_write_bytes,
        "oom_kills": usage.oom_kills,
        "metrics": plain_values(measured.scraped.families) if measured.scraped is not None else {},
    }


def write_tasks(page: Page, snapshot: Snapshot) -> None:
    """Writes the use and the state of each task."""
    for each in snapshot.tasks:
        order, labels = each.seen.order, labels_text(labels_of(each.seen.order).items())
        if each.usage is not None:
            _write_usage(page, each.usage, labels)
        requests = (
            ("cpu_request_cores", "Cores that the task is given a share of.", order.cpus_milli / 1000),
            ("memory_request_bytes", "Memory that the task is given.", order.mem_mib * 2**20),
            ("start_time_seconds", "When it started, in seconds since 1970.", each.seen.started_at),
        )
        for name, what, value in requests:
            page.add(_CONTAINER + name, "gauge", what, labels, value)
        states = (
            ("attempt", "Which attempt in its slot the task is: how many there were, and it.", order.attempt),
            ("healthy", "Whether its health check finds it healthy.", each.seen.is_healthy),
            ("ready", "Whether it is ready, where post_start or a readiness check say so.", each.seen.is_ready),
        )
        for name, what, state in states:
            page.add(_TASK + name, "gauge", what, labels, None if state is None else int(state))


def _write_usage(page: Page, usage: Measurement, labels: str) -> None:
    for name, kind, what, value in (
        ("cpu_seconds_total", "counter", "Time on processors.", usage.cpu_seconds),
        ("cpu_limit_cores", "gauge", "Cores that it may use at most.", usage.cpus_limit),
        ("memory_bytes", "gauge", "Memory in use, without files that are held and not used.", usage.mem_bytes),
        ("memory_limit_bytes", "gauge", "Memory that it may use at most.", usage.mem_limit_bytes),
        ("network_receive_bytes_total", "counter", "Bytes received.", usage.net_rx_bytes),
        ("network_transmit_bytes_total", "counter", "Bytes sent.", usage.net_tx_bytes),
        ("block_read_bytes_total", "counter", "Bytes read from disks.", usage.block_read_bytes),
        ("block_write_bytes_total", "counter", "Bytes written to disks.", usage.block_write_bytes),
        ("oom_kills_total", "counter", "Processes that the kernel killed for want of memory.", usage.oom_kills),
    ):
        page.add(_CONTAINER + name, kind, what, labels, value)


def write_executor(page: Page, own: Own, snapshot: Snapshot) -> None:
    """Writes the executor's own use and state."""
    about = (("executor", own.executor), ("agent_id", own.agent), ("hostname", own.hostname), ("version", own.version))
    page.add(f"{_EXECUTOR}info", "gauge", "Which executor this is.", labels_text(about), 1)
    survey = snapshot.survey
    for name, kind, what, value in (
        ("cpu_seconds_total", "counter", "Time on processors.", own.cpu_seconds),
        ("memory_bytes", "gauge", "Memory that it holds.", own.mem_bytes),
        ("threads", "gauge", "Its threads.", own.threads),
        ("start_time_seconds", "gauge", "When it started, in seconds since 1970.", own.started_at),
        ("statuses_unacknowledged", "gauge", "Tasks of which a status waits for the agent.", survey.unacknowledged),
        ("measured_at_seconds", "gauge", "When tasks were measured last, in seconds since 1970.", snapshot.at),
        ("measuring_seconds", "gauge", "How long that took.", snapshot.seconds),
        ("tasks_unmeasured", "gauge", "Running tasks that could not be measured.", _unmeasured(snapshot)),
    ):
        page.add(_EXECUTOR + name, kind, what, "", value)
    phases = [each.phase for each in survey.tasks]
    for phase in Phase:
        labels = labels_text((("phase", str(phase)),))
        page.add(f"{_EXECUTOR}tasks", "gauge", "Tasks, by where they are.", labels, phases.count(phase))
    for end, number in survey.ends:
        values = (
            *(("stack", end.group.stack), ("service", end.group.service), ("group", str(end.group))),
            *(("state", str(end.state)), ("oom", "true" if end.is_out_of_memory else "false")),
        )
        what = "Tasks that have ended, by how, and whether the kernel killed them for want of memory."
        page.add(f"{_EXECUTOR}tasks_ended_total", "counter", what, labels_text(values), number)


def _unmeasured(snapshot: Snapshot) -> int:
    return sum(each.usage is None for each in snapshot.tasks)


def write_scraped(page: Page, snapshot: Snapshot) -> None:
    """Writes the tasks' own pages; samples with one of our names are left out."""
    ours = set(page.families)
    for each in snapshot.tasks:
        if each.scraped is None:
            continue
        labels = labels_text(labels_of(each.seen.order).items())
        for name, what, value in (
            ("up", "Whether the task's own page could be had.", int(not each.scraped.fault)),
            ("duration_seconds", "How long that took.", each.scraped.seconds),
            ("samples", "How many samples it had.", each.scraped.samples),
        ):
            page.add(f"framework_scrape_{name}", "gauge", what, labels, value)
        for family in each.scraped.families:
            if family.name not in ours and not family.name.startswith("framework_scrape_"):
                known = page.families.setdefault(family.name, Family(family.name, family.kind, family.help))
                known.samples += family.samples


def page_of(own: Own, snapshot: Snapshot, delays: Histogram) -> Page:
    """All of it; `delays` are those of checks."""
    page = Page()
    write_executor(page, own, snapshot)
    delays.write(page, f"{_EXECUTOR}check_delay_seconds", "How long after they were due health checks began.")
    write_tasks(page, snapshot)
    write_scraped(page, snapshot)
    return page
