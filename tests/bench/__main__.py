"""All benches, or those that are named; what they find goes into docs/benchmarks.md.

    python -m tests.bench [--quick] [NAME ...]

With --quick the numbers are small, to see that everything works, and the page stays as it is.
"""

from __future__ import annotations

import argparse
import fcntl
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

from framework.local import engine
from framework.local.paths import cache_home
from tests.bench import (
    bench_balancer,
    bench_control,
    bench_core,
    bench_dns,
    bench_elections,
    bench_endpoints,
    bench_failover,
    bench_health,
    bench_idle,
    bench_launch,
    bench_metrics,
    bench_placement,
    bench_rollout,
    bench_simulation,
    bench_spread,
    bench_store,
    machine,
    others,
    report,
)
from tests.bench.report import Bench

BENCHES = (
    bench_launch.BENCH,
    bench_control.BENCH,
    others.DRIVER,
    bench_store.BENCH,
    bench_idle.BENCH,
    bench_core.BENCH,
    bench_placement.BENCH,
    bench_spread.BENCH,
    bench_failover.BENCH,
    bench_rollout.BENCH,
    bench_health.BENCH,
    bench_endpoints.BENCH,
    bench_dns.BENCH,
    bench_metrics.BENCH,
    bench_balancer.BENCH,
    bench_elections.BENCH,
    bench_simulation.BENCH,
)


def main() -> int:
    """Runs benches one after the other; returns 1 if one could not be brought to its end."""
    given = _arguments([bench.name for bench in BENCHES])
    chosen = [bench for bench in BENCHES if not given.names or bench.name in given.names]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    signal.signal(signal.SIGALRM, _too_long)
    cache_home().mkdir(parents=True, exist_ok=True)
    with (cache_home() / "bench.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another bench runs on this machine, and each would measure the other: wait until it has ended.")
            return 1
        owned = engine.ensure()
        try:
            say(machine.description())
            failed = [bench.name for bench in chosen if not measure(bench, given.quick)]
        finally:
            if owned is not None:
                engine.stop(owned)
    if failed:
        say(f"\nnot measured: {', '.join(failed)}")
    return 1 if failed else 0


def measure(bench: Bench, is_quick: bool) -> bool:
    """One bench: its table on the terminal and, unless it is quick, in the page. False if it failed."""
    say(f"\n{bench.title} ({bench.name}, at most {bench.limit_seconds} s) ...")
    load_before = machine.load()
    begin = time.monotonic()
    signal.alarm(bench.limit_seconds)
    try:
        rows = bench.run(is_quick)
    except Exception as error:  # The others are measured nevertheless.
        say(f"{bench.name}: {type(error).__name__}: {error}", *getattr(error, "__notes__", ()))
        return False
    finally:
        signal.alarm(0)
    circumstances = machine.circumstances(load_before)
    say(report.table(rows), f"({time.monotonic() - begin:.0f} s; {circumstances})")
    if not is_quick:
        titles = [each.title for each in BENCHES]
        report.write(machine.description(), {bench.title: report.section(bench, rows, circumstances)}, titles)
    return True


def say(*lines: str) -> None:
    """To the terminal, at once."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _arguments(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small numbers; the page stays as it is")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(names)} (default: all)")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in names]
    if unknown:
        parser.error(f"no bench is named {unknown[0]}; there are: {', '.join(names)}")
    return given


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """As Ctrl-C: what has been started is ended on the way out."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def _too_long(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TimeoutError("took longer than it may")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)
