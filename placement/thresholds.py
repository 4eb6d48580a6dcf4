"""The agents with at least an amount of something, found without looking at each."""

from __future__ import annotations

from bisect import bisect_left

from placement.bits import bits_of

_STRIDE = 128


class Threshold:
    """Amounts by agent, sorted once; `at_least` then costs about the same for one agent as for all."""

    def __init__(self, amounts: list[int]) -> None:
        self.size = len(amounts)
        self.order = sorted(range(self.size), key=lambda number: -amounts[number])
        """The agents from the one with the most on."""
        self._falling = [-amounts[number] for number in self.order]
        self._prefixes: list[int] | None = None

    def at_least(self, amount: int) -> int:
        """The set of agents that have so much."""
        if not self.size or amount <= -self._falling[-1]:
            return (1 << self.size) - 1
        count = bisect_left(self._falling, -amount + 1)
        if not count:
            return 0
        whole, rest = divmod(count, _STRIDE)
        found = self._sums()[whole]
        return found | bits_of(self.order[count - rest : count], self.size) if rest else found

    def _sums(self) -> list[int]:
        """The sets of the first 0, 128, 256, ... agents of the order."""
        if self._prefixes is None:
            self._prefixes = [0]
            for start in range(0, self.size - _STRIDE + 1, _STRIDE):
                members = bits_of(self.order[start : start + _STRIDE], self.size)
                self._prefixes.append(self._prefixes[-1] | members)
        return self._prefixes
