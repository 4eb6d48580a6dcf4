"""The dashboard in docs/grafana.json: every metric that it asks for exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from executor.metrics.histogram import Histogram
from executor.metrics.snapshot import Measured, Scraped, page_of
from framework import app
from framework.meter import Meter
from tests.kit import executor_pages as recorded
from tests.kit.front import a_view

FILE = Path(__file__).resolve().parents[2] / "docs" / "grafana.json"
METRIC = re.compile(r"\bframework_[a-z_]+")
BOARD: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def told() -> set[str]:
    """The names of all samples that executors and schedulers tell."""
    everything = Measured(seen=replace(recorded.WEB, is_ready=True), usage=recorded.USAGE, scraped=Scraped())
    pages = [page_of(recorded.OWN, recorded.snapshot(everything), Histogram((1.0,))).text(), _scheduler()]
    names = set()
    for line in b"\n".join(pages).decode().splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            names |= {name + part for part in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


def _scheduler() -> bytes:
    meter = Meter()
    store: Any = SimpleNamespace(election=SimpleNamespace(is_leader=True), transactions=1, written_bytes=1)
    loop: Any = SimpleNamespace(backlog=0, view=a_view([]))
    meter.watch(lambda: app._shown(loop, store, meter))
    return meter.page()


def queries() -> Iterator[tuple[str, str]]:
    """The place in the dashboard, and its query."""
    for panel in BOARD["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for variable in BOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"${variable['name']}", variable["query"]["query"]


@pytest.mark.parametrize(("where", "query"), list(queries()), ids=lambda value: value[:40])
def test_every_metric_exists(where: str, query: str) -> None:
    asked = set(METRIC.findall(query))
    assert asked, where
    assert asked <= told(), where


def test_it_shows_most_of_what_there_is() -> None:
    asked = {name for _, query in queries() for name in METRIC.findall(query)}
    assert len(asked) > 30
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    variables = {variable["name"] for variable in BOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)", json.dumps(BOARD["panels"])))
    assert used == variables
