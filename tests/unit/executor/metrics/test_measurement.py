"""The usage of a container, computed from figures of the kernel and the engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from executor.metrics import cgroups
from executor.metrics.measurement import Measurement, cpus, never_falling
from executor.metrics.processes import Process, Table, blocks_of, network_of, process_of
from executor.metrics.stats import usage_of_stats
from tests.kit.recorded_stats import (
    FIRST_FILES,
    FIRST_GROUPS,
    FIRST_MOUNTS,
    ID,
    NETWORK,
    SECOND_FILES,
    SECOND_GROUPS,
    SECOND_MOUNTS,
    STATS,
    STOPPED,
)

FIRST = Measurement(
    at=5.0,
    cpu_seconds=0.039301704,
    mem_bytes=671744 - 40960,
    mem_limit_bytes=64 * 2**20,
    block_read_bytes=5096,
    block_write_bytes=8192,
    oom_kills=2,
)
SECOND = Measurement(
    at=5.0,
    cpu_seconds=2.5,
    mem_bytes=8 * 2**20,
    cpus_limit=0.5,
    mem_limit_bytes=128 * 2**20,
    block_read_bytes=5096,
    block_write_bytes=8192,
    oom_kills=1,
)


def read_of(files: dict[str, str]) -> cgroups.Read:
    """Reads what was recorded."""

    def read(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    return read


def measured(mountinfo: str, groups: str, files: dict[str, str]) -> Measurement:
    places = cgroups.files_of(cgroups.mounts(mountinfo), cgroups.groups(groups), ID)
    assert places is not None
    return cgroups.usage_of(places, read_of(files), 5.0)


class TestGroups:
    def test_both_versions_are_read(self) -> None:
        assert measured(FIRST_MOUNTS, FIRST_GROUPS, FIRST_FILES) == FIRST
        assert measured(SECOND_MOUNTS, SECOND_GROUPS, SECOND_FILES) == SECOND

    def test_controllers_may_share_a_hierarchy_and_a_mount_may_show_a_part_of_one(self) -> None:
        mountinfo = FIRST_MOUNTS.replace("/ /sys/fs/cgroup/cpuacct", "/docker /sys/fs/cgroup/cpuacct/docker")
        together = mountinfo.replace("cgroup rw,cpuacct", "cgroup rw,cpuacct,net_cls")
        assert measured(together, FIRST_GROUPS.replace("cpuacct:", "cpuacct,net_cls:"), FIRST_FILES) == FIRST

    def test_a_process_in_a_group_of_its_own_inside_the_container_is_the_containers(self) -> None:
        assert measured(SECOND_MOUNTS, f"0::/system.slice/docker-{ID}.scope/init\n", SECOND_FILES) == SECOND

    @pytest.mark.parametrize(
        "groups",
        ["0::/user.slice/session-1.scope\n", f"0::/../docker/{ID}\n", "0::/\n", ""],
        ids=["another machine's number", "not to be seen from here", "its own name space", "none"],
    )
    def test_what_is_not_the_containers_group_is_not_read(self, groups: str) -> None:
        assert cgroups.files_of(cgroups.mounts(SECOND_MOUNTS), cgroups.groups(groups), ID) is None

    def test_without_controllers_that_can_be_switched_off_the_rest_is_read(self) -> None:
        optional = ("cpu.max", "memory.max", "memory.events", "io.stat")
        files = {path: text for path, text in SECOND_FILES.items() if not path.endswith(optional)}
        bare = replace(
            SECOND, cpus_limit=None, mem_limit_bytes=None, block_read_bytes=0, block_write_bytes=0, oom_kills=0
        )
        assert measured(SECOND_MOUNTS, SECOND_GROUPS, files) == bare

    @pytest.mark.parametrize(
        ("old", "new", "limits"),
        [
            ("67108864\n", "9223372036854771712\n", (None, None)),
            ("-1\n", "150000\n", (1.5, 67108864)),
        ],
    )
    def test_limits_of_the_first_version(self, old: str, new: str, limits: tuple[float | None, int | None]) -> None:
        usage = measured(
            FIRST_MOUNTS, FIRST_GROUPS, {path: new if text == old else text for path, text in FIRST_FILES.items()}
        )
        assert (usage.cpus_limit, usage.mem_limit_bytes) == limits

    def test_no_limits_of_the_second_version(self) -> None:
        files = SECOND_FILES | {path: "max\n" for path in SECOND_FILES if path.endswith("memory.max")}
        files |= {path: "max 100000\n" for path in SECOND_FILES if path.endswith("cpu.max")}
        usage = measured(SECOND_MOUNTS, SECOND_GROUPS, files)
        assert (usage.cpus_limit, usage.mem_limit_bytes) == (None, None)

    def test_a_group_that_is_no_more_is_told_of(self) -> None:
        with pytest.raises(FileNotFoundError):
            measured(FIRST_MOUNTS, FIRST_GROUPS, {})


class TestEngine:
    def test_its_statistics_say_the_same(self) -> None:
        assert usage_of_stats(STATS, 5.0) == Measurement(
            at=5.0,
            cpu_seconds=0.040464916,
            mem_bytes=671744 - 40960,
            mem_limit_bytes=64 * 2**20,
            net_rx_bytes=270,
            net_tx_bytes=50,
            block_read_bytes=4096,
            block_write_bytes=8192,
        )

    def test_of_the_second_version_too_and_without_a_network(self) -> None:
        memory = {"usage": 1000, "stats": {"inactive_file": 300}, "limit": 5000}
        blocks = {"io_service_bytes_recursive": None}
        stats = {**STATS, "memory_stats": memory, "blkio_stats": blocks}
        del stats["networks"]
        usage = usage_of_stats(stats, 5.0)
        assert (usage.mem_bytes, usage.net_rx_bytes, usage.block_read_bytes) == (700, None, 0)

    def test_what_does_not_run_has_none(self) -> None:
        with pytest.raises(KeyError):
            usage_of_stats(STOPPED, 5.0)


class TestProcesses:
    def test_the_line_of_a_process_whose_name_has_brackets(self) -> None:
        line = "42 (my) prog) x) S 1 40 40 0 -1 4194560 100 50 0 0 7 3 2 1 20 0 4 0 1000 8000000 250 184467 0 0\n"
        assert process_of(line) == Process(id=42, parent=1, cpu_ticks=10, ended_cpu_ticks=3, mem_pages=250)

    def test_all_below_a_supervisor_is_added_up_with_what_has_ended_there(self) -> None:
        def process(id: int, parent: int, ticks: int) -> Process:
            return Process(id=id, parent=parent, cpu_ticks=ticks, ended_cpu_ticks=ticks, mem_pages=10 * ticks)

        table = Table([process(5, 4, 1), process(40, 1, 100), process(6, 41, 9), process(4, 40, 2), process(41, 1, 1)])
        assert (table.parent(4), table.parent(7)) == (40, None)
        assert table.below(40) == (100 + 2 * (2 + 1), 30)
        assert table.below(5) is table.below(7) is None

    def test_blocks_and_network(self) -> None:
        io = "rchar: 9\nwchar: 9\nsyscr: 1\nsyscw: 1\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n"
        assert blocks_of(io) == (4096, 8192)
        assert network_of(NETWORK) == (1000000266, 50)


class TestRates:
    def test_cores_between_two_measurements(self) -> None:
        before, now = (
            Measurement(at=10.0, cpu_seconds=1.0, mem_bytes=0),
            Measurement(at=20.0, cpu_seconds=3.5, mem_bytes=0),
        )
        assert cpus(before, now) == 0.25
        assert cpus(None, now) is None
        assert cpus(now, now) is None

    def test_a_counter_does_not_fall_when_a_process_ends(self) -> None:
        before = Measurement(at=1.0, cpu_seconds=5.0, mem_bytes=100, block_read_bytes=9)
        now = Measurement(at=2.0, cpu_seconds=3.0, mem_bytes=50, block_read_bytes=10)
        assert never_falling(before, now) == replace(now, cpu_seconds=5.0)
        assert never_falling(None, now) == now
