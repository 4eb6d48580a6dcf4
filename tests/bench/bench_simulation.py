"""How much simulated time a minute of this machine plays."""

from __future__ import annotations

import multiprocessing
import time

from tests.bench.report import Bench, Row
from tests.simulation.run import Outcome, run

SEEDS = 200
PROCESSES = 2


def measure(is_quick: bool) -> list[Row]:
    """The same seeds in one process, and shared by two. Raises AssertionError where one is red."""
    seeds = range(8 if is_quick else SEEDS)
    begun_at, cpu_at = time.perf_counter(), time.process_time()
    outcomes = [run(seed) for seed in seeds]
    took, cpu = time.perf_counter() - begun_at, time.process_time() - cpu_at
    begun_at = time.perf_counter()
    with multiprocessing.Pool(PROCESSES) as pool:
        outcomes += pool.map(run, seeds, chunksize=2)
    shared = time.perf_counter() - begun_at
    red = [outcome.text for outcome in outcomes if outcome.is_red]
    assert not red, red[0]
    return [*_rows(outcomes[: len(seeds)], took, cpu), *_shared(outcomes[: len(seeds)], took, shared)]


def _rows(outcomes: list[Outcome], took: float, cpu: float) -> list[Row]:
    simulated = sum(outcome.seconds for outcome in outcomes)
    launched = sum(outcome.launches for outcome in outcomes)
    return [
        Row(name="one process: seeds", figure=60 * len(outcomes) / took, unit="a minute"),
        Row(name="one process: simulated time", figure=simulated / 60 / took, unit="hours a minute"),
        Row(name="a seed", figure=cpu / len(outcomes), unit="CPU s"),
        Row(name="a seed: tasks launched", figure=launched / len(outcomes), unit="tasks"),
    ]


def _shared(outcomes: list[Outcome], alone: float, shared: float) -> list[Row]:
    count = len(outcomes)
    simulated = sum(outcome.seconds for outcome in outcomes)
    name = f"{PROCESSES} processes"
    return [
        Row(name=f"{name}: seeds; to one process", figure=60 * count / shared, unit="a minute", ratio=alone / shared),
        Row(name=f"{name}: simulated time", figure=simulated / 60 / shared, unit="hours a minute"),
        Row(name=f"{name}: {count} seeds", figure=shared, unit="s", at_most=120.0),
    ]


BENCH = Bench(
    name="simulation",
    title="The simulation",
    method=(
        f"The {SEEDS} seeds that CI plays, first in one process, then shared by {PROCESSES} (docs/simulation.md). A"
        " seed is sixty steps of failures, and the peace after them."
    ),
    run=measure,
    limit_seconds=900,
)
