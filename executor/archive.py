"""The executor as one file: an archive that a plain python3 runs, made of what is installed here.

It holds only Python: sources for every Python that they support, and beside them what the Python that makes the archive
has compiled, which saves an agent with the same Python three quarters of the executor's start. The same sources and the
same Python give the same bytes, so that the archive's hash is its version.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import marshal
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

NAME = "framework-executor.pyz"
MOST_KEPT = 40
"""Limit on archives that are kept, newest first."""
UNCHECKED = 1
"""The flag of a .pyc that names its source by hash, the hash not being checked."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive: the first that zip knows."""
OURS = ("discovery", "executor")
LIGHT_SPECS = (
    *("__init__", "addresses", "confined", "foreign_json", "ids", "messages", "permanence", "plain_text"),
    *(
        "records_pb2",
        "states",
        "urls",
        "model/__init__",
        "model/autoscale",
        "model/canonical",
        "model/constraints",
        "model/operators",
    ),
    *("model/declared", "model/in_place", "model/resources", "model/routes", "model/stack", "model/update"),
)
LIBRARIES = (
    "addict",
    "docker",
    "google.protobuf",
    "h11",
    "http_parser",
    "idna",
    "jinja2",
    "kazoo",
    "markupsafe",
    "pymesos",
    "requests",
    "six",
    "urllib3",
)
NOT_FOR_AGENTS = (
    "executor/archive.py",
    "discovery/balancer/",
    "discovery/dns/",
    "kazoo/handlers/eventlet.py",
    "kazoo/handlers/gevent.py",
    "kazoo/testing/",
    "pymesos/subprocess/",
    "urllib3/contrib/emscripten/",
    "google/protobuf/compiler/",
)
# requests asks for the certificates' file when it is imported, and certifi would unpack its own from the archive each
# time: the agent's own are meant, and only for an engine that is reached by TLS.
CERTIFI = b'''\
"""Where this machine keeps the certificates it trusts."""


def where():
    return "/etc/ssl/certs/ca-certificates.crt"
'''
MAIN = '''\
"""Starts the executor. This file alone must be readable by any Python."""
import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "framework-executor: wanted python3 3.11 or newer on the agent, got %s (%s): "
        "install one there as python3\\n"
        % (sys.version.split()[0], sys.executable)
    )
    sys.exit(1)

import os
import warnings

os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"
# Text is never guessed here: what guesses encodings stays out, installed on the agent or not. requests warns of it.
warnings.filterwarnings("ignore", module="requests")
sys.modules["charset_normalizer"] = sys.modules["chardet"] = None
if not os.environ.get("DOCKER_TLS_VERIFY"):
    # OpenSSL would be 8 MB in every executor, for an engine that is reached by a local socket.
    sys.modules["ssl"] = sys.modules["_hashlib"] = None

from executor.__main__ import main

main()
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveInfo:
    """An executor archive: where it is, its SHA-256 in hexadecimal digits, its size in bytes."""

    path: Path
    sha256: str
    size: int


def build_archive(path: Path) -> ArchiveInfo:
    """Writes the archive, an executable file; leaves it alone where it is the same already.

    Raises OSError where it cannot be written, RuntimeError where something that belongs in it is not installed.
    """
    return _write(path, archive_bytes())


def keep_archive(directory: Path) -> ArchiveInfo:
    """Writes the archive below its own hash, where no other release replaces it while a scheduler serves it.

    The newest 40 are kept. Raises as `build_archive` does.
    """
    data = archive_bytes()
    info = _write(directory / hashlib.sha256(data).hexdigest() / NAME, data)
    os.utime(info.path.parent)
    for old in sorted(directory.iterdir(), key=_used_at, reverse=True)[MOST_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return info


def _used_at(path: Path) -> float:
    """When a scheduler last began to serve it, in seconds since 1970; 0 if another process removes it now."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _write(path: Path, data: bytes) -> ArchiveInfo:
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).chmod(0o755)
        Path(name).replace(path)
    return ArchiveInfo(path=path, sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def archive_bytes() -> bytes:
    """The archive; the same for the same sources."""
    sources = dict(_all_files())
    files = {name.with_suffix(".pyc"): _compiled(name, content) for name, content in sources.items()} | sources
    files[PurePosixPath("__main__.py")] = MAIN.encode()
    buffer = io.BytesIO()
    buffer.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(str(name), EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _all_files() -> Iterator[tuple[PurePosixPath, bytes]]:
    for module in (*OURS, *LIBRARIES):
        yield from _files(module)
    specs = _one("specs").parent
    for name in LIGHT_SPECS:
        yield PurePosixPath(f"specs/{name}.py"), (specs / f"{name}.py").read_bytes()
    # A namespace package has no file of its own, and without one an archive's is not found.
    yield PurePosixPath("google", "__init__.py"), b""
    yield PurePosixPath("certifi", "__init__.py"), CERTIFI


def _files(module: str) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The sources of a module or package as they are to lie in the archive."""
    origin = _one(module)
    place = PurePosixPath(*module.split("."))
    if origin.name != "__init__.py":
        yield place.with_suffix(".py"), origin.read_bytes()
        return
    for path in sorted(origin.parent.rglob("*.py")):
        name = place / path.relative_to(origin.parent).as_posix()
        parts = name.parts
        if not str(name).startswith(NOT_FOR_AGENTS) and not {"tests", "__pycache__"} & set(parts):
            yield name, path.read_bytes()


def _compiled(name: PurePosixPath, source: bytes) -> bytes:
    """A module as this Python runs it, without docstrings, in the form of a .pyc that is not compared to its source."""
    code = compile(source, str(name), "exec", dont_inherit=True, optimize=2)
    # Version 2 of marshal has no references, which depend on what else the interpreter happens to hold.
    return importlib.util.MAGIC_NUMBER + UNCHECKED.to_bytes(4, "little") + bytes(8) + marshal.dumps(code, 2)


def _one(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise RuntimeError(
            f"the executor's archive: wanted the module {module}, got nothing of that name with sources;"
            " install the framework again (pip install .)"
        )
    return Path(spec.origin)
