"""Plain processes whose executor is no more, and that nobody has ended with it.

There are some where all was killed at once, the supervisor and the spawner too, and after executors of a release that
had none. They are known by their environment, which has their sandbox: nobody holds the lock of the executor there.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from executor.sandbox import has_keeper

GONE_SECONDS = 2.0
"""Time-out for what was killed to be gone, with its ports."""
LOOK_SECONDS = 0.01
TASK = b"FRAMEWORK_TASK="
SANDBOX = b"MESOS_SANDBOX="

log = logging.getLogger("executor.process.supervision")


def end_abandoned() -> int:
    """Kills them, whoever's they were, and waits until they are gone; returns how many there were."""
    left = [number for number, sandbox in _plain_processes() if _is_left(number, sandbox)]
    killed = [number for number in left if _kill(number)]
    until = time.monotonic() + GONE_SECONDS
    while any(map(_runs, killed)) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    if killed:
        log.warning("killed processes whose executor is no more: %s", ", ".join(map(str, killed)))
    return len(killed)


def _plain_processes() -> Iterator[tuple[int, str]]:
    """The processes of this machine that some executor of ours has started, each with the sandbox of that executor."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            entries = path.read_bytes().split(b"\0")
        except OSError:  # it has just ended, or is another user's
            continue
        found = {name: each for name in (TASK, SANDBOX) for each in entries if each.startswith(name)}
        if len(found) < 2:
            continue
        task, sandbox = (os.fsdecode(found[name].removeprefix(name)) for name in (TASK, SANDBOX))
        root = sandbox.removesuffix(f"/tasks/{task}")
        # In a container it is another directory; and the user may have set either.
        if root != sandbox and root.startswith("/"):
            yield int(path.parent.name), root


def _is_left(number: int, sandbox: str) -> bool:
    """Whether nobody keeps a process any more, as far as that can be known."""
    # By its own root first: what it calls its sandbox need not be there under this name for us.
    keeper = has_keeper(f"/proc/{number}/root{sandbox}")
    if keeper is not None:
        return not keeper
    if _sees_our_files(number):
        return True
    # It has gone where it does not see its sandbox, as servers do that give up their rights (chroot): that says nothing
    # of its executor. Ours may see it; where we do not either, we cannot know, and it is left alone.
    return has_keeper(sandbox) is False


def _sees_our_files(number: int) -> bool:
    own, other = Path("/proc/self"), Path(f"/proc/{number}")
    try:
        is_same_root = (own / "root").samefile(other / "root")
        return is_same_root and (own / "ns/mnt").readlink() == (other / "ns/mnt").readlink()
    except OSError:
        return False


def _kill(number: int) -> bool:
    try:
        os.kill(number, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
