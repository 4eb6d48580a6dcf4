"""Executors are found among the processes of this machine, and only they."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import specs.confined
from framework.local.cluster import Cluster
from tests.kit.executors import executors_of

MAIN = """\
import sys

from specs.confined import Confined

print(Confined("target").call("hello"), flush=True)
sys.stdin.read()
"""


def test_a_child_that_imports_from_the_archive_is_none(tmp_path: Path) -> None:
    """It has the archive in its command line, and the executor's sandbox as its directory."""
    sandbox = tmp_path / "agent1" / "work" / "sandbox"
    sandbox.mkdir(parents=True)
    with zipfile.ZipFile(sandbox / "framework-executor.pyz", "w") as archive:
        archive.write(Path(specs.confined.__file__), "specs/confined.py")
        archive.writestr("specs/__init__.py", "")
        archive.writestr("target.py", "def answer(request):\n    return request\n")
        archive.writestr("__main__.py", MAIN)
    command = [sys.executable, "framework-executor.pyz", "--idle", "5"]
    with subprocess.Popen(command, cwd=sandbox, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as executor:
        assert executor.stdin is not None and executor.stdout is not None
        assert executor.stdout.readline() == b"hello\n"
        found = executors_of(cast(Cluster, SimpleNamespace(directory=tmp_path)), "agent1")
        executor.stdin.close()
    assert found == [executor.pid]
