"""Debian packages, fetched with apt and unpacked beside the system, never installed."""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from framework.local.errors import LocalError
from framework.local.paths import cache_home


def fetch(package: str) -> Path:
    """The path of a package's .deb, out of the cache if it is there.

    Raises LocalError when apt cannot get it; as root the lists of packages are brought up to date first if need be.
    """
    directory = cache_home() / "packages" / package
    directory.mkdir(parents=True, exist_ok=True)
    if not (found := _debs(directory)):
        why = _download(package, directory)
        if why and os.geteuid() == 0:
            subprocess.run(["apt-get", "-qq", "update"], capture_output=True, check=False)
            why = _download(package, directory)
        if why or not (found := _debs(directory)):
            raise LocalError(f"the Debian package {package} cannot be fetched ({why}); try `apt-get update` as root")
    return found[-1]


def unpack(packages: Iterable[str], root: Path) -> list[Path]:
    """Unpacks packages below a directory; returns their .deb files."""
    debs = [fetch(package) for package in packages]
    for deb in debs:
        subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    return debs


def with_libraries(package: str) -> list[str]:
    """The package and the library packages it needs, directly or through others, in a stable order."""
    found: list[str] = []
    wanted = [package]
    while wanted:
        name = wanted.pop(0)
        if name not in found:
            found.append(name)
            wanted += [need for need in needs(fetch(name)) if need.startswith(("lib", "lua"))]
    return found


def needs(deb: Path) -> list[str]:
    """The packages that a .deb depends on, the first of each choice, without versions."""
    fields = subprocess.run(
        ["dpkg-deb", "-f", deb, "Pre-Depends", "Depends"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return parse_needs(fields)


def parse_needs(fields: str) -> list[str]:
    """The packages in the text of Depends fields such as "Depends: libc6 (>= 2.34), liblua5.1-0 | lua"."""
    choices = re.sub(r"(?m)^(Pre-)?Depends:", ",", fields).split(",")
    names = (re.match(r"[a-z0-9][a-z0-9+.-]*", choice.strip()) for choice in choices)
    return [name.group() for name in names if name]


def _debs(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.deb"))


def _download(package: str, directory: Path) -> str | None:
    """Downloads the .deb into the directory with apt; returns apt's last line if that failed."""
    # As root, apt would otherwise fetch as a user who cannot write into the cache, and complain.
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"apt-get ended with exit code {done.returncode}"])[-1]
