"""The usage of tasks, as executors report it: the form of `GET /v1/usage`, and the port through which it is read."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from discovery.executor_addresses import Announcement
from specs.foreign_json import parse_json
from specs.ids import AgentId, ExecutorId, TaskId

Executor = tuple[AgentId, ExecutorId]

_MOST = 1e18
"""Limit on any figure; a larger one counts as missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The usage of a task when its executor last measured it; None for a missing figure or limit.

    `cpus` is the mean since the measurement before. Figures of network and block devices count from the task's start.
    """

    task: TaskId
    cpus: float | None
    cpus_limit: float | None
    mem_bytes: int | None
    mem_limit_bytes: int | None
    net_rx_bytes: int | None
    net_tx_bytes: int | None
    block_read_bytes: int | None
    block_write_bytes: int | None
    oom_kills: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """The answers of executors; `silent` are those that gave none, and why, in a phrase."""

    figures: Mapping[TaskId, Figures]
    silent: Mapping[Executor, str]


class Usage(Protocol):
    """The way to the executors. Calls block for some seconds at most, raise nothing, and are safe from any thread."""

    def pull(self, executors: Collection[Executor]) -> Pulled:
        """The usage of the tasks of these executors, some seconds old at most."""

    def announced(self) -> tuple[Announcement, ...]:
        """All executors that have announced an address, in the order of their host names."""


class Nowhere:
    """A Usage without any way to the executors, and the reason."""

    def __init__(
        self, why: str = "executors do not say where they answer: the scheduler has no zk:// among its --endpoints"
    ) -> None:
        self._why = why

    def pull(self, executors: Collection[Executor]) -> Pulled:
        return Pulled(figures={}, silent=dict.fromkeys(executors, self._why))

    def announced(self) -> tuple[Announcement, ...]:
        return ()


def figures_from_json(data: bytes, executor: Executor) -> tuple[Figures, ...]:
    """Reads an executor's answer. Raises ValueError, as a phrase, where it is none, or another's."""
    try:
        plain = parse_json(data)
        told = (AgentId(str(plain["agent"])), ExecutorId(str(plain["executor"])))
        found = tuple(_figures(each) for each in plain["tasks"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"its answer is not that of an executor of ours: {error!r}") from None
    if told != executor:
        raise ValueError(f"another executor answers there, {told[1]} of agent {told[0]}")
    return found


def _figures(plain: Mapping[str, Any]) -> Figures:
    return Figures(
        task=TaskId(str(plain["task"])),
        cpus=_number(plain.get("cpus")),
        cpus_limit=_number(plain.get("cpus_limit")),
        mem_bytes=_whole(plain.get("mem_bytes")),
        mem_limit_bytes=_whole(plain.get("mem_limit_bytes")),
        net_rx_bytes=_whole(plain.get("net_rx_bytes")),
        net_tx_bytes=_whole(plain.get("net_tx_bytes")),
        block_read_bytes=_whole(plain.get("block_read_bytes")),
        block_write_bytes=_whole(plain.get("block_write_bytes")),
        oom_kills=_whole(plain.get("oom_kills")) or 0,
        metrics=_metrics(plain.get("metrics") or {}),
    )


def _metrics(plain: Mapping[str, Any]) -> dict[str, float]:
    told = {str(name): _number(value) for name, value in plain.items()}
    return {name: value for name, value in told.items() if value is not None}


def _number(plain: Any) -> float | None:
    """A number of sensible size; None where there is none, as of an application that divides by zero."""
    try:
        value = math.nan if plain is None else float(plain)
    except OverflowError:
        return None
    return value if abs(value) <= _MOST else None


def _whole(plain: Any) -> int | None:
    value = _number(plain)
    return None if value is None else int(value)
