"""A Docker engine of a test's own, which it may stop, kill and freeze."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.local import engine, requirements
from framework.local import images as local_images
from framework.local.commands import executor_path
from framework.local.daemon import command_of
from tests.kit.cli import eventually
from tests.kit.cluster import need

WITH_LOOPBACK = """
import fcntl, os, socket, struct, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Runs a program in a network that is new, after 127.0.0.0/8 is there."""


class OwnEngine:
    """A dockerd that only one test uses, with all it has in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host = f"unix://{directory}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._forget_containerd()
        program = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        assert program is not None
        # In a network of its own: without a bridge, dockerd removes that of the machine's engine.
        command = [
            "unshare",
            "--net",
            sys.executable,
            "-c",
            WITH_LOOPBACK,
            program,
            f"--host={self.host}",
            f"--data-root={self.directory}/data",
        ]
        command += [f"--exec-root={self.directory}/exec", f"--pidfile={self.directory}/pid"]
        command += ["--bridge=none", "--iptables=false", "--ip-masq=false"]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        eventually(engine.is_answering, f"dockerd answers (log: {self.directory}/log)")

    @property
    def environment(self) -> dict[str, str]:
        """Of executors that use this engine."""
        return {"PATH": executor_path(), "DOCKER_HOST": self.host}

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP: who asks it gets no answer, and its containers run on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(60)

    def end(self) -> None:
        """Ends it with its containerd, which may outlive a dockerd that was killed, and with what it has mounted."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        pid = self._containerd()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            eventually(lambda: self._containerd() is None, "its containerd ends")
        self._end_shims()
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for path in reversed([path for path in mounted if path.startswith(f"{self.directory}/")]):
            subprocess.run(["umount", path], check=False)

    def _end_shims(self) -> None:
        """Ends what watches over containers that a dockerd forgot as it was killed, and those containers."""
        for path in Path("/proc").glob("[0-9]*"):
            if str(self.directory) in " ".join(command_of(int(path.name))[1:]):
                with contextlib.suppress(OSError):
                    children = (path / "task" / path.name / "children").read_text().split()
                    for pid in (*children, path.name):
                        os.kill(int(pid), signal.SIGKILL)

    def _containerd(self) -> int | None:
        """The process id of its containerd, None where it does not run."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int((self.directory / "exec" / "containerd" / "containerd.pid").read_text())
            return pid if str(self.directory) in " ".join(command_of(pid)) else None
        return None

    def _forget_containerd(self) -> None:
        """Removes the pid file of one that ended with its dockerd: the next would wait for it, as long as nobody has
        taken note of its death."""
        if self._containerd() is None:
            (self.directory / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)


@contextlib.contextmanager
def own_engine() -> Iterator[OwnEngine]:
    """An engine of the test's own with the image that containers are made of; meanwhile DOCKER_HOST names it."""
    if os.geteuid() != 0:
        pytest.skip("a dockerd of the test's own is started as root only")
    need((*requirements.ENGINE, *requirements.IMAGES))
    # The path of a socket is short, and that of pytest's directories may be long.
    directory = Path(tempfile.mkdtemp(prefix="engine-"))
    own = OwnEngine(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", own.host)
        try:
            own.start()
            local_images.build([local_images.BUSYBOX])
            yield own
        finally:
            own.end()
            shutil.rmtree(directory, ignore_errors=True)
