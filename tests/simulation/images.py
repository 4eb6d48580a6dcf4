"""The behaviour of images in a simulated world, told by their names."""

from __future__ import annotations

from enum import StrEnum


class Fate(StrEnum):
    """The fate of a container: WELL runs until it is stopped; the others are bad versions.

    CRASHES ends with 1 at once, LATE after 20 s, ENDS with 0 at once; SICK runs and answers no check; DEAF does not
    hear TERM; ABSENT is an image that no registry has.
    """

    WELL = "well"
    CRASHES = "crashes"
    LATE = "late"
    ENDS = "ends"
    SICK = "sick"
    DEAF = "deaf"
    ABSENT = "absent"


LATE_SECONDS = 20.0


def image(number: int, fate: Fate = Fate.WELL) -> str:
    """The name of an image of this fate."""
    return f"acme/web:{number}" if fate is Fate.WELL else f"acme/web:{number}-{fate}"


def fate_of(name: str) -> Fate:
    """The behaviour of the image of this name."""
    word = name.rpartition("-")[2]
    return Fate(word) if word in Fate.__members__.values() else Fate.WELL


class Registry:
    """The images of this world. Once `is_mended`, all of them run well."""

    def __init__(self) -> None:
        self.is_mended = False

    def fate(self, name: str) -> Fate:
        """The present behaviour of the image of this name."""
        return Fate.WELL if self.is_mended else fate_of(name)
