"""Restart policies and delays, in our words and in compose's."""

from __future__ import annotations

import pytest

from specs.model.errors import StackError
from specs.model.stack import Restart, Retry
from tests.kit.stack_files import service


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("restart: no", Restart.NEVER),
        ("restart: 'no'", Restart.NEVER),
        ("restart: unless-stopped", Restart.ALWAYS),
        ("restart: never", Restart.NEVER),
        ("restart: on-failure", Restart.ON_FAILURE),
        ("restart: on-failure:5", Restart.ON_FAILURE),
        ("restart: {policy: never}", Restart.NEVER),
        ("restart: {delay: 2s}", Restart.ALWAYS),
        ("deploy: {restart_policy: {condition: none}}", Restart.NEVER),
        ("deploy: {restart_policy: {condition: any}}", Restart.ALWAYS),
    ],
)
def test_restart(body: str, wanted: Restart) -> None:
    assert service(body).restart is wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("restart: always", Retry()),
        ("restart: on-failure:5", Retry(attempts=5)),
        ("restart: on-failure:0", Retry()),
        (
            "restart: {policy: on-failure, delay: 2s, factor: 2, max_delay: 1m, attempts: 3, window: 10s}",
            Retry(delay_seconds=2, factor=2, max_delay_seconds=60, attempts=3, window_seconds=10),
        ),
        ("restart: {delay: 10m}", Retry(delay_seconds=600, max_delay_seconds=600)),
        (
            "deploy: {restart_policy: {condition: any, delay: 5s, max_attempts: 3, window: 120s}}",
            Retry(delay_seconds=5, attempts=3, window_seconds=120),
        ),
        ("restart: on-failure:3, deploy: {restart_policy: {max_attempts: 3}}", Retry(attempts=3)),
        ("restart: {factor: '1.5', attempts: $COUNT}", Retry(factor=1.5, attempts=3)),
    ],
)
def test_retry(body: str, wanted: Retry) -> None:
    assert service(body).retry == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("restart: sometimes", "wanted one of always, on-failure, never, no, unless-stopped; got 'sometimes'"),
        ("restart: on-failure:5000", "wanted at most 1000 attempts"),
        ("restart: {policy: maybe}", "wanted one of always"),
        ("restart: {delay: 5}", "without a unit: 5s?"),
        ("restart: {factor: 0.5}", "wanted a number from 1 to 100, as 1.15; got '0.5'"),
        ("restart: {window: 0s}", "wanted more than 0s"),
        ("restart: {delay: 10s, max_delay: 5s}", "the longest wait is shorter than the first"),
        ("restart: {delay: 30d}", "wanted delay from 0 to 604,800 seconds"),
        ("restart: {attempt: 3}", "did you mean attempts?"),
        ("restart: [always]", "wanted a mapping: restart; got a list"),
        ("restart: null", "has no value"),
    ],
)
def test_wrong_restarts(body: str, wanted: str) -> None:
    with pytest.raises(StackError) as caught:
        service(body)
    (fault,) = caught.value.faults
    assert wanted in fault.message, fault.message
