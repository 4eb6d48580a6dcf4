"""framework balancer haproxy, framework balancer nginx"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from framework.cli.faults import CommandFault
from framework.cli.options import Duration
from framework.cli.store_access import with_zk
from framework.exits import CliExit
from specs.model.routes import DEFAULT_BALANCER

READ_SECONDS = 15.0
"""Time-out of --dry-run for ZooKeeper."""


@click.group()
def balancer() -> None:
    """Keep a balancer outside of the cluster in step with the routes of stacks and the endpoints of tasks.

    What is served is said in stack files, under `routes`. No scheduler has to run for it.
    """


F = TypeVar("F", bound=Callable[..., Any])


def _with_source(function: F) -> F:
    """Adds what every kind of balancer is told."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Print the configuration, and end."),
        click.option("--bind", metavar="ADDRESS", default="*", show_default=True, help="The address to listen on."),
        click.option(
            "--certificates",
            metavar="DIR",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Certificates for routes with TLS: PEM files, each with its key, or directories with fullchain.pem "
            "and privkey.pem, as certbot makes them. What is renewed there is taken within seconds.  [default: none]",
        ),
        click.option(
            "--directory",
            metavar="DIR",
            type=click.Path(file_okay=False, path_type=Path),
            help="Where its configuration and pid are.  [default: ~/.framework/balancer/KIND-NAME]",
        ),
        click.option(
            "--name", default=DEFAULT_BALANCER, show_default=True, help="Serves the routes that name this balancer."
        ),
        click.option(
            "--endpoints",
            metavar="zk://HOST:PORT,…/PATH",
            help="Where executors publish, if the scheduler's --endpoints says so.  [default: as --zk]",
        ),
        with_zk(is_required=True),
    ):
        function = option(function)
    return function


@balancer.command()
@_with_source
@click.option(
    "--base",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="The first part of HAProxy's configuration, with global and defaults, instead of ours.",
)
@click.option("--stats", metavar="HOST:PORT", default="", help="Where HAProxy shows its page, and /metrics.")
@click.option(
    "--drain",
    type=Duration(),
    default="60s",
    show_default=True,
    metavar="DURATION",
    help="So long a task that has left may finish what it is at.",
)
@click.option("--program", default="haproxy", show_default=True, help="HAProxy itself.")
def haproxy(
    zk: str,
    endpoints: str | None,
    name: str,
    directory: Path | None,
    certificates: Path | None,
    bind: str,
    dry_run: bool,
    base: str | None,
    stats: str,
    drain: float,
    program: str,
) -> None:
    """Run HAProxy, and keep it in step, until it is told to end.

    Servers come and go through HAProxy's runtime socket; it is reloaded, without a lost connection, only when routes
    change. A configuration that HAProxy refuses is told, and the last good one stays. Where this command is started
    again while its HAProxy still runs, it takes that over.
    """
    from discovery.balancer.haproxy_text import BASE, Settings, haproxy_text
    from discovery.balancer.lines import allotted

    where = _directory(directory, f"haproxy-{name}")
    settings = Settings(socket=str(where / "haproxy.sock"), bind=bind, stats=stats)
    follower = _Follower(zk, endpoints or zk, name, certificates, where, "haproxy.cfg")
    if dry_run:
        model, keyring = follower.read()
        text = haproxy_text(model, allotted({}, model, 0.0, set(), 0.0), settings, keyring)
        click.echo(f"{Path(base).read_text() if base else BASE}\n{text}", nl=False)
        return
    from discovery.balancer.haproxy import Haproxy

    follower.run(Haproxy(where, settings, base or "", drain, program))


@balancer.command()
@_with_source
@click.option("--program", default="nginx", show_default=True, help="nginx itself.")
def nginx(
    zk: str,
    endpoints: str | None,
    name: str,
    directory: Path | None,
    certificates: Path | None,
    bind: str,
    dry_run: bool,
    program: str,
) -> None:
    """Run nginx, and keep it in step, until it is told to end.

    Each change is a new configuration, which is tested first, and a reload: what nginx is at is finished, but kept
    connections that are idle are closed. Connections (mode: tcp) are not served.
    """
    from discovery.balancer.nginx_text import NginxSettings, nginx_text, unserved

    where = _directory(directory, f"nginx-{name}")
    settings = NginxSettings(directory=str(where), bind=bind)
    follower = _Follower(zk, endpoints or zk, name, certificates, where, "nginx.conf")
    if dry_run:
        model, keyring = follower.read()
        for sentence in unserved(model):
            click.echo(f"not served: {sentence}", err=True)
        click.echo(nginx_text(model, settings, keyring), nl=False)
        return
    from discovery.balancer.nginx import Nginx

    follower.run(Nginx(settings, program))


def _directory(given: Path | None, name: str) -> Path:
    return (given or Path.home() / ".framework" / "balancer" / name).resolve()


class _Follower:
    """The common life of all kinds of balancers: its sources and its end. `config` is its configuration in the
    directory `where`."""

    def __init__(self, zk: str, endpoints: str, name: str, certificates: Path | None, where: Path, config: str) -> None:
        from discovery.balancer.certificate_files import CertificateFiles
        from discovery.balancer.source import Source

        logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
        logging.getLogger("discovery").setLevel(logging.INFO)
        logging.getLogger("kazoo").setLevel(logging.CRITICAL)
        self._changed, self._ending = threading.Event(), threading.Event()
        try:
            self._source = Source(zk, endpoints, self._changed.set, name=name)
        except ValueError as error:
            raise CommandFault(f"--zk and --endpoints: {error}", CliExit.USAGE) from None
        self._files = CertificateFiles(certificates and certificates.absolute(), where / "certificates", where / config)

    def read(self) -> tuple[Any, Any]:
        """The model as soon as it is known, and the keyring; raises CommandFault where that takes long."""
        from discovery.balancer.running import problems

        keyring = self._files.read()
        deadline = time.monotonic() + READ_SECONDS
        while (model := self._source.model(has_certificates=bool(keyring.certificates))) is None:
            if time.monotonic() > deadline:
                raise CommandFault(f"ZooKeeper has not answered for {READ_SECONDS:g} s.", CliExit.GAVE_UP)
            self._changed.wait(0.2)
            self._changed.clear()
        self._source.close()
        for problem in problems(model, keyring):
            click.echo(problem, err=True)
        return model, keyring

    def run(self, proxy: Any) -> None:
        """Until SIGTERM or SIGINT; then the balancer's process is ended too."""
        from discovery.balancer.running import follow

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        follow(self._source, self._files, proxy, self._changed, self._ending)
        self._source.close()
        proxy.end()

    def _end(self, *_: object) -> None:
        self._ending.set()
        self._changed.set()
