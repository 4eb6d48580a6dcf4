"""The file that holds a backup: a compressed tar archive, whose first member says what the others must be.

manifest.json   what was backed up, when, how much, and of each node its size and SHA-256
nodes/PATH      a node's bytes, as they are in ZooKeeper

A node that has others below it and no bytes of its own (/tasks, /versions/shop) is implied by them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from framework.adapters import nodes
from framework.adapters.checking import Report
from framework.core.model import Instant
from specs.foreign_json import parse_json

KIND = "mesos-framework-backup"
FORMAT = 1
"""The format that this program writes, and the newest that it reads."""
MANIFEST = "manifest.json"
NODES = "nodes"
MAX_MANIFEST_BYTES = 512 * 1024 * 1024
"""A bound for files that are not ours: that of a million nodes is a fifth of it."""
_LEVEL = 6
_CUT_OFF = (EOFError, tarfile.TarError, zlib.error, gzip.BadGzipFile)


class BackupFault(ValueError):
    """A file is no backup, or a damaged one, or cannot be written; the message says what and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The description of a backup, in the file itself: `root` is the path in ZooKeeper, `counts` are those of its
    Report."""

    root: str
    taken_at: Instant
    schema: int
    epoch: int
    framework_id: str
    next_serial: int
    counts: Mapping[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup, read and verified: the nodes by path below the root, those without bytes included."""

    manifest: Manifest
    nodes: Mapping[str, bytes]


def manifest_of(root: str, taken_at: Instant, report: Report) -> Manifest:
    """The description of a backup of these nodes."""
    return Manifest(
        root=root,
        taken_at=taken_at,
        schema=report.schema,
        epoch=report.epoch,
        framework_id=report.framework_id,
        next_serial=report.next_serial,
        counts=asdict(report.counts),
    )


