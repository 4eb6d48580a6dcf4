"""The loop of a balancer: brings it in line with routes and endpoints until it is stopped."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from discovery.balancer.certificate_files import CertificateFiles
from discovery.balancer.certificates import Keyring, untrusted
from discovery.balancer.model import Model
from discovery.balancer.source import Source

LOOK_SECONDS = 0.5
"""Pause between two looks at draining servers and at the process."""

log = logging.getLogger("discovery.balancer")


class Proxy(Protocol):
    """A balancer's process."""

    def bring(self, model: Model, keyring: Keyring) -> None:
        """Makes it serve the model, with these certificates; without a change it does nothing."""


def follow(
    source: Source, files: CertificateFiles, proxy: Proxy, changed: threading.Event, ending: threading.Event
) -> None:
    """Brings each model, and each change of certificates, to the proxy until `ending` is set, which has to set
    `changed` too."""
    told: tuple[str, ...] = ()
    while not ending.is_set():
        keyring = files.keyring()
        model = source.model(has_certificates=bool(keyring.certificates))
        if model is not None:
            sentences = problems(model, keyring)
            for sentence in sentences:
                if sentence not in told:
                    log.warning("%s", sentence)
            told = sentences
            proxy.bring(model, keyring)
        changed.wait(LOOK_SECONDS)
        changed.clear()


def problems(model: Model, keyring: Keyring) -> tuple[str, ...]:
    """The routes that are not served, or not as requested, for the user."""
    unserved = dict.fromkeys(f"not served: {each}" for each in model.problems)
    return (*unserved, *untrusted(model, keyring.certificates))
