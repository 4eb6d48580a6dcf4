"""Daemons that have ended by themselves are started again, tried on processes that need nothing but this machine."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.local.cluster import MOST_RESTARTS, Cluster
from framework.local.daemon import Daemon, DaemonSpec
from framework.local.errors import LocalError
from framework.local.keeper import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, STEADY_SECONDS, Keeper
from framework.local.waiting import wait_for


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Daemon]:
    spec = DaemonSpec(kind="mesos-master", address="127.0.0.1:1", command=("sleep", "600"))
    daemon = Daemon.create(tmp_path / "master1", spec).start()
    yield daemon
    daemon.kill()


def end_by_itself(daemon: Daemon) -> None:
    assert daemon.pid is not None
    os.kill(daemon.pid, signal.SIGABRT)
    wait_for(lambda: daemon.pid is None, 10, "its end")


def test_what_ended_by_itself_is_started_again_after_a_wait_and_counted(master: Daemon) -> None:
    keeper = Keeper()
    assert keeper.look([master], 0.0) == []
    end_by_itself(master)
    assert keeper.look([master], 10.0) == []
    assert keeper.look([master], 10.0 + FIRST_WAIT_SECONDS) == [master]
    assert (master.state, master.restarts) == ("running", 1)


def test_what_somebody_has_killed_stays_down_until_somebody_starts_it(master: Daemon) -> None:
    keeper = Keeper()
    master.kill(signal.SIGKILL)
    assert keeper.look([master], 0.0) == keeper.look([master], 100.0) == []
    master.start()
    end_by_itself(master)
    keeper.look([master], 200.0)
    assert keeper.look([master], 300.0) == [master]


def test_what_is_killed_while_it_is_down_stays_down(master: Daemon) -> None:
    end_by_itself(master)
    master.kill(signal.SIGKILL)
    assert master.start_again().pid is None and master.restarts == 0


def test_what_ends_again_and_again_is_waited_for_longer_until_it_has_run_for_a_while(master: Daemon) -> None:
    keeper = Keeper()
    now, waits = 0.0, []
    for _ in range(7):
        end_by_itself(master)
        began = now
        while not keeper.look([master], now):
            now += FIRST_WAIT_SECONDS
        waits.append(now - began)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS]
    end_by_itself(master)
    now += STEADY_SECONDS
    keeper.look([master], now)
    assert keeper.look([master], now + FIRST_WAIT_SECONDS) == [master]


def test_what_is_frozen_is_left_alone(master: Daemon) -> None:
    master.kill(signal.SIGSTOP)
    assert Keeper().look([master], 100.0) == []


@pytest.mark.parametrize(("crashes", "is_up"), [(MOST_RESTARTS, True), (MOST_RESTARTS + 1, False)])
def test_a_mesos_daemon_that_crashes_as_it_starts_is_started_again_a_few_times(
    tmp_path: Path, crashes: int, is_up: bool
) -> None:
    script = (
        f"echo >> {tmp_path}/starts; [ $(wc -l < {tmp_path}/starts) -gt {crashes} ] || kill -SEGV $$; exec sleep 600"
    )
    spec = DaemonSpec(kind="mesos-master", address="127.0.0.1:1", command=("sh", "-c", script))
    daemon = Daemon.create(tmp_path / "master1", spec).start()
    cluster = Cluster(tmp_path)
    try:
        for _ in range(crashes):
            wait_for(lambda: daemon.pid is None, 10, "its end")
            if is_up or daemon.restarts < MOST_RESTARTS:
                cluster._keep_alive()
            else:
                with pytest.raises(LocalError, match="master1 ended while the cluster was starting"):
                    cluster._keep_alive()
        assert (daemon.pid is not None) is is_up
    finally:
        daemon.kill()
