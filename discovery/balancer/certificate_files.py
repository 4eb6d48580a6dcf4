"""The directory of certificates that another program renews: watched, checked, and copied for the balancer."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from discovery.balancer.certificates import BARE, Certificate, Keyring, certificate_of, file_name

LOOK_SECONDS = 1.0
"""How often it is looked; what has changed is taken once it has stayed as it is from one look to the next, so that a
certificate whose key is still being written is not."""
SOON_DAYS = 14
"""Days before its end from which a certificate is warned of."""
DAY_SECONDS = 86400

log = logging.getLogger("discovery.balancer")
_Look = tuple[tuple[str, int, int, int], ...]


class CertificateFiles:
    """The certificates of `source`: *.pem, each with its key, and directories with fullchain.pem and privkey.pem, as
    certbot leaves them. None has none.

    Those that are good are copied to a directory of their own below `copies`, which is made and is for us alone: a
    balancer that is reloaded, or started again, reads nothing that has not been looked at, and the last good one of
    each name is there when its successor is not. `config` is the balancer's configuration: copies that it names stay.
    """

    def __init__(self, source: Path | None, copies: Path, config: Path, clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self._copies = copies
        self._config = config
        self._clock = clock
        self._good = self._copied()
        self._keyring = BARE
        self._look_at = 0.0
        self._seen: _Look | None = None
        self._taken: _Look | None = None
        self._told: dict[str, str] = {}
        self._days: dict[str, tuple[float, int]] = {}

    def keyring(self) -> Keyring:
        """The keyring to serve now, with readable paths. A refused certificate is logged once."""
        if self._source is None or time.monotonic() < self._look_at:
            return self._keyring
        self._look_at = time.monotonic() + LOOK_SECONDS
        look = _look(self._source)
        if look != self._taken and (look == self._seen or self._taken is None):
            keyring = self.read()
            try:
                self._copy(keyring)
                self._keyring, self._taken = keyring, look
            except OSError as error:
                self._tell("", f"certificates cannot be copied, and stay as they were: {error}")
        self._seen = look
        self._remove_copies()
        self._tell_of_ends()
        return self._keyring

    def read(self) -> Keyring:
        """The keyring to serve; nothing is copied."""
        if self._source is None:
            return BARE
        good: dict[str, Certificate] = {}
        problems: dict[str, str] = {}
        try:
            files, empty = _files(self._source), f"there is no certificate in {self._source}"
        except OSError as error:
            files, empty = {}, f"{self._source} cannot be read ({error.strerror})"
        for name, paths in files.items():
            last = self._good.get(name)
            try:
                good[name] = _read(name, paths, last, self._clock())
            except (OSError, ValueError) as error:
                path, why = (error.filename, error.strerror) if isinstance(error, OSError) else (paths[0], error)
                stays = ", and the last good one stays" if last else ""
                problems[name] = f"{path} is refused{stays}: {why}"
                if last:
                    good[name] = last
        if not good:
            stays = "those of before stay" if self._good else "routes with TLS wait for one"
            problems[""] = f"{empty}: {stays}"
            good = self._good
        self._tell_of(good, problems)
        self._good = good
        certificates = tuple(good[name] for name in sorted(good))
        return Keyring(directory=str(self._copies / _digest(certificates)), certificates=certificates)

    # ---- the copies -----------------------------------------------------------------

    def _copy(self, keyring: Keyring) -> None:
        """Raises OSError; then nothing has changed."""
        directory = Path(keyring.directory)
        if directory.exists():
            return
        self._copies.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = directory.with_suffix(".new")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        for index, each in enumerate(keyring.certificates):
            path = half / file_name(index, each)
            path.touch(mode=0o600)
            path.write_bytes(each.pem)
        half.rename(directory)

    def _copied(self) -> dict[str, Certificate]:
        """The certificates that an earlier process of ours had copied for the running balancer."""
        found: dict[str, Certificate] = {}
        for path in sorted(each for directory in self._kept() for each in directory.glob("*.pem")):
            with contextlib.suppress(OSError, ValueError):
                name = path.name.partition("-")[2]
                found[name] = certificate_of(name, path.read_bytes())
        return found

    def _kept(self) -> list[Path]:
        """The directories of copies that the balancer's configuration names."""
        with contextlib.suppress(OSError):
            text = self._config.read_text()
            return [each for each in self._copies.iterdir() if str(each) in text]
        return []

    def _remove_copies(self) -> None:
        """Those that are of no use any more: keys lie nowhere longer than they must."""
        with contextlib.suppress(OSError):
            others = [each for each in self._copies.iterdir() if str(each) != self._keyring.directory]
            kept = self._kept() if others else []
            for each in others:
                if each not in kept:
                    shutil.rmtree(each)

    # ---- what users are told --------------------------------------------------------

    def _tell_of(self, good: Mapping[str, Certificate], problems: Mapping[str, str]) -> None:
        served = {each.name: each for each in self._keyring.certificates}
        for name, certificate in good.items():
            if served.get(name) != certificate:
                hosts = ", ".join(certificate.hosts) or "no host"
                log.info("certificate %s: for %s, until %s", name, hosts, _date(certificate.ends))
        for name in served.keys() - good.keys():
            log.info("certificate %s has been taken away", name)
        for name, problem in problems.items():
            self._tell(name, problem)
        self._told = dict(problems)

    def _tell(self, name: str, problem: str) -> None:
        if self._told.get(name) != problem:
            log.error("%s", problem)
        self._told[name] = problem

    def _tell_of_ends(self) -> None:
        """A line a day for each certificate that has expired, or soon will."""
        now = self._clock()
        for each in self._keyring.certificates:
            days = int((each.ends - now) // DAY_SECONDS)
            if days < SOON_DAYS and self._days.get(each.name) != (each.ends, days):
                self._days[each.name] = (each.ends, days)
                words = "expires" if each.ends > now else "has expired"
                log.warning("certificate %s %s on %s: renew it", each.name, words, _date(each.ends))


def _files(source: Path) -> dict[str, tuple[Path, ...]]:
    """The files of each certificate by its name. Raises OSError where the directory cannot be read."""
    found: dict[str, tuple[Path, ...]] = {}
    for each in sorted(source.iterdir()):
        if each.name.startswith("."):
            continue
        if os.path.lexists(each / "fullchain.pem"):
            found[f"{each.name}.pem"] = (each / "fullchain.pem", each / "privkey.pem")
        elif each.suffix == ".pem":
            found[each.name] = (each,)
    return found


def _look(source: Path) -> _Look:
    """The values that differ once a file has been replaced."""
    looks: list[tuple[str, int, int, int]] = []
    try:
        files = _files(source)
    except OSError as error:
        return ((str(error), 0, 0, 0),)
    for path in (path for paths in files.values() for path in paths):
        try:
            stat = path.stat()
            looks.append((str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns))
        except OSError:
            looks.append((str(path), 0, 0, 0))
    return tuple(looks)


def _read(name: str, paths: tuple[Path, ...], last: Certificate | None, now: float) -> Certificate:
    """Raises OSError, or ValueError in words for the user."""
    certificate = certificate_of(name, b"\n".join(path.read_bytes() for path in paths))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(paths[0], paths[-1])
    except ssl.SSLError as error:
        # As the balancer would, which then takes none of the others either: a key that is too small, for instance.
        raise ValueError(f"OpenSSL does not take it: {str(error.reason).lower().replace('_', ' ')}") from None
    if certificate.ends <= now and last is not None and last.ends > now:
        raise ValueError(f"it has expired, on {_date(certificate.ends)}, and the last one has not")
    return certificate


def _digest(certificates: tuple[Certificate, ...]) -> str:
    """Equal for equal files under equal names: a configuration changes when a certificate does."""
    digest = hashlib.sha256()
    for each in certificates:
        digest.update(f"{each.name} {len(each.pem)}\n".encode() + each.pem)
    return digest.hexdigest()[:16]


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
