"""The shapes of answers about what tasks use, and of targets for Prometheus."""

from __future__ import annotations

from pydantic import Field

from framework.api.answers.shapes import Shape, Standing


class UsageLine(Shape):
    """What a task uses. What was not measured is null, and so is a limit that there is not. Of network and block
    devices it is all since the task began."""

    task: str = Field(examples=["shop.web.prod.0.12"])
    group: str = Field(examples=["shop/web[prod]"])
    slot: int
    agent: str = Field(examples=["agent1"])
    agent_id: str
    cpus: float | None = Field(description="the mean of some seconds", examples=[0.25])
    cpus_wanted: float = Field(description="what its group asks for", examples=[0.5])
    cpus_limit: float | None
    mem_bytes: int | None
    mem_wanted_bytes: int
    mem_limit_bytes: int | None
    net_rx_bytes: int | None
    net_tx_bytes: int | None
    block_read_bytes: int | None
    block_write_bytes: int | None
    oom_kills: int
    metrics: dict[str, float] = Field(description="of the application itself", examples=[{"requests_in_flight": 12.0}])


class SilentLine(Shape):
    """An executor that told nothing, and how many running tasks are left out for that."""

    agent: str
    agent_id: str
    executor_id: str
    tasks: int
    why: str = Field(examples=["it has not announced where it answers"])


class UsageAnswer(Standing):
    tasks: list[UsageLine]
    silent: list[SilentLine]


class TargetGroup(Shape):
    """Addresses with the labels that all their metrics get, as Prometheus's http_sd wants them."""

    targets: list[str] = Field(examples=[["10.0.0.11:31999"]])
    labels: dict[str, str] = Field(examples=[{"job": "framework-executors", "agent": "agent1"}])
