"""Recorded statistics of the kernel and the engine."""

# ruff: noqa: E501 - lines are as long as the kernel writes them
from __future__ import annotations

ID = "d35df81a7a33cd2dde1ba32e1cb5b202212464af086446a7a0b878036d90f757"

# Linux 6.18, Docker 20.10 with the driver cgroupfs: each controller is a hierarchy of its own, the second version is
# mounted beside them and has none.
FIRST_MOUNTS = """\
24 23 0:21 / /proc rw,nosuid - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
FIRST_GROUPS = f"""\
7:blkio:/docker/{ID}
4:memory:/docker/{ID}
2:cpuacct:/docker/{ID}
1:cpu:/docker/{ID}
0::/docker/{ID}
"""
FIRST_FILES = {
    f"/sys/fs/cgroup/cpuacct/docker/{ID}/cpuacct.usage": "39301704\n",
    f"/sys/fs/cgroup/cpu/docker/{ID}/cpu.cfs_quota_us": "-1\n",
    f"/sys/fs/cgroup/cpu/docker/{ID}/cpu.cfs_period_us": "100000\n",
    f"/sys/fs/cgroup/memory/docker/{ID}/memory.usage_in_bytes": "671744\n",
    f"/sys/fs/cgroup/memory/docker/{ID}/memory.limit_in_bytes": "67108864\n",
    f"/sys/fs/cgroup/memory/docker/{ID}/memory.stat": "cache 40960\ninactive_file 4096\ntotal_inactive_file 40960\n",
    f"/sys/fs/cgroup/memory/docker/{ID}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    f"/sys/fs/cgroup/blkio/docker/{ID}/blkio.throttle.io_service_bytes_recursive": (
        "254:0 Read 4096\n254:0 Write 8192\n254:0 Sync 12288\n254:0 Async 0\n254:0 Discard 0\n254:0 Total 12288\n"
        "254:16 Read 1000\n254:16 Write 0\n254:16 Total 1000\nTotal 13288\n"
    ),
}

# Docker with the driver systemd on a system that has the second version only.
SECOND_MOUNTS = """\
24 23 0:21 / /proc rw,nosuid - proc proc rw
29 22 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
"""
SECOND_GROUPS = f"0::/system.slice/docker-{ID}.scope\n"
_SCOPE = f"/sys/fs/cgroup/system.slice/docker-{ID}.scope"
SECOND_FILES = {
    f"{_SCOPE}/cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 10\nnr_throttled 1\n",
    f"{_SCOPE}/cpu.max": "50000 100000\n",
    f"{_SCOPE}/memory.current": "10485760\n",
    f"{_SCOPE}/memory.max": "134217728\n",
    f"{_SCOPE}/memory.stat": "anon 6291456\nfile 4194304\ninactive_file 2097152\nactive_file 2097152\n",
    f"{_SCOPE}/memory.events": "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n",
    f"{_SCOPE}/io.stat": (
        "259:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n253:1 rbytes=1000 wbytes=0 rios=1 wios=0\n"
    ),
}

NETWORK = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    5000      10    0    0    0     0          0         0     5000      10    0    0    0     0       0          0
  eth0:     266       3    0    0    0     0          0         0       42       1    0    0    0     0       0          0
  eth1:1000000000       3    0    0    0     0          0         0       8       1    0    0    0     0       0          0
"""

STATS = {
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"major": 254, "minor": 0, "op": "Read", "value": 4096},
            {"major": 254, "minor": 0, "op": "Write", "value": 8192},
            {"major": 254, "minor": 0, "op": "Total", "value": 12288},
        ]
    },
    "cpu_stats": {"cpu_usage": {"total_usage": 40464916}, "system_cpu_usage": 26864530000000, "online_cpus": 2},
    "memory_stats": {
        "usage": 671744,
        "stats": {"inactive_file": 4096, "total_inactive_file": 40960},
        "limit": 67108864,
    },
    "networks": {"eth0": {"rx_bytes": 266, "tx_bytes": 42}, "eth1": {"rx_bytes": 4, "tx_bytes": 8}},
}
STOPPED = {"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}, "blkio_stats": {}}
