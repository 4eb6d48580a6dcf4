#!/usr/bin/env python3
"""Fetches a container's URIs into its sandbox, as Mesos' own mesos-fetcher does.

The agent names them in MESOS_FETCHER_INFO, a FetcherInfo in JSON.  Which of them go through the agent's cache
(CommandInfo.URI.cache) it says for each.
"""

import json
import os
import pwd
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

TAR_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
STALL_SECONDS = 60.0
HTTP_OK = 200
EXECUTABLE_MODE = 0o755
MODE_SHIFT = 16  # A zip archive keeps a file's mode in the upper half of its external attributes.

Json = dict[str, Any]


class FetchError(Exception):
    """A URI that cannot be fetched; the message says which and why."""


def download(uri: str, path: Path, info: Json) -> None:
    """Puts what the URI names, a file or an HTTP resource, at the path."""
    uri = uri.lstrip()
    scheme, colon, rest = uri.partition("://")
    if not colon or scheme == "file":
        shutil.copyfile(local_path(rest if colon else uri, info, absolute=bool(colon)), path)
    elif scheme in ("http", "https", "ftp", "ftps"):
        stall = float(info.get("stall_timeout", {}).get("nanoseconds", STALL_SECONDS * 1e9)) / 1e9
        with urllib.request.urlopen(uri, timeout=stall) as response, path.open("wb") as file:
            if scheme.startswith("http") and response.status != HTTP_OK:
                raise FetchError(f"{uri}: wanted HTTP status {HTTP_OK}, got {response.status}")
            shutil.copyfileobj(response, file)
    else:
        raise FetchError(f"{uri}: wanted http, https, ftp or file, got {scheme}: serve the file by one of those")


def local_path(name: str, info: Json, *, absolute: bool) -> Path:
    """The file that a file:// URI's rest (absolute) or a bare path means."""
    if absolute and name.startswith("localhost/"):
        name = name.removeprefix("localhost")
    if name.startswith("/"):
        return Path(name)
    if not info.get("frameworks_home"):
        raise FetchError(f"{name}: wanted an absolute path, since the agent has no --frameworks_home")
    return Path(info["frameworks_home"]) / name


def extract(source: Path, directory: Path) -> bool:
    """Unpacks an archive, known by its name; returns whether it is one."""
    name = source.name
    if name.endswith(TAR_SUFFIXES):
        subprocess.run(["tar", "-C", directory, "-xf", source], check=True)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(source) as archive:
            for member in archive.infolist():
                target = Path(archive.extract(member, directory))
                if mode := member.external_attr >> MODE_SHIFT & 0o777:
                    target.chmod(mode)
    elif name.endswith(".gz"):
        with (directory / name.removesuffix(".gz")).open("wb") as file:
            subprocess.run(["gunzip", "-d", "-c", source], check=True, stdout=file)
    else:
        return False
    return True


def fetch(item: Json, info: Json) -> None:
    """Brings one item of the FetcherInfo into the sandbox: through the cache or past it, extracted or as it is."""
    uri = item["uri"]
    sandbox = Path(info["sandbox_directory"])
    output = uri.get("output_file") or Path(urllib.parse.urlsplit(uri["value"]).path).name
    path = sandbox / output
    path.parent.mkdir(parents=True, exist_ok=True)

    action = item.get("action", "BYPASS_CACHE")
    source = path if action == "BYPASS_CACHE" else Path(info["cache_directory"]) / item["cache_filename"]
    if action == "BYPASS_CACHE" or (action == "DOWNLOAD_AND_CACHE" and not source.exists()):
        download(uri["value"], source, info)

    executable = bool(uri.get("executable", False))
    if not executable and uri.get("extract", True) and extract(source, sandbox):
        return
    if source != path:
        shutil.copyfile(source, path)
    if executable:
        path.chmod(EXECUTABLE_MODE)


def become(user: str) -> None:
    """Gives up root for the user whose sandbox it is."""
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def run(info: Json) -> None:
    """Fetches everything a FetcherInfo names."""
    items = info.get("items", [])
    cached = any(item.get("action", "BYPASS_CACHE") != "BYPASS_CACHE" for item in items)
    if cached and info.get("cache_directory"):
        Path(info["cache_directory"]).mkdir(parents=True, exist_ok=True)
        if info.get("user"):
            shutil.chown(info["cache_directory"], info["user"])
    if info.get("user") and os.geteuid() == 0:
        become(info["user"])
    for item in items:
        log(f"fetching {item['uri']['value']} ({item.get('action', 'BYPASS_CACHE')})")
        fetch(item, info)


def log(message: str) -> None:
    """Says a line in the sandbox's stderr."""
    sys.stderr.write(f"mesos-fetcher: {message}\n")
    sys.stderr.flush()


def main() -> int:
    """Fetches what the environment names; returns the exit code."""
    try:
        run(json.loads(os.environ["MESOS_FETCHER_INFO"]))
    except (FetchError, OSError, KeyError, ValueError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
        log(f"failed: {type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
