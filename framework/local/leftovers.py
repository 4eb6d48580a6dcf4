"""Finds and ends processes and containers that outlive a cluster's daemons: executors, Docker containers, a balancer's
HAProxy."""

import contextlib
import os
import signal
from pathlib import Path

from framework.local import engine
from framework.local.daemon import command_of

AGENT_LABEL = "framework.agent_id"


def end_executors(directory: Path) -> None:
    """Kills the processes that run in sandboxes below the cluster's directory."""
    ours = tuple(b"\0%s=%s/" % (name, os.fsencode(directory)) for name in (b"MESOS_SANDBOX", b"MESOS_DIRECTORY"))
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = b"\0" + path.read_bytes()
        except OSError:  # It has ended, or is another user's.
            continue
        if any(variable in environment for variable in ours):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(path.parent.name), signal.SIGKILL)


def end_balancer(directory: Path) -> None:
    """Ends the HAProxy of a balancer that was killed before it could."""
    state = directory / "balancer" / "state"
    with contextlib.suppress(OSError, ValueError):
        pid = int((state / "master.pid").read_text(encoding="utf-8"))
        if str(state / "haproxy.cfg") in command_of(pid):
            os.kill(pid, signal.SIGTERM)


def agent_ids(directory: Path) -> list[str]:
    """The ids that the cluster's agents have had."""
    return sorted(path.name for path in directory.glob("agent*/work/meta/slaves/*") if not path.is_symlink())


def remove_containers(directory: Path) -> None:
    """Removes the containers that ran for the cluster's agents, by the label their executor gave them."""
    ids = agent_ids(directory)
    if ids and engine.is_answering():
        engine.remove_containers([f"{AGENT_LABEL}={agent_id}" for agent_id in ids])
