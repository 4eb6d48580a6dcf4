"""nginx kept in step with a model: each change is a new configuration, tested, and a reload."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from pathlib import Path

from discovery.balancer.certificates import BARE, Keyring
from discovery.balancer.model import Model
from discovery.balancer.nginx_text import NginxSettings, nginx_text, unserved
from discovery.balancer.process import BalancerRefused, Process

RELOAD_SECONDS = 0.5
"""Reloads are so far apart at least: each leaves workers behind that finish what they are at."""
REFUSED_AGAIN_SECONDS = 30.0
STOP_SECONDS = 10.0

log = logging.getLogger("discovery.balancer")


class Nginx:
    """An nginx of our own in the directory of `settings`, which is made. One that an earlier process of ours left is
    taken over as it runs."""

    def __init__(self, settings: NginxSettings, program: str) -> None:
        self._settings = settings
        self._program = program
        directory = Path(settings.directory)
        directory.mkdir(parents=True, exist_ok=True)
        self._config, self._tried = directory / "nginx.conf", directory / "nginx.new.conf"
        command = [program, "-p", str(directory), "-c", str(self._config)]
        self._process = Process(command, directory)
        self._text = ""
        self._refused = ""
        self._again_at = 0.0
        self._next_at = 0.0
        self._told: tuple[str, ...] = ()

    def bring(self, model: Model, keyring: Keyring = BARE) -> None:
        """Makes nginx serve the model, with these certificates. A refusal is logged once, and what it served before
        stays."""
        text, now = nginx_text(model, self._settings, keyring), time.monotonic()
        if self._told != (told := unserved(model)):
            self._told = told
            for sentence in told:
                log.warning("not served: %s", sentence)
        is_running = self._process.is_running
        if (text == self._text and is_running) or now < self._next_at:
            return
        if text == self._refused and now < self._again_at:
            return
        self._next_at = now + RELOAD_SECONDS
        try:
            self._load(text, is_running=is_running)
        except BalancerRefused as refused:
            if text != self._refused:
                stays = ", and the last good one stays" if is_running else ", and serves nothing"
                log.error("nginx refuses the configuration%s: %s", stays, refused)
            self._refused, self._again_at = text, now + REFUSED_AGAIN_SECONDS
            return
        self._text, self._refused = text, ""
        servers = ", ".join(f"{backend.name}: {len(backend.servers)}" for backend in model.backends)
        log.info("serving %s", servers or "nothing yet")

    def end(self) -> None:
        """Ends nginx once it has finished what it is at, for a while."""
        self._process.end(signal.SIGQUIT, STOP_SECONDS)

    def _load(self, text: str, *, is_running: bool) -> None:
        """Raises BalancerRefused."""
        self._tried.write_text(text)
        command = [self._program, "-t", "-q", "-p", self._settings.directory, "-c", str(self._tried)]
        try:
            checked = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise BalancerRefused(f"{self._program} cannot be started ({error}); install it") from None
        if checked.returncode:
            raise BalancerRefused(
                checked.stderr.strip().splitlines()[0] if checked.stderr.strip() else "it does not say why"
            )
        self._tried.replace(self._config)
        if is_running:
            self._process.send(signal.SIGHUP)
        else:
            self._process.start()
