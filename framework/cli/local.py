"""`framework local`: a real cluster on this machine, to try the product on."""

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from framework.local import doctor as examination
from framework.local import engine, paths
from framework.local import images as demo_images
from framework.local.cluster import Cluster
from framework.local.daemon import Daemon, tail
from framework.local.demo import run as run_demo
from framework.local.errors import LocalError
from framework.local.shape import DNS_PORT, MAX_AGENTS

FOLLOW_SECONDS = 0.2
EXIT_UNHEALTHY = 1


@contextlib.contextmanager
def said_plainly() -> Iterator[None]:
    """Turns what a user can mend into a message and exit code 1."""
    try:
        yield
    except LocalError as error:
        raise click.ClickException(str(error)) from error


def directory_option(command: Any) -> Any:
    """Adds `--dir`, which says which local cluster is meant."""
    return click.option(
        "--dir",
        "directory",
        type=click.Path(file_okay=False, path_type=Path),
        default=paths.default_directory,
        show_default="$FRAMEWORK_LOCAL_DIR or ~/.framework/local",
        help="Where the cluster's logs and state are; one directory, one cluster.",
    )(command)


@click.group()
def local() -> None:
    """A real cluster on this machine: ZooKeeper, Mesos masters and agents, and our scheduler."""


@local.command()
@directory_option
@click.option("--masters", type=int, help="How many Mesos masters.  [default: 1]")
@click.option("--agents", type=int, help="How many Mesos agents.  [default: 3]")
@click.option("--schedulers", type=int, help="How many of our schedulers; all but one stand by.  [default: 1]")
@click.option("--balancer", is_flag=True, default=None, help="HAProxy, which serves what stacks route; as root.")
@click.option("--attributes", multiple=True, help='An agent\'s attributes, "rack:a;zone:z1"; repeated, used in turn.')
@click.option("--resources", help='What each agent offers, "cpus:4;mem:4096;disk:10000".')
@click.option("--subnet", type=int, help="Addresses 127.SUBNET.x.y, for several clusters at a time.  [default: 0]")
@click.option("--dns", "with_dns", is_flag=True, help="With `framework dns`, which containers ask: http://SERVICE/.")
def up(directory: Path, with_dns: bool, **options: Any) -> None:
    """Start the cluster, from nothing, and wait until it works."""
    given: dict[str, Any] = {name: value for name, value in options.items() if value not in (None, ())}
    with said_plainly():
        if given.get("agents") == 0:
            raise LocalError(f"agents: wanted a number from 1 to {MAX_AGENTS}, got 0; without agents no task could run")
        cluster = Cluster(directory, subnet=given.pop("subnet", 0))
        if cluster.is_up():
            given |= {"dns": engine.bridge_address()} if with_dns else {}
            check_same(cluster, {**given, **({"subnet": options["subnet"]} if options["subnet"] is not None else {})})
            click.echo(f"The cluster in {directory} is up already.")
        else:
            try:
                start_engine()
            except LocalError as error:  # The cluster still runs what needs no container.
                click.echo(f"Warning: containers will not run: {error}", err=True)
            click.echo(f"Starting the cluster in {directory} ...")
            if with_dns:
                given["dns"] = engine.bridge_address()
            cluster.up(**{"schedulers": 1, **given}, is_kept=True)
        click.echo(urls(cluster))
        down_ones = [daemon.name for daemon in cluster.daemons.values() if daemon.state != "running"]
        if down_ones:
            raise LocalError(f"not running: {', '.join(down_ones)}; framework local start NAME starts one again")


def start_engine() -> None:
    """Sees to a Docker engine, and says so if it had to start one."""
    own = engine.ensure()
    if own is not None:
        click.echo(f"Started a Docker engine (pid {own.pid}, log: {own.log})")


def check_same(cluster: Cluster, given: dict[str, Any]) -> None:
    """Raises LocalError if a cluster that is up is not what was asked for."""
    if replace(cluster.shape, **given) != cluster.shape:
        actual = ", ".join(f"{name} {getattr(cluster.shape, name)}" for name in given)
        wanted = ", ".join(f"{name} {value}" for name, value in given.items())
        raise LocalError(f"the cluster is up with {actual}; wanted {wanted}: run `framework local down` first")


def urls(cluster: Cluster) -> str:
    """Where to look, as lines for a user."""
    shape = cluster.shape
    where = "" if cluster.directory == paths.default_directory() else f" --dir {cluster.directory}"
    lines = [f"Mesos      http://{shape.master_ip(1)}:5050/state", f"ZooKeeper  {shape.zookeeper_address}"]
    if shape.dns:
        lines.append(f"Names      {shape.dns}:{DNS_PORT}: dig @{shape.dns} SERVICE.STACK.service.framework.internal")
    if shape.balancer:
        lines.append(f"Routes     http://{shape.balancer_ip}/ serves them, http://{shape.balancer_ip}:8404/ shows them")
    if shape.schedulers:
        lines.insert(0, f"API        {cluster.url}")
        if where:
            lines.append(f"To use it:     export FRAMEWORK_URL={cluster.url}")
        lines.append("Then:          framework submit FILE --wait, framework ps")
    lines.append(f"Look further:  framework local status{where}, framework local logs NAME{where}")
    lines.append(f"Stop it:       framework local down{where}")
    return "\n".join(lines)


