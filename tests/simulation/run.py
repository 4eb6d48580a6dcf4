"""Runs seeds, makes the red ones small, and tells their story."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from tests.simulation.faults import Faults
from tests.simulation.oracle import Broken
from tests.simulation.world import World

STEPS = 60
"""How long the cruel act is, where nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a seed: `problem` is "" if all was well; `peace_seconds` is the time until the world was at
    rest."""

    seed: int
    steps: int
    faults: Faults
    problem: str
    rule: str
    story: tuple[str, ...]
    digest: str
    seconds: float
    peace_seconds: float
    launches: int
    orphans: int

    @property
    def is_red(self) -> bool:
        return bool(self.problem)

    @property
    def text(self) -> str:
        """For people: what broke, the story, how to see it again."""
        lines = [
            f"seed {self.seed}, {self.steps} steps: {self.problem}",
            *self.story,
            f"faults: {', '.join(self.faults.names) or 'none'}",
            f"again: {self.command}",
        ]
        return "\n".join(lines)

    @property
    def command(self) -> str:
        """The command that repeats it."""
        words = f"python -m tests.simulation --seed {self.seed} --steps {self.steps}"
        left_out = [name for name in Faults.drawn(self.seed).names if name not in self.faults.names]
        return words + "".join(f" --without '{name}'" for name in left_out)


def run(seed: int, steps: int = STEPS, faults: Faults | None = None) -> Outcome:
    """Plays a seed."""
    faults = Faults.drawn(seed) if faults is None else faults
    world = World(seed, faults)
    problem = rule = ""
    story: tuple[str, ...] = ()
    peace_seconds = 0.0
    try:
        world.begin()
        for _ in range(steps):
            world.cruel_step()
        peace_seconds = world.kind_act()
    except Broken as broken:
        problem, rule = str(broken), broken.rule
        story = tuple(world.journal.story(broken.words) if broken.words else world.journal.tail())
    except Exception as error:  # a bug of the code under test, or of the world: both are red
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        where = "; ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
        problem, rule = f"{type(error).__name__}: {error} ({where})", type(error).__name__
        story = tuple(world.journal.tail())
    return Outcome(
        seed=seed,
        steps=steps,
        faults=faults,
        problem=problem,
        rule=rule,
        story=story,
        digest=world.journal.digest,
        seconds=world.seconds,
        peace_seconds=peace_seconds,
        launches=len(world.tree.last_words),
        orphans=world.orphans,
    )


def shrunk(red: Outcome) -> Outcome:
    """A smaller red outcome that breaks the same rule: fewer steps first, then fewer faults."""
    best = red

    def is_same(steps: int, faults: Faults) -> bool:
        nonlocal best
        tried = run(red.seed, steps, faults)
        if tried.rule == red.rule:
            best = tried
        return tried.rule == red.rule

    low, high = 0, red.steps
    while low < high:
        middle = (low + high) // 2
        if is_same(middle, best.faults):
            high = middle
        else:
            low = middle + 1
    for name in red.faults.names:
        is_same(best.steps, best.faults.without(name))
    return best
