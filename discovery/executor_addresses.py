"""Executors: where each of them answers. Pure; the form in which every back end announces them.

As a node of a tree an announcement is at `executors/EXECUTOR_ID@AGENT_ID`. An agent's id has no `@`, so what is behind
the last one is the agent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from specs.foreign_json import parse_json
from specs.ids import AgentId, ExecutorId

DIRECTORY = "/executors"
"""Below the root of a back end that is a tree."""
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """An executor that lives, and serves HTTP at `port` of `address`, the agent's; `hostname` is the agent's name."""

    agent: AgentId
    executor: ExecutorId
    hostname: str
    address: str
    port: int


def announcement_path(announcement: Announcement) -> str:
    """Where in a tree it is, below the root of the back end."""
    return f"{DIRECTORY}/{announcement.executor}@{announcement.agent}"


def announcement_json(announcement: Announcement) -> bytes:
    """The announcement as JSON, the same bytes for equal ones."""
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "agent": announcement.agent,
        "executor": announcement.executor,
        "hostname": announcement.hostname,
        "address": announcement.address,
        "port": announcement.port,
    }
    return json.dumps(plain, separators=(",", ":")).encode()


def announcement_from_json(data: bytes) -> Announcement:
    """The announcement that these bytes hold; fields that a later schema adds are passed over.

    Raises ValueError, in words for the user, where they hold none.
    """
    try:
        plain = parse_json(data)
        return Announcement(
            agent=AgentId(str(plain["agent"])),
            executor=ExecutorId(str(plain["executor"])),
            hostname=str(plain["hostname"]),
            address=str(plain["address"]),
            port=int(plain["port"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"an executor: wanted the JSON with which one announces itself, got {data[:80]!r} ({error!r}); whoever"
            " wrote it should write elsewhere"
        ) from None
