"""The driver against a master that misbehaves: what pymesos alone would get wrong."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
import threading
from typing import Any

import pytest

from framework.adapters.mesos import MesosDriver
from framework.adapters.mesos_config import MesosConfig
from framework.core.commands import Revive
from framework.core.events import Disconnected, OfferRescinded, OffersReceived, Subscribed
from specs.ids import TaskId
from tests.kit.fake_master import FakeMaster, Inbox, Say, eventually
from tests.kit.mesos_driver import EXECUTOR, KILL, SUBSCRIBE, running
from tests.kit.mesos_samples import make_offer


def test_importing_pymesos_leaves_interrupts_and_log_handlers_alone() -> None:
    program = (
        "import signal, logging; before = signal.getsignal(signal.SIGINT); import framework.adapters.mesos;"
        "assert signal.getsignal(signal.SIGINT) is before; assert not logging.getLogger('pymesos').handlers"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_an_exception_of_the_loop_does_not_end_the_thread_nor_tear_down(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    happened: list[Any] = []

    def post(event: Any) -> None:
        happened.append(event)
        if isinstance(event, OfferRescinded):
            raise RuntimeError("a bug of the loop")

    rescind = {"type": "RESCIND", "rescind": {"offer_id": {"value": "o"}}}
    with FakeMaster([Say(events=(rescind, rescind))]) as master:
        driver = MesosDriver(MesosConfig(master=master.address, executor=EXECUTOR), post)
        driver.perform(SUBSCRIBE)
        eventually(lambda: len([e for e in happened if isinstance(e, OfferRescinded)]) == 2)
        driver.perform(Revive())
        eventually(lambda: master.types() == ["REVIVE"])
        driver.close()
        assert master.types() == ["REVIVE"]
        assert len(master.subscriptions) == 1


def test_one_that_may_not_subscribe_any_more_leaves_the_subscription_to_its_successor() -> None:
    may = [True, False, False]
    inbox = Inbox()
    with FakeMaster([Say(), Say()]) as master:
        config = MesosConfig(master=master.address, executor=EXECUTOR)
        driver = MesosDriver(config, inbox.post, may_subscribe=lambda: may.pop(0) if may else True)
        driver.perform(SUBSCRIBE)
        inbox.wait(Subscribed)
        master.close_streams()
        eventually(lambda: any("still leads" in event.problem for event in inbox.of(Disconnected)))
        eventually(lambda: len(master.subscriptions) == 2)
        assert may == [], "it asked each time"
        driver.close()


@pytest.mark.parametrize(
    "event", [{"type": "UPDATE"}, {"no": "type"}, [1], {"type": "UPDATE", "update": {"status": 1}}]
)
def test_an_event_that_cannot_be_read_ends_nothing(event: Any, caplog: pytest.LogCaptureFixture) -> None:
    with FakeMaster() as master, running(master.address) as (_, inbox):
        inbox.wait(Subscribed)
        master.send(event)
        master.send({"type": "RESCIND", "rescind": {"offer_id": {"value": "o"}}})
        inbox.wait(OfferRescinded)
        assert "please report" in caplog.text
        assert not inbox.of(Disconnected)


def test_stopping_never_tears_down() -> None:
    with FakeMaster() as master:
        with running(master.address) as (_, inbox):
            inbox.wait(Subscribed)
        assert master.calls == []


def test_what_waits_leaves_before_the_driver_ends() -> None:
    with FakeMaster() as master:
        with running(master.address) as (driver, inbox):
            inbox.wait(Subscribed)
            for number in range(200):
                driver.perform(dataclasses.replace(KILL, task_id=TaskId(f"t{number}")))
        assert len(master.of_type("KILL")) == 200


def test_the_framework_info_is_ours_as_it_is() -> None:
    with FakeMaster() as master, running(master.address, principal="p") as (_, inbox):
        inbox.wait(Subscribed)
        info = master.subscriptions[0].body["subscribe"]["framework_info"]
        kinds = [each["type"] for each in info["capabilities"]]
        assert kinds == [
            "MULTI_ROLE",
            "PARTITION_AWARE",
            "TASK_KILLING_STATE",
            "REGION_AWARE",
            "RESERVATION_REFINEMENT",
            "GPU_RESOURCES",
        ]
        assert info["failover_timeout"] == 604800.0
        assert info["checkpoint"] is True
        assert "suppressed_roles" not in master.subscriptions[0].body["subscribe"]


def test_performing_never_waits_for_the_master() -> None:
    """pymesos sends each call under one lock and waits for the answer."""
    hold = threading.Event()
    with FakeMaster(hold=hold) as master, running(master.address) as (driver, inbox):
        inbox.wait(Subscribed)
        for number in range(1000):
            driver.perform(dataclasses.replace(KILL, task_id=TaskId(f"t{number}")))
        hold.set()  # No answer came until now.
        eventually(lambda: len(master.of_type("KILL")) == 1000)
        numbers = [each["kill"]["task_id"]["value"] for each in master.of_type("KILL")]
        assert numbers == [f"t{number}" for number in range(1000)]


def test_an_offer_that_cannot_be_read_is_declined(caplog: pytest.LogCaptureFixture) -> None:
    strange = make_offer("o-strange")
    del strange["url"]
    event = {"type": "OFFERS", "offers": {"offers": [strange, make_offer("o-good")]}}
    with FakeMaster([Say(events=(event,))]) as master, running(master.address) as (_, inbox):
        assert [offer.id for offer in inbox.wait(OffersReceived).offers] == ["o-good"]
        eventually(lambda: master.of_type("DECLINE"))
        assert master.of_type("DECLINE")[0]["decline"]["offer_ids"] == [{"value": "o-strange"}]
