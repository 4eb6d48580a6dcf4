"""The command line as a user runs it, against a cluster of the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "specs" / "examples"


class Cli:
    """`framework …` as processes of their own, with FRAMEWORK_URL set."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, *words: str, seconds: float = 180, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end; its exit code must be `code`, unless that is None."""
        done = subprocess.run(
            [sys.executable, "-m", "framework.cli.main", *words],
            env={**os.environ, "FRAMEWORK_URL": self.url},
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        said = f"framework {' '.join(words)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert code is None or done.returncode == code, said
        assert "Traceback" not in done.stderr, said
        return done

    def json(self, *words: str) -> Any:
        """The output of a command with --json."""
        return json.loads(self.run(*words, "--json").stdout)

    def tasks(self, pattern: str = "*") -> list[dict[str, Any]]:
        """The living tasks that match, as `framework ps --json` shows them."""
        return list(self.json("ps", pattern)["tasks"])

    def ended(self, pattern: str) -> list[dict[str, Any]]:
        """The tasks that have ended and are still kept, newest first."""
        return [task for task in self.json("ps", pattern, "-a")["tasks"] if task["ended_at"]]


def eventually(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Waits until the condition is truthy and returns its value; fails with `what` after the time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


def containers(stack: str) -> list[str]:
    """The names of the containers of a stack, running or not, as Docker tells."""
    command = ["docker", "ps", "-a", "--filter", f"label=framework.stack={stack}", "--format", "{{.Names}}"]
    return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
