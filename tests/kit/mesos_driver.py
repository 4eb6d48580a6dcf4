"""A driver connected to the fake master, and commands for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from framework.adapters.mesos import MesosDriver
from framework.adapters.mesos_config import ExecutorConfig, MesosConfig
from framework.core.commands import Accept, Kill, Launch, Subscribe
from specs.ids import AgentId, OfferId, TaskId
from specs.model.resources import Resources
from specs.model.stack import Container
from tests.kit.fake_master import Inbox
from tests.kit.mesos_samples import make_task

EXECUTOR = ExecutorConfig(uri="http://127.0.0.1:8080/v1/executor/abc/framework-executor.pyz")


KILL = Kill(task_id=TaskId("t"), agent_id=AgentId("a"), grace_seconds=2.5)


SUBSCRIBE = Subscribe(framework_id=None)


@contextmanager
def running(master: str, **settings: Any) -> Iterator[tuple[MesosDriver, Inbox]]:
    inbox = Inbox()
    driver = MesosDriver(MesosConfig(master=master, executor=EXECUTOR, role="apps", **settings), inbox.post)
    driver.perform(SUBSCRIBE)
    try:
        yield driver, inbox
    finally:
        driver.close()


def accept() -> Accept:
    launch = Launch(task=make_task(), container=Container(image="busybox"), resources=Resources(cpus_milli=100))
    return Accept(offer_ids=(OfferId("o1"),), launches=(launch,), refuse_seconds=5.0)