def kept(found: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of the nodes below a root that a backup holds: all that a framework reads."""
    return {path: data for path, data in found.items() if nodes.is_ours(path)}


def write(file: Path, backup: Backup, *, may_replace: bool = False) -> int:
    """Writes a backup as a whole or not at all, readable by its owner only; returns its size in bytes.

    It is read back before it gets its name. Raises BackupFault.
    """
    if file.exists() and not may_replace:
        raise BackupFault(f"{file} is there already; name another file, or replace it with --force")
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        with _made(new) as stream:
            _pack(stream, backup)
        if _plain(read(new)) != _plain(backup):
            raise BackupFault(f"{file}: what was written reads back differently; check the disk")
        size = new.stat().st_size
        new.replace(file)
        _sync_directory(file.parent)
    except OSError as error:
        raise BackupFault(f"{file} cannot be written: {error.strerror or error}") from error
    finally:
        new.unlink(missing_ok=True)
    return size


def read(file: Path) -> Backup:
    """A backup with every byte verified. Raises BackupFault."""
    try:
        with gzip.open(file) as stream:
            return _unpack(file, stream)
    except _CUT_OFF as error:
        raise BackupFault(f"{file} is no backup, or is damaged: {error}") from error
    except OSError as error:
        raise BackupFault(f"{file} cannot be read: {error.strerror or error}") from error


# ---- writing -----------------------------------------------------------------------


@contextmanager
def _made(file: Path) -> Iterator[IO[bytes]]:
    """A new file that only its owner may read; on the disk once the context has ended."""
    descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def _pack(stream: IO[bytes], backup: Backup) -> None:
    manifest = _plain(backup)
    body = json.dumps(manifest, indent=1).encode()
    moment = int(backup.manifest.taken_at)
    # Without a name and a time in the head of the compressed form: equal backups are equal files.
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=_LEVEL, mtime=0) as folded,
        tarfile.open(fileobj=folded, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        _add(archive, MANIFEST, body, moment)
        for path in manifest["nodes"]:
            _add(archive, NODES + path, backup.nodes[path], moment)


def _add(archive: tarfile.TarFile, name: str, data: bytes, moment: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), moment, 0o600
    archive.addfile(member, io.BytesIO(data))


def _plain(backup: Backup) -> dict[str, Any]:
    """The manifest with what it says of the nodes, and its own SHA-256."""
    plain: dict[str, Any] = {"kind": KIND, "format": FORMAT, **asdict(backup.manifest)}
    plain["when"] = datetime.fromtimestamp(backup.manifest.taken_at, UTC).isoformat(timespec="seconds")
    implied = _implied(backup.nodes)
    plain["nodes"] = {
        path: {"bytes": len(data), "sha256": _digest(data)}
        for path, data in sorted(backup.nodes.items())
        if path not in implied
    }
    return {**plain, "sha256": _own_digest(plain)}


def _implied(found: Mapping[str, bytes]) -> dict[str, None]:
    """The nodes without bytes that a framework has anyway, or that others below them imply."""
    above = {path.rpartition("/")[0]: None for path in found}
    return {path: None for path in (*nodes.DIRECTORIES, *above) if not found.get(path)}


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---- reading -----------------------------------------------------------------------


def _unpack(file: Path, stream: gzip.GzipFile) -> Backup:
    # A stream, so that nothing of an archive is believed before what stands ahead of it was.
    found: dict[str, bytes] = {}
    wanted: dict[str, Any] = {}
    manifest: Manifest | None = None
    place = "at its beginning"
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if manifest is None:
                    manifest, wanted = _manifest(file, archive, member)
                    place = f"after {MANIFEST}"
                    continue
                path = _path_of(file, member, wanted)
                found[path] = _content(file, archive, member, path, wanted[path])
                place = f"after node {path}, the {len(found)}. of {len(wanted)}"
        while stream.read(1 << 20):  # to the end, where the sum over all of it is checked
            pass
    except _CUT_OFF as error:
        raise BackupFault(f"{file} is no backup, or is cut off or damaged {place}: {error}") from error
    if manifest is None:
        raise BackupFault(f"{file} is no backup: it is an archive of nothing")
    missing = [path for path in wanted if path not in found]
    if missing:
        raise BackupFault(
            f"{file} lacks {len(missing)} of the {len(wanted)} nodes of its manifest, such as {missing[0]}"
        )
    above = {path.rpartition("/")[0]: b"" for path in found if path.rpartition("/")[0]}
    directories = dict.fromkeys(nodes.DIRECTORIES, b"")
    return Backup(manifest=manifest, nodes={**directories, **above, **found})


def _manifest(file: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[Manifest, dict[str, Any]]:
    """The description in the first member of the archive."""
    other = f"{file} is no backup of a framework"
    if member.name != MANIFEST or not member.isfile() or member.size > MAX_MANIFEST_BYTES:
        raise BackupFault(f"{other}: wanted {MANIFEST} as its first member, got {member.name!r}")
    try:
        plain = parse_json(_data(archive, member))
        if plain["kind"] != KIND:
            raise BackupFault(f"{other}: its manifest is of kind {plain['kind']!r}, wanted {KIND!r}")
        if plain["format"] > FORMAT:
            raise BackupFault(
                f"{file} has format {plain['format']}, and this program knows formats up to {FORMAT}: restore it with a"
                " newer framework"
            )
        digest = plain.pop("sha256")
        if digest != _own_digest(plain):
            raise BackupFault(f"{file}: {MANIFEST} was edited: its own SHA-256 does not fit it")
        known = {name: plain[name] for name in Manifest.__dataclass_fields__}
        wanted = {str(path): (int(each["bytes"]), str(each["sha256"])) for path, each in plain["nodes"].items()}
    except BackupFault:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackupFault(
            f"{file}: {MANIFEST} is not as a framework writes it ({type(error).__name__}: {error})"
        ) from None
    return Manifest(**known), wanted


def _path_of(file: Path, member: tarfile.TarInfo, wanted: Mapping[str, Any]) -> str:
    path = member.name.removeprefix(NODES)
    if path == member.name or path not in wanted or not member.isfile():
        raise BackupFault(f"{file} was edited: it holds {member.name!r}, of which its manifest does not know")
    return path


def _content(
    file: Path, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, wanted: tuple[int, str]
) -> bytes:
    size, digest = wanted
    if member.size != size:
        raise BackupFault(f"{file} was edited: node {path} has {member.size:,} bytes, and had {size:,}")
    data = _data(archive, member)
    if _digest(data) != digest:
        raise BackupFault(
            f"{file} was edited or is damaged: node {path} is not what was backed up; its SHA-256 differs"
        )
    return data


def _data(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return stream.read() if stream else b""


def _own_digest(plain: Mapping[str, Any]) -> str:
    return _digest(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
