"""The machine that figures are of, and what its processes use."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from framework.local import engine
from framework.local.cluster import Cluster
from framework.local.install import LIBRARY

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MIB = 1 << 20
MESOS_VERSION = LIBRARY.removeprefix("libmesos-").removesuffix(".so")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Usage of processes: seconds of a core since their start, MiB now, and each one's most summed up."""

    count: int = 0
    cpu_seconds: float = 0.0
    resident_mib: float = 0.0
    peak_mib: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            count=self.count + other.count,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            resident_mib=self.resident_mib + other.resident_mib,
            peak_mib=self.peak_mib + other.peak_mib,
        )


def description() -> str:
    """Cores, memory, kernel and versions, as a sentence."""
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES / (1 << 30)
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GB of memory, {system}, Linux {platform.release()},"
        f" Docker {engine.version()}, Apache Mesos {MESOS_VERSION}, Python {platform.python_version()}"
    )


def load() -> float:
    """How many processes want a core, over the last minute."""
    return os.getloadavg()[0]


def circumstances(load_before: float) -> str:
    """When a bench ended, and how busy the machine was before it; to be asked at its end, when only it should be."""
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return f"{when} UTC, load average {load_before:.1f} before it and {load():.1f} at its end"


def usage(pids: Iterable[int]) -> Usage:
    """The sum over processes; one that has ended counts as nothing."""
    return sum((_usage(pid) for pid in pids), Usage())


def by_part(cluster: Cluster) -> dict[str, Usage]:
    """The usage of each part of a cluster until now."""
    kinds = {"zookeeper": "ZooKeeper", "mesos-master": "master", "mesos-agent": "agents", "scheduler": "scheduler"}
    found: dict[str, list[int]] = {part: [] for part in kinds.values()}
    for daemon in cluster.daemons.values():
        if daemon.pid is not None:
            found[kinds[daemon.spec.kind]].append(daemon.pid)
    found["executors"] = executors(cluster)
    return {part: usage(pids) for part, pids in found.items()}


def executors(cluster: Cluster) -> list[int]:
    """The pids of our executors on the cluster's agents."""
    mark = b"\0MESOS_SANDBOX=" + os.fsencode(cluster.directory) + b"/"
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark not in b"\0" + (path / "environ").read_bytes():
                continue
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:  # It has ended.
            continue
        if b"python" in words[0] and any(word.endswith(b"framework-executor.pyz") for word in words):
            found.append(int(path.name))
    return sorted(found)


def _usage(pid: int) -> Usage:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return Usage()
    peak = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
    return Usage(
        count=1,
        cpu_seconds=(int(fields[11]) + int(fields[12])) / TICKS,
        resident_mib=int(fields[21]) * PAGE_BYTES / MIB,
        peak_mib=peak / 1024,
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
