"""`python -m tests.simulation --seeds N`: plays seeds, and tells of those that are red."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time

from tests.simulation.faults import Faults
from tests.simulation.run import STEPS, Outcome, run, shrunk


def main() -> int:
    """Returns 1 where a seed is red."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, help="this one only")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of the cruel act (default: {STEPS})")
    parser.add_argument("--without", action="append", default=[], metavar="FAULT", help="leave a fault out")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--verbose", action="store_true", help="a line for each seed")
    parser.add_argument("--no-shrink", action="store_true", help="tell red seeds as they are")
    options = parser.parse_args()
    if options.seed is not None:
        return _one(options.seed, options.steps, options.without, not options.no_shrink)
    begun_at = time.monotonic()
    seeds = range(options.first, options.first + options.seeds)
    red: list[Outcome] = []
    seconds, orphans = 0.0, 0
    with multiprocessing.Pool(options.workers) as pool:
        for outcome in pool.imap_unordered(_play, [(seed, options.steps) for seed in seeds]):
            seconds, orphans = seconds + outcome.seconds, orphans + outcome.orphans
            if outcome.is_red:
                red.append(outcome)
            if options.verbose or outcome.is_red:
                _say(f"seed {outcome.seed}: {outcome.problem or _well(outcome)}")
    took = time.monotonic() - begun_at
    for outcome in sorted(red, key=lambda outcome: outcome.seed)[:3]:
        _say("\n" + (outcome if options.no_shrink else shrunk(outcome)).text)
    _say(
        f"{len(seeds)} seeds in {took:.0f} s, {len(red)} red; {60 * len(seeds) / took:.0f} seeds and"
        f" {seconds / 60 / took:.1f} simulated hours a minute; {orphans} containers on agents without an executor"
    )
    return 1 if red else 0


def _play(job: tuple[int, int]) -> Outcome:
    return run(*job)


def _one(seed: int, steps: int, without: list[str], is_to_shrink: bool) -> int:
    faults = Faults.drawn(seed)
    for name in without:
        faults = faults.without(name)
    outcome = run(seed, steps, faults)
    if outcome.is_red and is_to_shrink:
        outcome = shrunk(outcome)
    _say(outcome.text if outcome.is_red else f"seed {seed}: {_well(outcome)}; digest {outcome.digest}")
    return 1 if outcome.is_red else 0


def _well(outcome: Outcome) -> str:
    return (
        f"well; {outcome.launches} tasks in {outcome.seconds:.0f} s, peace after {outcome.peace_seconds:.0f} s;"
        f" faults: {', '.join(outcome.faults.names) or 'none'}"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
