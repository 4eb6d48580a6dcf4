"""Checks a machine for the requirements of a local cluster."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from framework.local import engine, install, ports, requirements
from framework.local.cluster import Cluster
from framework.local.commands import executor_path
from framework.local.requirements import Requirement

OLDEST_PYTHON = (3, 11)
ASK_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the examination; `remedy` names the way to mend it if it is not ok."""

    what: str
    is_ok: bool
    detail: str
    remedy: str = ""


def examine(cluster: Cluster) -> list[Finding]:
    """All findings, in the order in which a user would mend them."""
    required = (*requirements.CLUSTER, *requirements.IMAGES)
    findings = [_requirement(each) for each in required]
    if shutil.which("java"):
        findings.append(_java())
    return [*findings, _executor_python(), _mesos(), _engine(), _addresses(cluster)]


def _requirement(required: Requirement) -> Finding:
    if required.is_there():
        return Finding(what=required.name, is_ok=True, detail="there")
    remedy = requirements.remedy([required])
    return Finding(what=required.name, is_ok=False, detail=f"missing: {required.reason}", remedy=remedy)


def _java() -> Finding:
    said = _first_line(["java", "-version"])
    remedy = "apt-get install -y --reinstall default-jre-headless"
    return Finding(what="JDK", is_ok="version" in said, detail=said or "does not run", remedy=remedy)


def _executor_python() -> Finding:
    """The python3 with which agents start executors: outside any virtual environment, so perhaps another one."""
    wanted = ".".join(map(str, OLDEST_PYTHON))
    what = "python3 for executors"
    remedy = f"put a python3 of version {wanted} or later first on the PATH"
    program = shutil.which("python3", path=executor_path())
    if program is None:
        return Finding(what=what, is_ok=False, detail=f"no python3 in {executor_path()}", remedy=remedy)
    said = _first_line([program, "--version"])
    numbers = re.search(r"(\d+)\.(\d+)", said)
    is_ok = numbers is not None and tuple(map(int, numbers.groups())) >= OLDEST_PYTHON
    return Finding(what=what, is_ok=is_ok, detail=f"{program} is {said or 'broken'}", remedy=remedy)


def _mesos() -> Finding:
    detail = "built" if install.is_installed() else "not built yet: the first `up` does it, with pip's package index"
    return Finding(what="Mesos 1.11.0", is_ok=True, detail=f"{detail} ({install.mesos_home()})")


def _engine() -> Finding:
    why = engine.trouble()
    if why is None:
        own = engine.started()
        by_us = f", started by `framework local` as pid {own.pid}" if own else ""
        return Finding(what="Docker engine", is_ok=True, detail=f"{engine.version()} answers{by_us}")
    absent = requirements.missing(requirements.ENGINE)
    if absent:
        return Finding(what="Docker engine", is_ok=False, detail="missing", remedy=requirements.remedy(absent))
    if os.geteuid() == 0 and not os.environ.get("DOCKER_HOST"):
        return Finding(what="Docker engine", is_ok=True, detail="down: `up` starts one")
    remedy = "as root: systemctl start docker, and put this user into the group docker"
    if os.environ.get("DOCKER_HOST"):
        remedy = f"unset DOCKER_HOST, or see to the engine at {os.environ['DOCKER_HOST']}"
    return Finding(what="Docker engine", is_ok=False, detail=why, remedy=remedy)


def _addresses(cluster: Cluster) -> Finding:
    addresses = cluster.shape.addresses()
    own = {daemon.address for daemon in cluster.daemons.values() if daemon.pid}
    foreign = [address for address in addresses.values() if address not in own and not ports.is_free(address)]
    if foreign:
        detail = "; ".join(f"{address} is in use by {ports.holder_of(address)}" for address in foreign)
        return Finding(
            what="addresses", is_ok=False, detail=detail, remedy="stop that, or: framework local up --subnet 1"
        )
    detail = "in use by this cluster" if own else "free"
    return Finding(what="addresses", is_ok=True, detail=f"{', '.join(addresses.values())}: {detail}")


def _first_line(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next(iter((done.stdout + done.stderr).splitlines()), "")
