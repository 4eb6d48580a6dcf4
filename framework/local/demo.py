"""The tour behind `make demo`: a cluster, the example stack on it, and what runs where.

It uses the command line as a user would, and shows each command as it runs it.
"""

import json
import os
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

import specs
from framework.local import paths
from framework.local.cluster import Cluster
from framework.local.errors import LocalError
from framework.local.waiting import wait_for

STACK = Path(specs.__file__).parent / "examples" / "shop.yml"
ANSWER_SECONDS = 30.0
SHOWN_LINES = 10
PREFERRED_SERVICE = "web"


def run(cluster: Cluster) -> None:
    """Takes the tour on the cluster, starting it if it is not up; raises LocalError where the tour cannot go on."""
    at = [] if cluster.directory == paths.default_directory() else ["--dir", str(cluster.directory)]
    stack = os.path.relpath(STACK) if STACK.is_relative_to(Path.cwd()) else str(STACK)

    step(["local", "up", *at], os.environ)
    # Whatever else the user works with, the tour submits to no other cluster than this.
    environment = {**os.environ, "FRAMEWORK_URL": cluster.url}
    step(["local", "images"], environment)
    step(["submit", stack, "--wait"], environment)
    step(["ps"], environment)
    show(next_to_try(json.loads(output_of(["ps", "--json"], environment))["tasks"]))
    click.echo(further(cluster, stack, at))


def step(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Shows and runs one command of ours; raises LocalError if it fails."""
    click.echo(click.style(f"\n$ framework {shlex.join(words)}", bold=True))
    code = subprocess.run(command(words), env=environment, check=False).returncode
    if code != 0:
        raise LocalError(f"`framework {shlex.join(words)}` ended with exit code {code}, so the demo stops here")


def output_of(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a `framework` command says on stdout; LocalError where it does not end with 0."""
    done = subprocess.run(command(words), env=environment, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise LocalError(f"`framework {shlex.join(words)}` ended with exit code {done.returncode}")
    return done.stdout


def command(words: Sequence[str]) -> list[str]:
    """The `framework` command with these words, by the Python that runs this."""
    return [sys.executable, "-m", "framework.cli.main", *words]


def next_to_try(tasks: Iterable[Mapping[str, Any]]) -> str:
    """The URL of an endpoint to look at, the web service's if there is one; `tasks` are those of `ps --json`."""
    offered = [task for task in tasks if task["endpoints"]]
    preferred = [task for task in offered if PREFERRED_SERVICE in str(task["group"])]
    if not offered:
        raise LocalError("no task has an endpoint, though all were to run: see `framework ps`")
    return f"http://{(preferred or offered)[0]['endpoints'][0]}/"


def show(url: str) -> None:
    """Fetches the URL, as curl would, and shows the beginning of what it answers."""
    click.echo(click.style(f"\n$ curl {url}", bold=True))
    text = wait_for(lambda: fetched(url), ANSWER_SECONDS, f"an answer of {url}")
    for line in text.splitlines()[:SHOWN_LINES]:
        click.echo(line)


def fetched(url: str) -> str | None:
    """The text at the URL, None where nothing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as response:
            return str(response.read().decode(errors="replace")) or "(an empty answer)"
    except OSError:
        return None


def further(cluster: Cluster, stack: str, at: Sequence[str]) -> str:
    """What to try next, and how to stop."""
    where = f" {shlex.join(at)}" if at else ""
    to_try = {
        "framework ps": "what runs where",
        "framework logs shop/redis -f": "what it says",
        "framework scale shop/web 4": "more of it",
        f"framework submit {stack}": "as the file says again; what did not change is not restarted",
        f"framework local kill agent2{where}": "and see what happens to its tasks",
        f"framework local start agent2{where}": "and it is back",
        f"framework local status{where}": "the daemons; `framework local logs NAME` for what they say",
    }
    width = max(map(len, to_try)) + 2
    return "\n".join(
        [
            "",
            f"It runs. Our page: {cluster.url}/ and Mesos' own state: http://{cluster.shape.master_ip(1)}:5050/state",
            "To look further (`. .venv/bin/activate` first, in a clone):",
            *([f"  export FRAMEWORK_URL={cluster.url}"] if at else []),
            *(f"  {command:<{width}}{purpose}" for command, purpose in to_try.items()),
            "To stop and remove all of it: make demo-down" + (f", or: framework local down --engine{where}"),
        ]
    )
