"""Counts of durations by their length. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from executor.metrics.exposition import Page, labels_text, number


class Histogram:
    """Counts of seconds up to each of `bounds`. Notes may come from one thread at a time; reading may be any."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def note(self, seconds: float) -> None:
        """It took so long, once more."""
        place = next((place for place, bound in enumerate(self._bounds) if seconds <= bound), len(self._bounds))
        self._counts[place] += 1
        self._sum += seconds

    def write(self, page: Page, name: str, what: str) -> None:
        """As a metric of the page."""
        so_far = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            so_far += count
            page.add(name, "histogram", what, labels_text((("le", number(bound)),)), so_far, "_bucket")
        page.add(name, "histogram", what, "", self._sum, "_sum")
        page.add(name, "histogram", what, "", so_far, "_count")
