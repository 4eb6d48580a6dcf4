"""Two hundred bad days, each with its own faults, and each ends in peace."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.simulation.faults import RATES, Faults
from tests.simulation.run import STEPS, Outcome, run, shrunk

SEEDS = 200
TOLD = 3
KEPT = (3, 33, 39, 1105, 1464)
"""Seeds that were red once, before people changed stacks at a pace: docs/simulation.md tells of what they found."""
KEPT_WITH_ROLLOUTS = (3, 179, 229, 333, 420, 869, 892, 1130, 1170, 1596)
"""Seeds that were red once because of how stacks were changed, or since then."""


def test_two_hundred_seeds_end_in_peace() -> None:
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        red = [outcome for outcome in pool.map(run, range(SEEDS), chunksize=5) if outcome.is_red]
    texts = [shrunk(outcome).text for outcome in red[:TOLD]]
    assert not red, f"{len(red)} of {SEEDS} seeds are red\n" + "\n\n".join(texts)


@pytest.mark.parametrize("seed", KEPT)
def test_a_seed_that_was_red_stays_green(seed: int) -> None:
    """As it was played then."""
    outcome = run(seed, STEPS, Faults.drawn(seed).without("rollouts").without("bad version"))
    assert not outcome.is_red, outcome.text


@pytest.mark.parametrize("seed", KEPT_WITH_ROLLOUTS)
def test_a_seed_with_rollouts_that_was_red_stays_green(seed: int) -> None:
    outcome = run(seed)
    assert not outcome.is_red, outcome.text


def test_a_quiet_world_has_peace_at_once() -> None:
    outcome = run(1, 20, Faults(()))
    assert not outcome.is_red, outcome.text
    assert outcome.launches > 0 and outcome.peace_seconds <= 60 and outcome.orphans == 0


def test_the_same_seed_is_the_same_day() -> None:
    """The same journal under another hash seed, in another process."""
    digests = {_digest(seed, hash_seed) for seed in (8, 13) for hash_seed in ("1", "2")}
    assert digests == {(seed, run(seed).digest) for seed in (8, 13)}


def _digest(seed: int, hash_seed: str) -> tuple[int, str]:
    code = f"from tests.simulation.run import run; print(run({seed}).digest)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return seed, done.stdout.strip()


def test_seeds_draw_different_faults_and_all_are_drawn() -> None:
    drawn = [Faults.drawn(seed) for seed in range(SEEDS)]
    assert {name for faults in drawn for name in faults.names} == set(RATES)
    assert len({faults.names for faults in drawn}) > SEEDS / 2


def test_a_fault_left_out_changes_no_other() -> None:
    faults = Faults.drawn(8)
    name, *_ = faults.names
    fewer = faults.without(name)
    assert set(faults.names) - set(fewer.names) == {name}
    assert dict(fewer.chances).items() <= dict(faults.chances).items()


def test_an_outcome_names_what_repeats_it() -> None:
    faults = Faults.drawn(8).without("clock jump").without("slow")
    outcome: Outcome = run(8, 3, faults)
    assert outcome.command.startswith("python -m tests.simulation --seed 8 --steps 3")
    assert ("--without 'slow'" in outcome.command) is ("slow" in Faults.drawn(8).names)
