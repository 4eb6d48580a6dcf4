"""Deliberate faults in the real code, each found within a few seeds: the simulation bites."""

from __future__ import annotations

import pytest

from tests.simulation.plants import PLANTS, Plant
from tests.simulation.run import run, shrunk

WITHIN_SEEDS = 60
"""From the seed on that found it first: where people and faults are drawn otherwise, another may be the first."""


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name.replace(" ", "-"))
def test_a_planted_fault_is_found(plant: Plant) -> None:
    with plant.install():
        seeds = range(plant.seed, plant.seed + WITHIN_SEEDS)
        found = next((outcome for seed in seeds if (outcome := run(seed)).is_red), None)
    assert found is not None, f"{plant.name}: not found in {WITHIN_SEEDS} seeds"
    assert found.rule in plant.rules, found.text


def test_a_red_seed_is_made_small_and_tells_its_story() -> None:
    plant = next(plant for plant in PLANTS if plant.name == "a slot is free as soon as its task is KILLING")
    with plant.install():
        red = next(outcome for seed in range(WITHIN_SEEDS) if (outcome := run(seed)).rule == "two in a slot")
        small = shrunk(red)
        again = run(small.seed, small.steps, small.faults)
    assert small.rule == red.rule == "two in a slot"
    assert small.steps < red.steps and len(small.faults.names) <= len(red.faults.names)
    assert again.digest == small.digest
    assert f"--seed {small.seed} --steps {small.steps}" in small.text
    assert any("KILLING" in line for line in small.story)
