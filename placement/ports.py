"""The free ports of an agent, of which some are taken one by one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from specs.model.resources import PortRanges


class Ports:
    """Ports by their rank among those that were there: what was taken is a sorted list of ranks, so that the thousandth
    port costs about as much as the first, however torn the ranges are by then."""

    def __init__(self, ranges: PortRanges) -> None:
        self._firsts, self._lasts = [first for first, _ in ranges.ranges], [last for _, last in ranges.ranges]
        self._ranks: list[int] = []
        """The rank of the first port of each range."""
        self._taken: list[int] = []
        self.count = 0
        for first, last in ranges.ranges:
            self._ranks.append(self.count)
            self.count += last - first + 1

    def copy(self) -> Ports:
        """The same ports, to try something with."""
        other = Ports.__new__(Ports)
        other._firsts, other._lasts, other._ranks = self._firsts, self._lasts, self._ranks
        other._taken, other.count = list(self._taken), self.count
        return other

    def has(self, port: int) -> bool:
        """Whether the port is free."""
        rank = self._rank(port)
        place = bisect_left(self._taken, rank)
        return rank >= 0 and self._taken[place : place + 1] != [rank]

    def take(self, port: int) -> None:
        """Takes a port. Raises ValueError for one that is not free."""
        if not self.has(port):
            raise ValueError(f"wanted port {port}, which is not free")
        insort(self._taken, self._rank(port))
        self.count -= 1

    def nth(self, index: int) -> int:
        """The port with that place among the free ones, from 0. Raises ValueError where there are fewer."""
        if index >= self.count:
            raise ValueError(f"wanted port number {index}: there are fewer")
        # Before the taken port number j there are so many free ones: its rank less j.
        before = bisect_right(range(len(self._taken)), index, key=lambda j: self._taken[j] - j)
        rank = index + before
        place = bisect_right(self._ranks, rank) - 1
        return self._firsts[place] + rank - self._ranks[place]

    def _rank(self, port: int) -> int:
        """The rank of a port, -1 for one that was never there."""
        place = bisect_right(self._firsts, port) - 1
        if place < 0 or port > self._lasts[place]:
            return -1
        return self._ranks[place] + port - self._firsts[place]
