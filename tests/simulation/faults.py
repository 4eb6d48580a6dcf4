"""Which faults a seed draws, and how often each strikes: every seed is another bad day (swarm testing)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

RATES = {
    "scheduler crash": 0.03,
    "scheduler crash in a step": 0.003,
    "scheduler freeze": 0.02,
    "scheduler freeze in a step": 0.001,
    "session loss": 0.04,
    "disconnect": 0.03,
    "master failover": 0.015,
    "agent cut off": 0.06,
    "agent crash": 0.03,
    "agent loss": 0.004,
    "executor crash": 0.03,
    "engine restart": 0.015,
    "engine trouble": 0.02,
    "container crash": 0.08,
    "store unheard": 0.03,
    "store lost": 0.03,
    "store late": 0.02,
    "store away": 0.015,
    "slow": 0.02,
    "clock jump": 0.02,
    "agent reboot": 0.01,
    "agent drain": 0.02,
    "executor unfetched": 0.3,
    "registry loss": 0.01,
    "rollouts": 0.3,
    "bad version": 0.6,
    "agent renewal": 0.02,
    "answer lost": 0.3,
    "message lost": 0.5,
}
"""The most a fault's chance is: in each step of the cruel act, command, transaction, fetch of an executor, release, or
message to or from an executor.

What is new comes last, so that it changes nothing of what a seed drew before."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The chance of each fault that is on."""

    chances: tuple[tuple[str, float], ...]

    @classmethod
    def drawn(cls, seed: int) -> Faults:
        """The faults of a seed: about half of all, each more or less often."""
        rng = Random(f"{seed}/faults")
        share = rng.choice([0.15, 0.4, 0.7])
        return cls(tuple((name, most * rng.uniform(0.2, 1.0)) for name, most in RATES.items() if rng.random() < share))

    def without(self, name: str) -> Faults:
        """The same day without one of its faults."""
        return replace(self, chances=tuple(each for each in self.chances if each[0] != name))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.chances)


class Dice:
    """Tells whether a fault strikes. Each fault has dice of its own, so that leaving one out changes no other's."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self._chances = dict(faults.chances)
        self._rngs = {name: Random(f"{seed}/{name}") for name in RATES}
        self.is_cruel = True

    def strikes(self, name: str) -> bool:
        """Whether the fault strikes now."""
        drawn = self._rngs[name].random()
        return self.is_cruel and drawn < self._chances.get(name, 0.0)

    def rng(self, name: str) -> Random:
        """The dice of one fault, for how hard it strikes."""
        return self._rngs[name]
