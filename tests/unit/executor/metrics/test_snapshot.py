"""The two pages: what is told of tasks and of the executor, and in which words."""

from __future__ import annotations

import json
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from executor.core.task import Phase
from executor.metrics.exposition import parse
from executor.metrics.histogram import Histogram
from executor.metrics.snapshot import Measured, Scraped, labels_of, page_of, usage_json
from tests.kit.executor_pages import OWN, PULLS, USAGE, WEB, snapshot
from tests.kit.executor_talk import order

THEIRS = 'jobs_waiting{queue="a"} 3\njobs_waiting{queue="b"} 4\nframework_executor_info 9\nframework_scrape_up 7\n'
LABELS = {"stack": "shop", "service": "web", "group": "shop/web[dev]", "slot": "2", "task": "shop.web.dev.2.17"}


def page(*measured: Measured) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The page as Prometheus's library reads it: labels and values by name."""
    text = page_of(OWN, snapshot(*measured), Histogram((1.0,))).text().decode()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_what_a_task_uses_and_how_it_is() -> None:
    found = page(Measured(seen=WEB, usage=USAGE, cpus=0.25))
    of_tasks = {name: each for name, each in found.items() if not name.startswith("framework_executor_")}
    assert of_tasks == {
        f"framework_{name}": [(LABELS, value)]
        for name, value in {
            "container_cpu_seconds_total": 2.5,
            "container_memory_bytes": 1000,
            "container_memory_limit_bytes": 2000,
            "container_network_receive_bytes_total": 1,
            "container_network_transmit_bytes_total": 2,
            "container_block_read_bytes_total": 0,
            "container_block_write_bytes_total": 0,
            "container_oom_kills_total": 1,
            "container_cpu_request_cores": 0.1,
            "container_memory_request_bytes": 64 * 2**20,
            "container_start_time_seconds": 1000.5,
            "task_attempt": 3,
            "task_healthy": 1,
        }.items()
    }


def test_the_executor_tells_of_itself() -> None:
    found = page(Measured(seen=WEB))
    about = {"executor": "executor-1", "agent_id": "S1", "hostname": "agent1", "version": "0.1.0"}
    assert found["framework_executor_info"] == [(about, 1)]
    phases = {labels["phase"]: value for labels, value in found["framework_executor_tasks"]}
    assert {phase for phase, value in phases.items() if value} == {"running", "pulling"}
    assert set(phases) == {str(phase) for phase in Phase}
    group = {"stack": "shop", "service": "web", "group": "shop/web[dev]"}
    assert found["framework_executor_tasks_ended_total"] == [({**group, "state": "FAILED", "oom": "true"}, 2)]
    plain = {
        "statuses_unacknowledged": 1,
        "tasks_unmeasured": 1,
        "measured_at_seconds": 1200.25,
        "measuring_seconds": 0.05,
        "memory_bytes": 40_000_000,
        "check_delay_seconds_count": 0,
    }
    assert {name: found[f"framework_executor_{name}"] for name in plain} == {
        name: [({}, value)] for name, value in plain.items()
    }
    assert "framework_container_memory_bytes" not in found


def test_tasks_metrics_come_out_with_their_labels_but_never_as_ours() -> None:
    scraped = Scraped(families=parse(THEIRS, labels_of(WEB.order), 9), seconds=0.5)
    found = page(Measured(seen=WEB, scraped=scraped))
    assert found["jobs_waiting"] == [({**LABELS, "queue": "a"}, 3), ({**LABELS, "queue": "b"}, 4)]
    assert len(found["framework_executor_info"]) == 1
    assert found["framework_scrape_up"] == [(LABELS, 1)]
    assert found["framework_scrape_samples"] == [(LABELS, 4)]
    assert page(Measured(seen=WEB, scraped=Scraped(fault="no answer")))["framework_scrape_up"] == [(LABELS, 0)]


def test_the_same_metric_of_two_tasks_is_one_family() -> None:
    other = replace(WEB, order=order("shop.web.dev.3.18"))
    both = [
        Measured(seen=seen, scraped=Scraped(families=parse("# TYPE jobs gauge\njobs 1\n", labels_of(seen.order), 9)))
        for seen in (WEB, other)
    ]
    text = page_of(OWN, snapshot(*both), Histogram((1.0,))).text().decode()
    assert text.count("# TYPE jobs gauge") == 1
    assert len(page(*both)["jobs"]) == 2


def test_usage_is_told_as_json() -> None:
    scraped = Scraped(families=parse("# TYPE jobs gauge\njobs 1\njobs 2\n", {}, 9))
    measured = snapshot(Measured(seen=WEB, usage=USAGE, cpus=0.25, scraped=scraped), Measured(seen=PULLS))
    assert json.loads(usage_json(measured, "executor-1", "S1")) == {
        "at": 1200.25,
        "executor": "executor-1",
        "agent": "S1",
        "tasks": [
            {
                "task": "shop.web.dev.2.17",
                "cpus": 0.25,
                "cpus_limit": None,
                "mem_bytes": 1000,
                "mem_limit_bytes": 2000,
                "net_rx_bytes": 1,
                "net_tx_bytes": 2,
                "block_read_bytes": 0,
                "block_write_bytes": 0,
                "oom_kills": 1,
                "metrics": {"jobs": 3.0},
            }
        ],
    }