@local.command()
@directory_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(directory: Path, as_json: bool) -> None:
    """Show every daemon; exit 1 unless all run."""
    cluster = Cluster(directory)
    rows = [describe(daemon) for daemon in cluster.daemons.values()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        click.echo(f"{'NAME':<12} {'ADDRESS':<22} {'PID':<8} STATE")
        for row in rows:
            restarts = f", ended by itself and started again: {row['restarts']} ×" if row["restarts"] else ""
            click.echo(f"{row['name']:<12} {row['address']:<22} {row['pid'] or '-':<8} {row['state']}{restarts}")
    else:
        click.echo(f"No cluster is in {directory}; `framework local up` starts one.")
    if not rows or any(row["state"] != "running" for row in rows):
        raise click.exceptions.Exit(EXIT_UNHEALTHY)


def describe(daemon: Daemon) -> dict[str, Any]:
    """A daemon as `--json` shows it."""
    return {
        "name": daemon.name,
        "kind": daemon.spec.kind,
        "address": daemon.address,
        "pid": daemon.pid,
        "state": daemon.state,
        "restarts": daemon.restarts,
        "log": str(daemon.log),
    }


@local.command()
@directory_option
@click.option("--engine", "with_engine", is_flag=True, help="End the Docker engine too, if `up` started it.")
def down(directory: Path, with_engine: bool) -> None:
    """Stop the cluster, with all its executors, tasks and containers; logs stay."""
    with said_plainly():
        cluster = Cluster(directory)
        there = bool(cluster.daemons)
        if cluster.is_up():
            click.echo(f"Stopping the cluster in {directory} ...")
        cluster.down()
        click.echo(f"The cluster in {directory} is down." if there else f"No cluster is in {directory}.")
        own = engine.started()
        if own is not None and with_engine:
            engine.stop(own)
            click.echo("The Docker engine that was started for it has ended.")
        elif own is not None:
            click.echo(f"The Docker engine started for it still runs (pid {own.pid}); down --engine ends it.")


@local.command()
@directory_option
@click.argument("name")
@click.argument("number", metavar="[SIGNAL]", default="KILL")
def kill(directory: Path, name: str, number: str) -> None:
    """Send a daemon a signal (KILL unless named), to see what happens."""
    chosen = signal_named(number)
    with said_plainly():
        daemon = Cluster(directory).daemon(name)
        if daemon.pid is None:
            raise LocalError(f"{name} is down already; `framework local start {name}` starts it")
        daemon.kill(chosen)
        click.echo(f"{name} got {chosen.name} and is {daemon.state}.")


def signal_named(text: str) -> signal.Signals:
    """The signal meant by KILL, SIGKILL or 9."""
    try:
        if text.isdigit():
            return signal.Signals(int(text))
        return signal.Signals["SIG" + text.upper().removeprefix("SIG")]
    except (KeyError, ValueError):
        raise click.UsageError(f"SIGNAL: wanted one such as KILL, TERM, STOP, CONT, USR1 or 9, got {text}") from None


@local.command()
@directory_option
@click.argument("name")
def start(directory: Path, name: str) -> None:
    """Start a daemon again, as it was, and wait until it answers."""
    with said_plainly():
        daemon = Cluster(directory).daemon(name)
        if daemon.state == "frozen":
            raise LocalError(f"{name} is frozen; `framework local kill {name} CONT` lets it go on")
        before = daemon.pid
        daemon.start().wait()
        click.echo(f"{name} {'runs already' if before else 'runs'}: pid {daemon.pid}, {daemon.address}")


@local.command()
@directory_option
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=50, show_default=True, help="From how far back.")
def logs(directory: Path, name: str, follow: bool, lines: int) -> None:
    """Show the end of a daemon's log."""
    with said_plainly():
        log = Cluster(directory).daemon(name).log
        position = log.stat().st_size if log.exists() else 0
        for line in tail(log, lines):
            click.echo(line)
        while follow:
            time.sleep(FOLLOW_SECONDS)
            with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
                position = min(position, log.stat().st_size)  # It may have begun anew.
                file.seek(position)
                click.echo(file.read(), nl=False)
                position = file.tell()


@local.command()
@directory_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(directory: Path, as_json: bool) -> None:
    """Check what a cluster needs of this machine; exit 1 if something is missing."""
    with said_plainly():
        findings = examination.examine(Cluster(directory))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{'ok     ' if finding.is_ok else 'MISSING'}  {finding.what}: {finding.detail}")
            if not finding.is_ok:
                click.echo(f"         mend it: {finding.remedy}")
    if not all(finding.is_ok for finding in findings):
        raise click.exceptions.Exit(EXIT_UNHEALTHY)


@local.command()
@click.argument("names", nargs=-1)
def images(names: tuple[str, ...]) -> None:
    """Make the demo's Docker images of Debian's packages; a second time does nothing."""
    with said_plainly():
        start_engine()
        made = demo_images.build(names)
        for recipe in demo_images.RECIPES:
            if not names or recipe.name in names:
                click.echo(f"{recipe.name}  {'made' if recipe.name in made else 'there already'}")


@local.command()
@directory_option
def demo(directory: Path) -> None:
    """Start a cluster, run the example stack on it, and show what runs where."""
    with said_plainly():
        run_demo(Cluster(directory))
