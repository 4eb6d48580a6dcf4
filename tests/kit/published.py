"""An endpoint and the announcement of an executor, for the tests of back ends."""

from __future__ import annotations

from discovery.endpoints import Endpoint, EndpointPort
from discovery.executor_addresses import Announcement
from specs.ids import AgentId, ExecutorId, TaskId, VersionId, group_id

WEB = Endpoint(
    group=group_id("shop", "web", ["frontend", "dev"]),
    slot=2,
    task_id=TaskId("shop.web.dev-frontend.2.17"),
    version=VersionId("0123456789ab"),
    hostname="agent1",
    address="10.0.0.5",
    ports=(EndpointPort(name="http", number=31000, container_port=8080),),
    addresses=("172.17.0.2",),
    since=1000.5,
)


ONE = Announcement(
    agent=AgentId("b2c9-S1"),
    executor=ExecutorId("framework-executor-0123@10.0.0.1~8080"),
    hostname="agent1",
    address="10.0.0.5",
    port=31999,
)
