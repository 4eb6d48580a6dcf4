"""Faults for parts of a real cluster: set clocks, cut wires, ended sessions, rebooted agents, full disks."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from framework.local.daemon import Daemon
from tests.kit.story import Stage

SHIM = Path(__file__).with_name("clock_step.c")


class SetClock:
    """A clock of some daemons that a test sets, as an operator or ntpd does."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock-step"
        self._library = directory / "clock_step.so"
        self.ahead(0)
        words = ["g++", "-x", "c", "-O", "-shared", "-fPIC", "-o", str(self._library), str(SHIM)]
        subprocess.run(words, check=True)

    @property
    def environment(self) -> dict[str, str]:
        """With which a daemon has this clock."""
        return {"LD_PRELOAD": str(self._library), "CLOCK_STEP_FILE": str(self._file)}

    def ahead(self, seconds: int) -> None:
        """Sets it so far ahead of the machine's; behind, where that is negative."""
        with self._file.open("r+b" if self._file.exists() else "wb", buffering=0) as file:
            file.write(struct.pack("=q", seconds))


@contextlib.contextmanager
def cut(*wires: tuple[int, str]) -> Iterator[None]:
    """Nothing of what processes of a group send to an address arrives, and nobody is told.

    `wires` are (group id, IP) or (group id, IP:PORT). Skips the test where the kernel cannot.
    """
    rules = []
    for group, address in wires:
        ip, _, port = address.partition(":")
        to = ["-d", ip, *(["-p", "tcp", "--dport", port] if port else [])]
        rules.append(["OUTPUT", "-m", "owner", "--gid-owner", str(group), *to, "-j", "DROP"])
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("a wire is cut by root only, with setpriv of util-linux")
    with contextlib.ExitStack() as mended:
        for rule in rules:
            done = subprocess.run(["iptables", "-w", "-I", *rule], capture_output=True, text=True)
            if done.returncode != 0:
                pytest.skip(f"iptables cannot cut a wire here: {done.stderr.strip()}")
            mended.callback(subprocess.run, ["iptables", "-w", "-D", *rule], check=True)
        yield


def in_group(group: int) -> tuple[str, ...]:
    """Words before a daemon's command, with which its wires can be cut apart from all others'."""
    return "setpriv", f"--regid={group}", "--clear-groups"


def end_session(zookeeper: Daemon, node: str) -> None:
    """Ends the session that holds an ephemeral node, while its owner is well and connected.

    ZooKeeper moves a session to whoever shows its id and password, and computes the password from the id.
    """
    with contextlib.closing(KazooClient(zookeeper.address)) as client:
        client.start()
        _, stat = client.get(node)
        client.stop()
    with contextlib.closing(
        KazooClient(zookeeper.address, client_id=(stat.ephemeralOwner, session_password(stat.ephemeralOwner)))
    ) as thief:
        thief.start()
        assert thief.client_id[0] == stat.ephemeralOwner, "the session was taken over"
        thief.stop()


def session_password(session: int) -> bytes:
    """The password that ZooKeeper's SessionTrackerImpl computes: java.util.Random's bytes, seeded with the id and a
    fixed number."""
    mask = (1 << 48) - 1
    state = (session ^ 0xB3415C00 ^ 0x5DEECE66D) & mask
    words = []
    for _ in range(4):
        state = (state * 0x5DEECE66D + 0xB) & mask
        words.append(state >> 16)
    return struct.pack("<4I", *words)


def reboots(directory: Path) -> tuple[str, ...]:
    """Words before an agent's command, with which it believes that its machine was booted since this call."""
    boot_id = directory / "boot_id"
    boot_id.write_text(f"{uuid.uuid4()}\n")
    script = f'mount --bind {boot_id} /proc/sys/kernel/random/boot_id && exec "$@"'
    words = ("unshare", "--mount", "sh", "-c", script, "reboot")
    done = subprocess.run([*words, "cat", "/proc/sys/kernel/random/boot_id"], capture_output=True, text=True)
    if done.returncode != 0 or done.stdout != boot_id.read_text():
        pytest.skip(f"a boot id cannot be put into an agent here: {done.stderr.strip()}")
    return words


@contextlib.contextmanager
def small_disk(stage: Stage, free_mib: int) -> Iterator[Path]:
    """Moves the data of ZooKeeper to a disk of its own that has so much room left; yields where that is."""
    server = stage.cluster.daemon("zookeeper")
    data = server.directory / "data"
    kept = server.directory / "kept"
    server.kill()
    data.rename(kept)
    data.mkdir()
    size = sum(path.stat().st_blocks * 512 for path in kept.rglob("*")) // 2**20 + 1 + free_mib
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(data)]
    done = subprocess.run(mount, capture_output=True, text=True)
    try:
        if done.returncode != 0:
            pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
        subprocess.run(["cp", "-a", "--sparse=always", f"{kept}/.", str(data)], check=True)
        server.start().wait()
        yield data
    finally:
        server.kill()
        _move_back(data, kept)
        server.start().wait()


def _move_back(data: Path, kept: Path) -> None:
    """The small disk's data take the place of those that were kept, where there is such a disk."""
    if data.is_mount():
        shutil.rmtree(kept)
        subprocess.run(["cp", "-a", "--sparse=always", f"{data}/.", str(kept)], check=True)
        subprocess.run(["umount", "--lazy", str(data)], check=True)
    data.rmdir()
    kept.rename(data)
