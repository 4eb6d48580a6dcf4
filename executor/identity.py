"""Whether the agent that answers is the one that started this executor, and still means this executor by its id.

An agent that has got another id registers under the same address, and starts an executor of its own under the same
executor id. Mesos tells executors apart by framework and executor id alone: it takes a subscription of the older one,
and closes the connection of the newer one for it.

Agents have a work directory each, and Mesos lays it out as `WORK/slaves/AGENT_ID/frameworks/...`: two sandboxes below
one work directory are of one agent, under the ids that it had.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UNKNOWN = "cannot be found"
"""Mesos's words for a framework or an executor that an agent does not have; while it recovers it answers 503."""


@dataclass(frozen=True, slots=True)
class Home:
    """The place of an executor's sandbox: its agent's work directory, and the agent's id then."""

    work: str
    agent_id: str


def home_of(sandbox: str) -> Home | None:
    """The home in a sandbox's path, None if it is not one of Mesos's paths."""
    parts = Path(sandbox).parts
    for place in range(len(parts) - 3, 0, -1):
        if parts[place] == "slaves" and parts[place + 2] == "frameworks":
            return Home(str(Path(*parts[:place])), parts[place + 1])
    return None


def is_earlier(other_sandbox: str, sandbox: str) -> bool:
    """Whether the other sandbox belongs to the same agent as this one, under an earlier id.

    The path alone does not prove it: agents in containers share their paths, and can share an engine. So the directory
    of the other id must be in our own work directory, where an agent keeps it for a week (`--gc_delay`).
    """
    own, other = home_of(sandbox), home_of(other_sandbox)
    if own is None or other is None or own.work != other.work or own.agent_id == other.agent_id:
        return False
    return (Path(own.work) / "slaves" / other.agent_id).is_dir()


def successor_of(sandbox: str) -> str:
    """The present id of the agent of this sandbox, read from its work directory, if it has another now; else ""."""
    home = home_of(sandbox)
    if home is None:
        return ""
    try:
        latest = (Path(home.work) / "meta" / "slaves" / "latest").readlink().name
    except OSError:
        return ""
    return latest if latest != home.agent_id else ""


def run_of(sandbox: str) -> str:
    """The id of this executor's run, which Mesos calls its container id: `.../runs/ID`. "" where the path has none."""
    path = Path(sandbox)
    return path.name if path.parent.name == "runs" else ""


def stranger(subscribed: Mapping[str, Any], agent_id: str, run_id: str) -> str:
    """The reason, as a phrase, why the agent that sent this SUBSCRIBED is not ours; "" if it is."""
    given = str(subscribed.get("agent_info", {}).get("id", {}).get("value", ""))
    if agent_id and given and given != agent_id:
        return f"it is agent {given} now, and this executor belongs to agent {agent_id}"
    run = str(subscribed.get("container_id", {}).get("value", ""))
    if run_id and run and run != run_id:
        return f"it has another executor under this id: run {run}, and this one is run {run_id}"
    return ""


def is_disowned(status: int, text: str) -> bool:
    """Whether the answer to a subscription means that the agent has no such executor, and never will again."""
    return status == http.client.BAD_REQUEST and UNKNOWN in text
