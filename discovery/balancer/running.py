"""The loop of a balancer: what is wished and what can be reached, again and again, until it is told to end."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from discovery.balancer.model import Model
from discovery.balancer.source import Source

LOOK_SECONDS = 0.5
"""How often it is looked whether a draining server is idle, and whether the process still runs."""

log = logging.getLogger("discovery.balancer")


class Proxy(Protocol):
    """A balancer's process."""

    def bring(self, model: Model) -> None:
        """Has it serve the model; nothing new is told nothing."""


def follow(source: Source, proxy: Proxy, changed: threading.Event, ending: threading.Event) -> None:
    """Brings each model to the proxy until `ending` is set, which has to set `changed` too."""
    told: tuple[str, ...] = ()
    while not ending.is_set():
        model = source.model()
        if model is not None:
            for problem in model.problems:
                if problem not in told:
                    log.warning("not served: %s", problem)
            told = model.problems
            proxy.bring(model)
        changed.wait(LOOK_SECONDS)
        changed.clear()
