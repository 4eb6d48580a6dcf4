"""The tour of `make demo`: a cluster, the example stack on it, and its tasks.

It uses the command line as a user would, and shows each command as it runs it.
"""

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

import specs
from framework.local import paths
from framework.local.cluster import Cluster
from framework.local.errors import LocalError
from framework.local.waiting import wait_for

STACK = Path(specs.__file__).parent / "examples" / "shop.yml"
ANSWER_SECONDS = 30.0
OTHER = "other"
KILLED = "shop/auth"
NAMED = ("--dns", "--balancer")
"""Options whose programs listen at ports that only root can use."""


def run(cluster: Cluster) -> None:
    """Takes the tour on the cluster, starting it if it is not up; raises LocalError where the tour cannot go on."""
    at = [] if cluster.directory == paths.default_directory() else ["--dir", str(cluster.directory)]
    stack = os.path.relpath(STACK) if STACK.is_relative_to(Path.cwd()) else str(STACK)

    step(["local", "up", *at, *NAMED], os.environ)
    # The tour must submit to this cluster alone, whatever cluster the user's environment names.
    environment = {**os.environ, "FRAMEWORK_URL": cluster.url}
    step(["local", "images"], environment)
    step(["submit", stack, "--wait"], environment)
    step(["ps"], environment)
    say("The balancer serves web, which knows auth and catalogue by their names only, as those know redis and pricing:")
    front = f"http://{cluster.shape.balancer_ip}/"
    show(front, "shop.example", "shop")
    say("The same file again, as another stack: each finds its own.")
    step(["submit", stack, "--name", OTHER, "--wait"], environment, SHOP=OTHER)
    show(front, "other.example", OTHER)
    say("A container is killed: nobody is sent there any more, and another one takes its place.")
    lose_one(environment)
    click.echo(further(cluster, stack, at))


def say(sentence: str) -> None:
    """Prints the next step of the tour."""
    click.echo(f"\n{sentence}")


def step(words: Sequence[str], environment: Mapping[str, str], **variables: str) -> None:
    """Shows and runs one command of ours; raises LocalError if it fails."""
    given = "".join(f"{name}={value} " for name, value in variables.items())
    click.echo(click.style(f"\n$ {given}framework {shlex.join(words)}", bold=True))
    code = subprocess.run(command(words), env={**environment, **variables}, check=False).returncode
    if code != 0:
        raise LocalError(f"`framework {shlex.join(words)}` ended with exit code {code}, so the demo stops here")


def output_of(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """The stdout of a `framework` command; raises LocalError if it does not end with 0."""
    done = subprocess.run(command(words), env=environment, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise LocalError(f"`framework {shlex.join(words)}` ended with exit code {done.returncode}")
    return done.stdout


def command(words: Sequence[str]) -> list[str]:
    """The `framework` command with these words, by the Python that runs this."""
    return [sys.executable, "-m", "framework.cli.main", *words]


def show(url: str, host: str, stack: str) -> None:
    """Fetches a page of the host, as curl would, once all that it asks is answered by tasks of the stack; shows it."""
    click.echo(click.style(f"\n$ curl -H 'Host: {host}' {url}", bold=True))

    def whole() -> str | None:
        page = fetched(url, host)
        return page if page is not None and "does not answer" not in page and f"from {stack}." in page else None

    click.echo(wait_for(whole, ANSWER_SECONDS, f"an answer of {host} at {url}").rstrip())


def fetched(url: str, host: str) -> str | None:
    """The text at the URL; None without an answer, or with an error."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers={"Host": host}), timeout=ANSWER_SECONDS) as response:
            return str(response.read().decode(errors="replace"))
    except OSError:
        return None


def lose_one(environment: Mapping[str, str]) -> None:
    """Kills a container, and waits until its endpoint is gone and another one is there."""

    def there() -> list[str]:
        found = json.loads(output_of(["endpoints", KILLED, "--json"], environment))["endpoints"]
        return [str(endpoint["id"]) for endpoint in found]

    before = there()
    words = ["docker", "kill", before[0]]
    click.echo(click.style(f"\n$ {shlex.join(words)}", bold=True))
    subprocess.run(words, check=False, stdout=subprocess.DEVNULL)
    killed_at = time.monotonic()
    wait_for(lambda: before[0] not in there(), ANSWER_SECONDS, f"the end of the endpoint of {before[0]}")
    click.echo(f"{before[0]} has no endpoint any more, {time.monotonic() - killed_at:.1f} s later")
    wait_for(lambda: len(there()) == len(before), ANSWER_SECONDS, f"another task in the place of {before[0]}")
    step(["endpoints", KILLED], environment)


def further(cluster: Cluster, stack: str, at: Sequence[str]) -> str:
    """Prints what to try next, and how to stop."""
    where = f" {shlex.join(at)}" if at else ""
    names = cluster.shape.dns
    to_try = {
        "framework ps": "what runs where",
        f"dig @{names} +short SRV _http._tcp.auth.shop.service.framework.internal": "where auth is reached",
        "framework top": "what it uses",
        "framework logs -f shop": "what all of them say",
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
