"""The requirements of a machine, the missing ones, and the one line that installs them."""

import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from framework.local.commands import SYSTEM_PATH, ZOOKEEPER_JAR
from framework.local.errors import LocalError


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A program or file that the machine must have; `packages` are the Debian packages with it, empty if there are
    none."""

    name: str
    reason: str
    packages: tuple[str, ...]
    is_there: Callable[[], bool]


def check(required: Sequence[Requirement]) -> None:
    """Raises LocalError with a line for each missing requirement and the line that installs it."""
    absent = missing(required)
    if absent:
        raise LocalError("\n".join([*(f"{each.name} is missing: {each.reason}" for each in absent), remedy(absent)]))


def missing(required: Sequence[Requirement]) -> list[Requirement]:
    """The requirements that are not met."""
    return [each for each in required if not each.is_there()]


def remedy(absent: Sequence[Requirement]) -> str:
    """The command that installs the missing packages, for a user to copy."""
    packages = sorted({package for each in absent for package in each.packages})
    if not packages:
        return "This cannot be installed: use another machine"
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends {' '.join(packages)}"


def _program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}") is not None


def _library(soname: str) -> Callable[[], bool]:
    def is_there() -> bool:
        ldconfig = shutil.which("ldconfig", path=SYSTEM_PATH)
        if ldconfig is None:
            return False
        return f"{soname} " in subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False).stdout

    return is_there


def _linked(soname: str, package: str) -> Requirement:
    return Requirement(name=soname, reason="Mesos is linked to it", packages=(package,), is_there=_library(soname))


PLATFORM = Requirement(
    name="Linux on x86-64",
    reason="Mesos 1.11.0 is published for nothing else",
    packages=(),
    is_there=lambda: (platform.system(), platform.machine()) == ("Linux", "x86_64"),
)

VENV = Requirement(
    name="Python's venv",
    reason="the project is installed into one",
    packages=("python3-venv",),
    is_there=lambda: importlib.util.find_spec("ensurepip") is not None,
)

PIP = Requirement(
    name="pip",
    reason="it fetches Mesos",
    packages=("python3-pip",),
    is_there=lambda: importlib.util.find_spec("pip") is not None,
)

DAEMONS = (
    Requirement(name="g++", reason="it builds Mesos' main()", packages=("g++",), is_there=_program("g++")),
    Requirement(
        name="nm", reason="it tells what Mesos' library needs", packages=("binutils",), is_there=_program("nm")
    ),
    Requirement(
        name="java", reason="ZooKeeper runs in it", packages=("default-jre-headless",), is_there=_program("java")
    ),
    Requirement(
        name=str(ZOOKEEPER_JAR),
        reason="it is ZooKeeper",
        packages=("libzookeeper-java",),
        is_there=ZOOKEEPER_JAR.exists,
    ),
    _linked("libsvn_delta-1.so.1", "libsvn1"),
    _linked("libsasl2.so.2", "libsasl2-2"),
    _linked("libapr-1.so.0", "libapr1"),
    _linked("libcurl.so.4", "libcurl4"),
)

CLUSTER = (PLATFORM, PIP, *DAEMONS)

ENGINE = (
    Requirement(
        name="dockerd", reason="containers run under it", packages=("docker.io",), is_there=_program("dockerd")
    ),
    Requirement(name="iptables", reason="dockerd needs it", packages=("iptables",), is_there=_program("iptables")),
)

IMAGES = (
    Requirement(
        name="apt-get", reason="images are made of Debian's packages", packages=(), is_there=_program("apt-get")
    ),
    Requirement(
        name="dpkg-deb", reason="images are made of Debian's packages", packages=(), is_there=_program("dpkg-deb")
    ),
)

BALANCERS = (
    Requirement(
        name="haproxy",
        reason="`framework balancer haproxy` runs it",
        packages=("haproxy",),
        is_there=_program("haproxy"),
    ),
    Requirement(
        name="nginx", reason="`framework balancer nginx` runs it", packages=("nginx",), is_there=_program("nginx")
    ),
    Requirement(
        name="wrk", reason="it asks, under load, for what they serve", packages=("wrk",), is_there=_program("wrk")
    ),
)

NETWORKS = (
    Requirement(name="ip", reason="tests give bridges addresses", packages=("iproute2",), is_there=_program("ip")),
    Requirement(
        name="unshare",
        reason="tests start engines in network namespaces of their own",
        packages=("util-linux",),
        is_there=_program("unshare"),
    ),
)
