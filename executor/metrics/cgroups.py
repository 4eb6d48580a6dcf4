"""The kernel's control groups: where one's files are, and what is in them, in both of their versions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from executor.metrics.measurement import Measurement

UNIFIED = ""
"""Stands among the names of controllers for the hierarchy of version 2, which has them all."""
_NO_LIMIT_BYTES = 2**62
"""Version 1 says a number as large as this where there is none."""

Read = Callable[[str], str]
"""The text of a file. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a hierarchy can be seen, and which part of it."""

    root: str
    point: str

    def directory(self, path: str) -> str | None:
        """The directory of the group at `path` of the hierarchy, None where it cannot be seen from here."""
        if "/.." in path:
            return None
        if self.root == "/":
            return self.point + path.rstrip("/")
        if path == self.root or path.startswith(f"{self.root}/"):
            return self.point + path[len(self.root) :]
        return None


def mounts(mountinfo: str) -> dict[str, Mount]:
    """The hierarchies by controller, from /proc/self/mountinfo."""
    found: dict[str, Mount] = {}
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        mount = Mount(*fields.split()[3:5])
        for controller in [UNIFIED] if kind == "cgroup2" else options.split(","):
            found.setdefault(controller, mount)
    return found


def groups(text: str) -> dict[str, str]:
    """A process's groups by controller, from /proc/PID/cgroup."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            found[controller] = path
    return found


def container_group(path: str, container_id: str) -> str | None:
    """The group of the container itself in the path of one of its processes, which may be in a group below; None where
    the process is not in that container."""
    parts = path.split("/")
    for place, part in enumerate(parts):
        if container_id in part:
            return "/".join(parts[: place + 1])
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The directories of one group: `unified` in version 2, the others in version 1; "" where there is none."""

    unified: str = ""
    cpu: str = ""
    cpuacct: str = ""
    memory: str = ""
    blkio: str = ""


def files_of(mounted: Mapping[str, Mount], process_groups: Mapping[str, str], container_id: str) -> Files | None:
    """Where the container's files are, None where not all of them that are needed can be seen."""

    def directory(controller: str) -> str:
        mount, path = mounted.get(controller), process_groups.get(controller)
        own = container_group(path, container_id) if path is not None else None
        return (mount.directory(own) or "") if mount is not None and own is not None else ""

    if "memory" in mounted:
        names = ("cpu", "cpuacct", "memory", "blkio")
        files = Files(**{name: directory(name) for name in names})
        return files if files.cpuacct and files.memory else None
    unified = directory(UNIFIED)
    return Files(unified=unified) if unified else None


def usage_of(files: Files, read: Read, at: float) -> Measurement:
    """The use by the group. Raises OSError if the group is gone, ValueError for an unknown format.

    Time on processors is read first: `at` is when.
    """
    return _unified(files.unified, read, at) if files.unified else _first_version(files, read, at)


def _unified(directory: str, read: Read, at: float) -> Measurement:
    cpu_seconds = pairs(read(f"{directory}/cpu.stat"))["usage_usec"] / 1e6
    memory = pairs(read(f"{directory}/memory.stat"))
    blocks = _optional(read, f"{directory}/io.stat")
    return Measurement(
        at=at,
        cpu_seconds=cpu_seconds,
        mem_bytes=max(int(read(f"{directory}/memory.current")) - memory.get("inactive_file", 0), 0),
        cpus_limit=_cpus_of_max(_optional(read, f"{directory}/cpu.max")),
        mem_limit_bytes=_bytes_of_max(_optional(read, f"{directory}/memory.max")),
        block_read_bytes=_sum_of(blocks, "rbytes="),
        block_write_bytes=_sum_of(blocks, "wbytes="),
        oom_kills=pairs(_optional(read, f"{directory}/memory.events")).get("oom_kill", 0),
    )


def _first_version(files: Files, read: Read, at: float) -> Measurement:
    cpu_seconds = int(read(f"{files.cpuacct}/cpuacct.usage")) / 1e9
    memory = pairs(read(f"{files.memory}/memory.stat"))
    limit = int(read(f"{files.memory}/memory.limit_in_bytes"))
    quota = int(_optional(read, f"{files.cpu}/cpu.cfs_quota_us") or -1) if files.cpu else -1
    period = int(_optional(read, f"{files.cpu}/cpu.cfs_period_us") or 100_000) if quota > 0 else 100_000
    blocks = _optional(read, f"{files.blkio}/blkio.throttle.io_service_bytes_recursive") if files.blkio else ""
    return Measurement(
        at=at,
        cpu_seconds=cpu_seconds,
        mem_bytes=max(
            int(read(f"{files.memory}/memory.usage_in_bytes")) - memory.get("total_inactive_file", 0),
            0,
        ),
        cpus_limit=quota / period if quota > 0 else None,
        mem_limit_bytes=limit if limit < _NO_LIMIT_BYTES else None,
        block_read_bytes=_sum_of(blocks, "Read "),
        block_write_bytes=_sum_of(blocks, "Write "),
        oom_kills=pairs(read(f"{files.memory}/memory.oom_control")).get("oom_kill", 0),
    )


def pairs(text: str) -> dict[str, int]:
    """Lines of a name and a number."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        if number.isdecimal():
            found[name] = int(number)
    return found


def _sum_of(text: str, mark: str) -> int:
    """The sum of the numbers that stand behind `mark`: one line is of one disk."""
    return sum(int(rest.split(maxsplit=1)[0]) for rest in text.split(mark)[1:])


def _cpus_of_max(text: str) -> float | None:
    quota, _, period = text.strip().partition(" ")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _bytes_of_max(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _optional(read: Read, path: str) -> str:
    """The file's text, "" where there is no such file: not every controller is switched on everywhere."""
    try:
        return read(path)
    except FileNotFoundError:
        return ""
