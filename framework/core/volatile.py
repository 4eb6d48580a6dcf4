"""Values that the state holds and views show, but that nobody stores: a new leader begins without them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from framework.core.model import Instant


class Connection(StrEnum):
    """Where the scheduler stands: reading its store, seeking a master, or subscribed to one."""

    LOADING = "loading"
    CONNECTING = "connecting"
    SUBSCRIBED = "subscribed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    #: The step that is under way, as "pulling".
    stage: str
    #: Bytes done of `total_bytes`, 0 of 0 where the step does not count bytes.
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """The last decision about the number of a group that is scaled by its load."""

    at: Instant
    #: The number that its load wants, bounds aside.
    wants: int
    #: For people.
    sentence: str
