"""The shapes of answers about endpoints, as the OpenAPI page tells them."""

from __future__ import annotations

from pydantic import Field

from framework.api.answers.shapes import PortLine, Shape, Standing


class EndpointLine(Shape):
    id: str = Field(description="of the task", examples=["shop.web.prod.0.12"])
    group: str = Field(examples=["shop/web[prod]"])
    stack: str
    service: str
    labels: list[str]
    slot: int
    version: str
    agent: str = Field(description="its hostname", examples=["agent1"])
    address: str = Field(examples=["10.0.0.5"])
    ports: list[PortLine]
    endpoints: list[str] = Field(description="of the ports, in their order", examples=[["10.0.0.5:31002"]])
    addresses: list[str] = Field(description="of the container itself")


class EndpointsAnswer(Standing):
    endpoints: list[EndpointLine] = Field(description="of tasks that are ready")
