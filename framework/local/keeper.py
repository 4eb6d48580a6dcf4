"""Starts the daemons of a local cluster again that have ended by themselves, as a machine's service manager does.

Mesos's master ends itself when it has lost ZooKeeper, and expects to be started again. `framework local up` starts
one keeper for a cluster: `python -m framework.local.keeper DIR`. A daemon that was ended by `framework local kill`
stays down.
"""

import sys
import time
from datetime import datetime
from pathlib import Path

from framework.local.cluster import Cluster
from framework.local.daemon import Daemon

LOOK_SECONDS = 0.5
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""Running time after which the next wait of a daemon is the shortest again, in seconds."""


class Keeper:
    """Daemons that have ended by themselves, and the time at which each is started again.

    Times are seconds of any steady clock.
    """

    def __init__(self) -> None:
        #: The wait before the next start, in seconds, of each daemon that was started again; by name.
        self._waits: dict[str, float] = {}
        #: When each daemon that is down is started; by name.
        self._due: dict[str, float] = {}
        #: When each daemon was last started by this keeper; by name.
        self._started: dict[str, float] = {}

    def look(self, daemons: list[Daemon], now: float) -> list[Daemon]:
        """Starts the daemons that are down and due; returns them."""
        started = []
        for daemon in daemons:
            if daemon.is_stopped or daemon.pid is not None:
                self._due.pop(daemon.name, None)
            elif daemon.name not in self._due:
                self._due[daemon.name] = now + self._wait(daemon.name, now)
            elif now >= self._due[daemon.name]:
                del self._due[daemon.name]
                self._started[daemon.name] = now
                daemon.start_again()
                started.append(daemon)
        return started

    def _wait(self, name: str, now: float) -> float:
        """The wait before the next start, doubled each time until the daemon runs steadily again."""
        is_steady = now - self._started.get(name, -STEADY_SECONDS) >= STEADY_SECONDS
        wait = FIRST_WAIT_SECONDS if is_steady else min(2 * self._waits[name], LONGEST_WAIT_SECONDS)
        self._waits[name] = wait
        return wait


def main() -> None:
    """Keeps the daemons of the cluster in the directory that is the first argument, until a signal ends it."""
    cluster = Cluster(Path(sys.argv[1]))
    keeper = Keeper()
    while True:
        for daemon in keeper.look(cluster.kept(), time.monotonic()):
            when = datetime.now().astimezone().isoformat(timespec="seconds")
            sys.stdout.write(f"{when} {daemon.name} had ended by itself; started again with pid {daemon.pid}\n")
            sys.stdout.flush()
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
