"""Executors of a cluster of the tests, and the containers that outlive them."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import docker

from framework.local.cluster import Cluster

WEB = """
services:
  web:
    image: framework-demo/busybox:1
    command: sh -c 'mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 8080 -h /www'
    ports: {http: 8080}
    health: {http: /, port: http, interval: 1s, grace: 20s}
    stop: {signal: SIGKILL}
    resources: {cpus: 0.1, memory: 16M}
    instances: 10
"""
"""Ten tasks with ports; each answers with the name of its container."""


def executors_of(cluster: Cluster, agent: str) -> list[int]:
    """The process ids of the executors that run in the sandboxes of an agent."""
    work = cluster.directory / agent / "work"
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_there = (path / "cwd").readlink().is_relative_to(work)
            if is_there and _is_executor((path / "cmdline").read_bytes().split(b"\0")):
                found.append(int(path.name))
    return found


def _is_executor(words: list[bytes]) -> bool:
    """Whether Python runs the archive: children may have it in their command lines too, to import from."""
    return len(words) > 1 and b"python" in words[0] and words[1].endswith(b"framework-executor.pyz")


def kill_executors(cluster: Cluster, agent: str) -> None:
    """With SIGKILL, all that an agent has; there is one at least."""
    found = executors_of(cluster, agent)
    assert found, f"no executor runs on {agent}"
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def running(stack: str) -> dict[str, str]:
    """When each container of a stack began, by its id; all of them run."""
    with contextlib.closing(docker.APIClient(version="auto")) as client:
        rows = client.containers(all=True, filters={"label": f"framework.stack={stack}"})
        states = {row["Id"]: client.inspect_container(row["Id"])["State"] for row in rows}
    assert all(state["Running"] for state in states.values()), states
    return {id: state["StartedAt"] for id, state in states.items()}


def renew_agent(cluster: Cluster, agent: str) -> None:
    """Kills an agent and starts it as another one, under another agent id: Mesos's own step after its attributes have
    changed."""
    daemon = cluster.daemon(agent)
    daemon.kill(signal.SIGKILL)
    (cluster.directory / agent / "work" / "meta" / "slaves" / "latest").unlink()
    daemon.start()
