"""The page for Prometheus, over HTTP."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from discovery.executor_addresses import Announcement
from framework.api.answers.usage import TargetGroup
from framework.meter import Meter
from specs.ids import AgentId, ExecutorId
from tests.kit.front import INFO
from tests.kit.shapes import held_to
from tests.kit.usage import FakeUsage
from tests.unit.api.conftest import MakeClient


def test_requests_are_counted_by_route_and_code(make_client: MakeClient) -> None:
    client = make_client(gauge=Meter())
    for path in (
        "/v1/tasks/shop.web.0.1",
        "/v1/tasks/shop.web.0.2",
        "/v1/stacks",
        "/nothing",
        "/v1/events?follow=false",
    ):
        client.get(path)
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    counts = {
        (sample.labels["method"], sample.labels["route"], sample.labels["code"]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == "framework_scheduler_api_requests_total"
    }
    assert counts["GET", "/v1/tasks/{task_id}", "404"] == 2
    assert counts["GET", "/v1/stacks", "200"] == 1
    assert counts["GET", "other", "404"] == 1
    assert 'api_request_seconds_count{route="/v1/events"}' not in answer.text


def test_without_metrics(make_client: MakeClient) -> None:
    assert make_client().get("/metrics").status_code == 404


def test_targets(make_client: MakeClient) -> None:
    usage = FakeUsage()
    usage.places = (
        Announcement(
            agent=AgentId("a-1"), executor=ExecutorId("e"), hostname="agent1", address="10.0.0.11", port=31999
        ),
        Announcement(agent=AgentId("a-2"), executor=ExecutorId("e"), hostname="agent2", address="fd00::1", port=31998),
    )
    answer = make_client(usage=usage).get("/v1/prometheus/targets").json()
    for each in answer:
        held_to(TargetGroup, each)
    assert [(each["targets"], each["labels"]["job"]) for each in answer] == [
        (["10.0.0.11:31999"], "framework-executors"),
        (["[fd00::1]:31998"], "framework-executors"),
        ([INFO.leader], "framework-schedulers"),
    ]
