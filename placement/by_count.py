"""Agents by how many tasks of a group they have: the fewest are found without a look at counts that no agent has."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping


class ByCount:
    """Sets of agents by count. What is asked and changed costs by how many different counts there are, not by how high
    they are: 16,000 tasks on one agent are two counts."""

    def __init__(self, everybody: int, tasks: Mapping[int, int]) -> None:
        self._bits: dict[int, int] = {0: everybody}
        self._counts: list[int] = [0]
        """The counts that an agent has, ascending."""
        self._of: dict[int, int] = {}
        for number, count in tasks.items():
            self.raise_to(number, count)

    def count(self, number: int) -> int:
        """The number of tasks on the agent."""
        return self._of.get(number, 0)

    def raise_to(self, number: int, count: int) -> None:
        """The agent has so many tasks now."""
        before, bit = self._of.get(number, 0), 1 << number
        if count == before:
            return
        self._of[number] = count
        if count not in self._bits:
            insort(self._counts, count)
            self._bits[count] = 0
        self._bits[count] |= bit
        self._bits[before] &= ~bit
        if not self._bits[before]:
            del self._bits[before], self._counts[bisect_left(self._counts, before)]

    def fewest(self, among: int) -> int:
        """The agents among these with the fewest tasks."""
        for count in self._counts:
            found = among & self._bits[count]
            if found:
                return found
        return among

    def at_most(self, count: int, among: int) -> int:
        """The agents among these with at most `count` tasks."""
        found = 0
        for each in self._counts:
            if each > count:
                break
            found |= among & self._bits[each]
        return found
