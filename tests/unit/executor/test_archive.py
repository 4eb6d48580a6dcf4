"""The archive: the same bytes every time, and no more needed than a plain Python."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from executor import archive
from executor.archive import ArchiveInfo, build_archive, keep_archive

IMPORT_ALL = (
    archive.MAIN.partition("from executor.__main__")[0]
    + """
import ast
import importlib
import zipfile

sys.path.insert(0, sys.argv[1])
archive = zipfile.ZipFile(sys.argv[1])
for name in archive.namelist():
    if not name.endswith(".py") or not name.startswith(("discovery/", "executor/", "specs/")):
        continue
    module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    importlib.import_module(module)
    print(module)
    # What it imports when it is needed, in a function.
    for node in ast.walk(ast.parse(archive.read(name))):
        if isinstance(node, ast.Import):
            for each in node.names:
                importlib.import_module(each.name)
        elif isinstance(node, ast.ImportFrom):
            exec(ast.unparse(node))
"""
)
"""Imports every module of ours in the archive, and whatever each of them imports."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> ArchiveInfo:
    return build_archive(tmp_path_factory.mktemp("archive") / "deep" / archive.NAME)


def test_it_runs_with_nothing_else_installed(built: ArchiveInfo, tmp_path: Path) -> None:
    # -S leaves out site-packages, -I the user's and the environment's paths: what is left is the standard library.
    command = [sys.executable, "-I", "-S", str(built.path), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "framework-executor 0.1.0\n", "")


def test_every_module_of_ours_in_it_finds_all_that_it_imports(built: ArchiveInfo, tmp_path: Path) -> None:
    # As for an engine that is reached by TLS: else ssl is kept out, which no module of ours may want at once.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(built.path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"DOCKER_TLS_VERIFY": "1"},
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {"executor.loop", "discovery.backends.zookeeper", "specs.model.stack"} <= set(done.stdout.split())


def test_started_by_hand_it_says_what_it_is_for(built: ArchiveInfo, tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(built.path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={}, timeout=30, check=False)
    assert done.returncode == 2
    assert "wanted to be started by a Mesos agent, got no MESOS_AGENT_ENDPOINT" in done.stderr


def test_the_same_sources_give_the_same_bytes(built: ArchiveInfo) -> None:
    # Another hash seed orders sets otherwise, another process interns other strings.
    script = "import hashlib; from executor.archive import archive_bytes as b; print(hashlib.sha256(b()).hexdigest())"
    root = Path(archive.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=root,
        env={"PYTHONHASHSEED": "7"},
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == built.sha256 == hashlib.sha256(built.path.read_bytes()).hexdigest()
    assert built.size == built.path.stat().st_size
    assert built.path.stat().st_mode & 0o777 == 0o755


def test_an_archive_that_is_there_already_is_left_alone(built: ArchiveInfo) -> None:
    before = built.path.stat()
    assert build_archive(built.path) == built
    assert built.path.stat().st_mtime_ns == before.st_mtime_ns
    assert built.path.stat().st_ino == before.st_ino


def test_another_release_on_the_machine_takes_nobodys_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = keep_archive(tmp_path)
    assert keep_archive(tmp_path) == ours
    monkeypatch.setattr(archive, "archive_bytes", lambda: b"another release")
    theirs = keep_archive(tmp_path)
    assert theirs.path != ours.path
    assert hashlib.sha256(ours.path.read_bytes()).hexdigest() == ours.sha256


def test_archives_of_long_ago_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(archive.MOST_KEPT + 3):
        monkeypatch.setattr(archive, "archive_bytes", lambda number=number: b"release %d" % number)
        at = keep_archive(tmp_path).path.parent
        os.utime(at, (number, number))
    left = sorted(path.read_text() for path in tmp_path.glob(f"*/{archive.NAME}"))
    assert left == sorted(f"release {number}" for number in range(3, archive.MOST_KEPT + 3))


def test_it_holds_what_an_agent_needs_and_no_more(built: ArchiveInfo) -> None:
    names = zipfile.ZipFile(built.path).namelist()
    assert {name.partition("/")[0] for name in names} == {
        "__main__.py",
        "addict",
        "certifi",
        "discovery",
        "docker",
        "executor",
        "google",
        "h11",
        "http_parser",
        "idna",
        "jinja2",
        "kazoo",
        "markupsafe",
        "pymesos",
        "requests",
        "six.py",
        "six.pyc",
        "specs",
        "urllib3",
    }
    assert not [name for name in names if not name.endswith((".py", ".pyc"))]
    assert "specs/file/load.py" not in names


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LIBRARIES", ("no_such_library",))
    with pytest.raises(RuntimeError, match="wanted the module no_such_library"):
        archive.archive_bytes()


def test_a_python_that_is_too_old_is_told_so() -> None:
    # The lines before the imports are read by whatever python3 an agent has.
    head = archive.MAIN.partition("import os")[0]
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.version_info = (3, 6); " + "exec(" + repr(head) + ")"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("framework-executor: wanted python3 3.11 or newer on the agent, got ")
    assert done.stderr.count("\n") == 1


RENDER = """
import sys
sys.path.insert(0, sys.argv[1])
from discovery.templates.render_requests import Own
from executor.template_renderer import TemplateRenderer, TooMuch
from specs.ids import group_id
own = Own(group=group_id("shop", "web"), slot=3, environment={})
rendering = TemplateRenderer()
print(rendering.text("slot {{ slot }}", own, {}))
try:
    rendering.text("{{ 'x' * 1500000000 }}", own, {})
except TooMuch as fault:
    print(fault)
print(any(name in sys.modules for name in ("jinja2", "discovery.templates.render")))
"""


def test_templates_are_rendered_beside_it_out_of_the_archive(built: ArchiveInfo, tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", RENDER, str(built.path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={}, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("slot 3\nit takes more than 128 MiB of memory\nFalse\n", "")
