"""The programs a Mesos agent starts: the fetcher, and the command executor's pure parts."""

import gzip
import http.server
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framework.local.programs import command_executor, fetcher


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    (tmp_path / "sandbox").mkdir()
    return tmp_path / "sandbox"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory and the URL under which it is served."""
    (tmp_path / "www").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path / "www"))

        def log_message(self, *args: Any) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield tmp_path / "www", f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def info(sandbox: Path, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"sandbox_directory": str(sandbox), "items": list(items), **more}


def test_an_executable_is_fetched_over_http(served: tuple[Path, str], sandbox: Path) -> None:
    directory, url = served
    (directory / "executor.pyz").write_bytes(b"program")
    fetcher.run(info(sandbox, {"uri": {"value": f"{url}/executor.pyz?v=1", "executable": True}}))
    assert (sandbox / "executor.pyz").read_bytes() == b"program"
    assert (sandbox / "executor.pyz").stat().st_mode & 0o777 == 0o755


def test_a_file_is_taken_under_another_name(tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "data").write_text("x")
    uri = {"value": f"file://{tmp_path}/data", "output_file": "sub/name", "extract": False}
    fetcher.run(info(sandbox, {"uri": uri}))
    assert (sandbox / "sub/name").read_text() == "x"


def test_a_cached_item_is_downloaded_once(tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "data").write_text("old")
    item = {"uri": {"value": str(tmp_path / "data"), "cache": True}, "cache_filename": "c1-data"}
    cache = {"cache_directory": str(tmp_path / "cache")}
    fetcher.run(info(sandbox, {**item, "action": "DOWNLOAD_AND_CACHE"}, **cache))
    (tmp_path / "data").write_text("new")
    fetcher.run(info(sandbox, {**item, "action": "RETRIEVE_FROM_CACHE"}, **cache))
    assert (sandbox / "data").read_text() == "old"


def test_a_zip_archive_is_unpacked_with_its_modes(tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o755)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "run", "bin/run")
    fetcher.run(info(sandbox, {"uri": {"value": f"{tmp_path}/a.zip"}}))
    assert (sandbox / "bin/run").stat().st_mode & 0o777 == 0o755


def test_a_gz_file_is_unpacked(tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x"))
    fetcher.run(info(sandbox, {"uri": {"value": f"{tmp_path}/a.gz"}}))
    assert (sandbox / "a").read_bytes() == b"x"


def test_what_cannot_be_fetched_is_said(
    sandbox: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(fetcher.FetchError, match="wanted http, https, ftp or file, got hdfs"):
        fetcher.run(info(sandbox, {"uri": {"value": "hdfs://x/y"}}))
    with pytest.raises(fetcher.FetchError, match="wanted an absolute path"):
        fetcher.run(info(sandbox, {"uri": {"value": "y"}}))
    monkeypatch.setenv(
        "MESOS_FETCHER_INFO", '{"sandbox_directory": "/nowhere", "items": [{"uri": {"value": "/no/y"}}]}'
    )
    assert fetcher.main() == 1
    assert "mesos-fetcher: failed: " in capsys.readouterr().err


def test_the_tasks_environment_has_the_sandbox_and_no_other_word_of_mesos() -> None:
    executor = command_executor.CommandExecutor(
        {
            "MESOS_AGENT_ENDPOINT": "127.0.0.1:1",
            "MESOS_FRAMEWORK_ID": "f",
            "MESOS_EXECUTOR_ID": "e",
            "MESOS_SANDBOX": "/sandbox",
            "PATH": "/bin",
        }
    )
    command = {"environment": {"variables": [{"name": "A", "value": "b"}]}}
    assert executor.task_environment(command) == {"MESOS_SANDBOX": "/sandbox", "PATH": "/bin", "A": "b"}


@pytest.mark.parametrize(("text", "expected"), [("15mins", 900.0), ("500ms", 0.5), ("2secs", 2.0)])
def test_durations_as_mesos_writes_them(text: str, expected: float) -> None:
    assert command_executor.seconds(text) == expected
