"""The first step of `make`: installs the system's packages that are missing.

It runs before there is a virtual environment, and so on the standard library alone.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from framework.local import requirements
from framework.local.errors import LocalError
from framework.local.requirements import Requirement

NEEDED = (
    *(requirements.PLATFORM, requirements.VENV, *requirements.DAEMONS, *requirements.ENGINE, *requirements.IMAGES),
    *requirements.BALANCERS,
    *requirements.NETWORKS,
)
POLICY = Path("/usr/sbin/policy-rc.d")
"""The program that Debian's packages ask whether they may start their service (invoke-rc.d(8), deb-systemd-invoke)."""
NOT_STARTED = """\
#!/bin/sh
for word; do
  case "$word" in haproxy|haproxy.service|nginx|nginx.service) exit 101 ;; esac
done
exit 0
"""
"""A policy that starts no balancer: as a service it would take the machine's port 80."""


def prepare() -> None:
    """Installs missing packages, as root; raises LocalError, with the line to run, if it cannot."""
    absent = requirements.missing(NEEDED)
    packages = sorted({package for each in absent for package in each.packages})
    if not absent:
        return
    if os.geteuid() != 0 or not all(each.packages for each in absent):
        requirements.check(NEEDED)
    sys.stdout.write(f"Missing: {', '.join(each.name for each in absent)}. Installing {' '.join(packages)} ...\n")
    sys.stdout.flush()
    apt("update")
    with balancers_not_started():
        apt("install", "-y", "--no-install-recommends", *packages)
    still_missing(requirements.missing(NEEDED))


@contextlib.contextmanager
def balancers_not_started(policy: Path = POLICY) -> Iterator[None]:
    """Keeps Debian from starting a balancer at its installation; an existing policy of the machine stays."""
    if policy.exists():
        yield
        return
    policy.write_text(NOT_STARTED)
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def apt(*words: str) -> None:
    """Runs apt-get without questions; shows its output only if it fails."""
    command = ["apt-get", "-qq", *words]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise LocalError(f"`{' '.join(command)}` ended with exit code {done.returncode}:\n{done.stdout.strip()}")


def still_missing(absent: list[Requirement]) -> None:
    """Raises LocalError if a package is missing although it was just installed."""
    if absent:
        raise LocalError(
            f"installed, and yet missing: {', '.join(each.name for each in absent)}; see `apt-get -f install`"
        )


def main() -> int:
    """Installs missing packages; returns the exit code."""
    try:
        prepare()
    except LocalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
