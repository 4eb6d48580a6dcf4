"""What a machine must have, what of it is missing, and the one line that mends it."""

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
    """Something that must be on the machine; `packages` are Debian's that bring it, none if none can."""

    name: str
    reason: str
    packages: tuple[str, ...]
    is_there: Callable[[], bool]


def check(required: Sequence[Requirement]) -> None:
    """Raises LocalError with a line for each that is missing and the line that mends it."""
    absent = missing(required)
    if absent:
        raise LocalError("\n".join([*(f"{each.name} is missing: {each.reason}" for each in absent), remedy(absent)]))


def missing(required: Sequence[Requirement]) -> list[Requirement]:
    return [each for each in required if not each.is_there()]


def remedy(absent: Sequence[Requirement]) -> str:
    """The command that installs what is absent, for a user to copy."""
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


PLATFORM = Requirement(
    name="Linux on x86-64",
    reason="Mesos 1.11.0 is published for nothing else",
    packages=(),
    is_there=lambda: (platform.system(), platform.machine()) == ("Linux", "x86_64"),
)

CLUSTER = (
    PLATFORM,
    Requirement(
        name="pip",
        reason="it fetches Mesos",
        packages=("python3-venv",),
        is_there=lambda: importlib.util.find_spec("pip") is not None,
    ),
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
        is_there=lambda: ZOOKEEPER_JAR.exists(),
    ),
    Requirement(
        name="libsvn_delta-1.so.1",
        reason="Mesos is linked to it",
        packages=("libsvn1",),
        is_there=_library("libsvn_delta-1.so.1"),
    ),
    Requirement(
        name="libsasl2.so.2",
        reason="Mesos is linked to it",
        packages=("libsasl2-2",),
        is_there=_library("libsasl2.so.2"),
    ),
    Requirement(
        name="libapr-1.so.0", reason="Mesos is linked to it", packages=("libapr1",), is_there=_library("libapr-1.so.0")
    ),
    Requirement(
        name="libcurl.so.4",
        reason="agents ask with it how large a file is",
        packages=("libcurl4",),
        is_there=_library("libcurl.so.4"),
    ),
)

ENGINE = (
    Requirement(
        name="dockerd", reason="containers run under it", packages=("docker.io",), is_there=_program("dockerd")
    ),
)

IMAGES = (
    Requirement(
        name="apt-get", reason="images are made of Debian's packages", packages=(), is_there=_program("apt-get")
    ),
    Requirement(
        name="dpkg-deb", reason="images are made of Debian's packages", packages=(), is_there=_program("dpkg-deb")
    ),
)
