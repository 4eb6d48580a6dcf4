"""Installs Apache Mesos 1.11.0 into the cache directory, out of what the project published for Python 2.7.

That package's shared object holds all of libmesos: master, agent and containerizer.  This downloads it through
pip's configured index, makes stand-ins for the old libraries that it was linked to, and builds mesos.cpp, which
is the daemons' main().
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from framework.local.errors import LocalError
from framework.local.paths import cache_home
from framework.local.stubs import make_stubs

HERE = Path(__file__).resolve().parent
SHA256 = "4940ebb70894ee004cf8a12b7b66b52a351be1070ec2a4e6f7dae4ec04f8cb61"
MEMBER = "mesos/scheduler/_scheduler.so"
LIBRARY = "libmesos-1.11.0.so"
PROGRAMS = ("mesos-master", "mesos-agent", "mesos-containerizer")
SCRIPTS = {"mesos-fetcher": "programs/fetcher.py", "mesos-executor": "programs/command_executor.py"}
SOURCES = ("install.py", "stubs.py", "mesos.cpp", *SCRIPTS.values())

SETUPTOOLS = "setuptools==79.0.1 --hash=sha256:e147c0549f27767ba362f9da434eab9c5dc0045d5304feb602a0af001089fc51"
"""The last release that knows eggs."""

# pip has no notion of eggs, and setuptools forgot them in version 80.  The index is pip's if it has one
# configured, else setuptools' default.
DOWNLOAD = """
import os, subprocess, sys, warnings
warnings.simplefilter("ignore")
from pkg_resources import Requirement
from setuptools.package_index import PackageIndex

url = os.environ.get("PIP_INDEX_URL") or subprocess.run(
    [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
).stdout.strip()
index = PackageIndex(*[url] if url else [], platform="linux-x86_64", python="2.7")
egg = index.fetch_distribution(
    Requirement.parse("mesos.scheduler==1.11.0"), sys.argv[1], develop_ok=False, source=False
)
print(egg.location)
"""


def mesos_home() -> Path:
    """The directory in which Mesos' programs are, or will be."""
    return cache_home() / "mesos-1.11.0"


def is_installed() -> bool:
    """Whether Mesos is there, built from the sources of this version."""
    stamp = mesos_home() / "installed"
    return stamp.exists() and stamp.read_text() == _state()


def install() -> Path:
    """Installs what is missing or out of date; returns the directory.

    Raises LocalError when the download or the build fails.  Two callers at once wait for each other.
    """
    home = mesos_home()
    if is_installed():
        return home
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed():
            _obtain(home)
            _build(home)
            (home / "installed").write_text(_state())
    return home


def _state() -> str:
    return hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES)).hexdigest()


def _obtain(home: Path) -> None:
    """Puts the library into the home."""
    if (home / LIBRARY).exists():
        return
    partial = home / (LIBRARY + ".partial")
    with tempfile.TemporaryDirectory() as temporary:
        egg = _download(Path(temporary))
        with zipfile.ZipFile(egg) as archive, archive.open(MEMBER) as source, partial.open("wb") as target:
            shutil.copyfileobj(source, target)
    partial.rename(home / LIBRARY)


def _download(directory: Path) -> Path:
    """Returns the path of the egg, fetched as easy_install would."""
    old = directory / "setuptools"
    wanted = directory / "setuptools.lock"
    wanted.write_text(SETUPTOOLS, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--no-warn-conflicts"]
    _run("pip's download of setuptools", [*pip, "--require-hashes", "--target", str(old), "-r", str(wanted)])
    output = _run("the download of Mesos 1.11.0", [sys.executable, "-c", DOWNLOAD, str(directory)], PYTHONPATH=str(old))
    egg = Path(output.split()[-1])
    actual = hashlib.sha256(egg.read_bytes()).hexdigest()
    if actual != SHA256:
        raise LocalError(f"{egg.name}: wanted sha256 {SHA256}, got {actual}: the package index gave something else")
    return egg


def _build(home: Path) -> None:
    for tool in ("gcc", "g++", "nm"):
        if shutil.which(tool) is None:
            raise LocalError(f"{tool} is not there, and building Mesos needs it: apt-get install -y g++ binutils")
    make_stubs(home, home / LIBRARY)
    # An RPATH (rather than a RUNPATH) holds for the libraries' libraries too, so that no LD_LIBRARY_PATH is
    # needed, which executors would inherit.
    compiler = ["g++", "-std=c++17", "-O2", "-Wall", "-fPIC", "-o", str(home / "mesos.new"), str(HERE / "mesos.cpp")]
    libraries = [f"-L{home}", f"-l:{LIBRARY}", "-Wl,--no-as-needed", "-l:libpython-stub.so"]
    linker = ["-Wl,--disable-new-dtags,-rpath,$ORIGIN", "-Wl,--allow-shlib-undefined"]
    _run("the build of mesos.cpp", compiler + libraries + linker)
    (home / "mesos.new").rename(home / "mesos")
    for name in PROGRAMS:
        (home / f"{name}.new").unlink(missing_ok=True)
        (home / f"{name}.new").symlink_to("mesos")
        (home / f"{name}.new").rename(home / name)
    for name, source in SCRIPTS.items():
        shutil.copy(HERE / source, home / f"{name}.new")
        (home / f"{name}.new").chmod(0o755)
        (home / f"{name}.new").rename(home / name)
    _run("the first run of mesos-master", [str(home / "mesos-master"), "--help"])


def _run(what: str, command: list[str], **environment: str) -> str:
    """Runs a command; returns its standard output, or raises LocalError with the last it said."""
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise LocalError(f"{what} failed (exit code {done.returncode}). The last it said:\n{said}")
    return done.stdout
