"""HAProxy kept in step with a model: servers through its runtime socket, everything else by a hitless reload."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from discovery.balancer.certificates import BARE, Keyring
from discovery.balancer.haproxy_text import BASE, Settings, changes, haproxy_text, line_name
from discovery.balancer.lines import Line, Lines, LineState, allotted, emptied
from discovery.balancer.model import Model
from discovery.balancer.process import BalancerRefused, Process

ANSWER_SECONDS = 5.0
START_SECONDS = 15.0
STOP_SECONDS = 10.0
AT_ONCE = 40
"""Limit on commands in one line to the socket, which accepts 16 KiB."""
REFUSED_AGAIN_SECONDS = 30.0
"""A configuration that was refused is tried again after so long: its cause may be a file that has been mended."""

log = logging.getLogger("discovery.balancer")


class Haproxy:
    """An HAProxy of our own in `directory`, which is made. `base` is the user's first part of the configuration, "" for
    ours. One that an earlier process of ours left is taken over as it runs."""

    def __init__(self, directory: Path, settings: Settings, base: str, drain_seconds: float, program: str) -> None:
        self._settings = settings
        self._drain_seconds = drain_seconds
        self._directory = directory
        self._base = Path(base) if base else directory / "base.cfg"
        self._config = directory / "haproxy.cfg"
        self._program = program
        directory.mkdir(parents=True, exist_ok=True)
        if not base:
            self._base.write_text(BASE)
        self._master = str(directory / "master.sock")
        command = [program, "-W", "-S", f"{self._master},mode,600", "-f", str(self._base), "-f", str(self._config)]
        self._process = Process(command, directory)
        self._lines: Lines = {}
        self._said: Lines = {}
        self._structure = ""
        self._refused = ""
        self._why = ""
        self._again_at = 0.0
        self.is_in_step = False

    def bring(self, model: Model, keyring: Keyring = BARE) -> None:
        """Makes HAProxy serve the model, with these certificates. A refusal is logged once, and what it served before
        stays."""
        lines = allotted(self._lines, model, time.monotonic(), self._busy(), self._drain_seconds)
        structure = haproxy_text(model, emptied(lines), self._settings, keyring)
        is_running = self._process.is_running
        if is_running and structure == self._structure and self.is_in_step:
            self._say(lines)
            return
        if structure != self._refused or time.monotonic() > self._again_at:
            self._load_or_tell(haproxy_text(model, lines, self._settings, keyring), structure)
        if structure == self._refused:
            # What runs is another configuration: those of its backends that are in this one, too, are kept in step.
            same = {name: each for name, each in lines.items() if len(each) == len(self._said.get(name, ()))}
            self._say({**self._said, **same})
            return
        self._structure = structure
        # The reload has said it all but what is not in the text: that a server drains.
        self._lines = self._said = lines
        draining = [
            f"set server {name}/{line_name(index)} state drain"
            for name, each in lines.items()
            for index, line in enumerate(each)
            if line.state is LineState.DRAINING
        ]
        self.is_in_step = self._tell(draining)
        ports = ", ".join(str(frontend.listen) for frontend in model.frontends) or "none yet"
        servers = sum(len(each.servers) for each in model.backends)
        log.info("serving %d backends with %d servers on ports: %s", len(model.backends), servers, ports)

    def end(self) -> None:
        """Ends HAProxy once it has finished what it is at, for a while."""
        self._process.end(signal.SIGUSR1, STOP_SECONDS)

    # ---- the configuration ----------------------------------------------------------

    def _load_or_tell(self, text: str, structure: str) -> None:
        """Makes HAProxy load a configuration, or logs once why it does not."""
        try:
            self._load(text)
        except BalancerRefused as refused:
            if self._why != str(refused):
                stays = ", and the last good one stays" if self._process.is_running else ", and serves nothing"
                log.error("HAProxy refuses the configuration%s: %s", stays, refused)
            self._refused, self._why, self._again_at = structure, str(refused), time.monotonic() + REFUSED_AGAIN_SECONDS
        else:
            self._refused, self._why = "", ""

    def _load(self, text: str) -> None:
        """Has HAProxy take a configuration over. Raises BalancerRefused; then the last good one is in its place."""
        tried = self._directory / "haproxy.new.cfg"
        tried.write_text(text)
        command = [self._program, "-c", "-f", str(self._base), "-f", str(tried)]
        try:
            checked = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise BalancerRefused(f"{self._program} cannot be started ({error}); install it") from None
        if checked.returncode:
            raise BalancerRefused(_first_alert(checked.stderr, tried))
        good = self._config.read_text() if self._config.exists() else ""
        tried.replace(self._config)
        if not self._process.is_running:
            self._process.start()
            self._wait_for_another("")
            return
        before = self._worker()
        self._reload()
        try:
            self._wait_for_another(before)
        except BalancerRefused:
            # The last worker serves on, but its master waits for a configuration that works.
            self._config.replace(tried)
            self._config.write_text(good)
            self._reload()
            self.is_in_step = False
            raise

    def _reload(self) -> None:
        """Restarts the master. Raises BalancerRefused if it does not listen. By its socket, because a master that is
        already restarting loses a signal."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                    connection.settimeout(ANSWER_SECONDS)
                    connection.connect(self._master)
                    connection.sendall(b"reload\n")
                    connection.recv(1)  # It ends the connection as it begins; from 2.7 on once it is done.
                return
            except TimeoutError:
                return
            except OSError as error:
                if not self._process.is_running or time.monotonic() > deadline:
                    raise BalancerRefused(f"its master does not listen on {self._master} ({error})") from None
            time.sleep(0.05)

    def _wait_for_another(self, before: str) -> None:
        """Until another worker than before answers. Raises BalancerRefused if none does."""
        deadline = time.monotonic() + START_SECONDS
        while (now := self._worker()) in ("", before):
            if not self._process.is_running:
                raise BalancerRefused(f"it ended as it started ({self._process.said()})")
            if time.monotonic() > deadline:
                raise BalancerRefused(f"no new worker came to life within {START_SECONDS:g} s; its own words are above")
            time.sleep(0.02 if now == "" else 0.05)

    def _worker(self) -> str:
        """The pid of the worker that answers on the socket; "" for none."""
        with contextlib.suppress(OSError):
            for line in self._ask("show info").splitlines():
                if line.startswith("Pid: "):
                    return line.removeprefix("Pid: ")
        return ""

    # ---- the runtime socket ---------------------------------------------------------

    def _say(self, lines: Lines) -> None:
        """Makes the lines of the running HAProxy what they shall be."""
        # Who comes is there before anybody goes.
        coming: list[str] = []
        going: list[str] = []
        for name, each in lines.items():
            for index, (before, after) in enumerate(zip(self._said[name], each, strict=True)):
                if before != after:
                    words = coming if after.state is LineState.READY else going
                    words += changes(name, index, before, after)
                    _tell_user(name, before, after)
        self._lines, words = lines, coming + going
        if words:
            self.is_in_step = self._tell(words)
            self._said = lines

    def _tell(self, words: Sequence[str]) -> bool:
        """Whether HAProxy did all of this; a failure is logged, and the next reload mends it."""
        try:
            answers = [self._ask("; ".join(words[at : at + AT_ONCE])) for at in range(0, len(words), AT_ONCE)]
        except OSError as error:
            log.warning("HAProxy does not answer on %s (%s): it is given all anew", self._settings.socket, error)
            return False
        strange = [line for answer in answers for line in answer.splitlines() if line and not _is_good(line)]
        if strange:
            log.warning("HAProxy did not do all it was told, and is given all anew: %s", strange[0])
        return not strange

    def _ask(self, words: str) -> str:
        """The answer to words that are said to the socket. Raises OSError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(self._settings.socket)
            connection.sendall(words.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            return answer.decode(errors="replace")

    def _busy(self) -> frozenset[tuple[str, int]]:
        """The draining lines that are at something still; all of them where HAProxy does not say."""
        draining = {
            (name, line_name(index)): (name, index)
            for name, each in self._lines.items()
            for index, line in enumerate(each)
            if line.state is LineState.DRAINING
        }
        if not draining:
            return frozenset()
        try:
            rows = [row.split(",") for row in self._ask("show stat -1 4 -1").splitlines()]
        except OSError:
            return frozenset(draining.values())
        idle = {(row[0], row[1]) for row in rows if len(row) > _SESSIONS and row[_SESSIONS] == "0"}
        return frozenset(place for name, place in draining.items() if name not in idle)


_SESSIONS = 4
"""The column of `show stat` that has the sessions of now."""


def _is_good(line: str) -> bool:
    """Whether a line of an answer to `set server` says that it was done."""
    return "changed from" in line or "no need to change" in line or "updated" in line


def _first_alert(said: str, tried: Path) -> str:
    """The line of HAProxy's complaint that names the cause."""
    lines = [line.partition(" : ")[2] for line in said.splitlines() if "[ALERT]" in line]
    return f"{lines[0] if lines else said.strip()[:500] or 'it does not say why'} (the file is {tried})"


def _tell_user(name: str, before: Line, after: Line) -> None:
    if after.state is LineState.READY:
        log.info("%s: %s serves", name, after.server)
    elif after.state is LineState.DRAINING:
        log.info("%s: %s drains", name, after.server)
    else:
        log.info("%s: %s has left", name, before.server)
