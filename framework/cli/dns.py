"""framework dns"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import re
import sys
from pathlib import Path

import click

from discovery.dns.forward import Address, is_own
from discovery.dns.names import Groups, Reach
from discovery.dns.server import PRIVATE
from discovery.dns.service import DnsSettings, Everything, serve
from discovery.dns.zone import ZoneSettings
from framework.cli.dns_tasks import all_tasks
from framework.cli.domains import DEFAULT_DOMAIN, checked_domain
from framework.cli.faults import CommandFault
from framework.cli.options import Duration
from framework.cli.server import Address as Scheduler
from framework.cli.server import Server, read_token
from framework.exits import CliExit
from specs.addresses import ip
from specs.urls import parse_url

PORT = 53
RESOLV_CONF = Path("/etc/resolv.conf")
LONGEST_TTL_SECONDS = 3600
_LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.option(
    "--zk",
    metavar="zk://HOST:PORT,…/PATH",
    envvar="FRAMEWORK_ZK",
    required=True,
    show_envvar=True,
    help="Where executors publish endpoints: the scheduler's --endpoints, or its --zk.",
)
@click.option(
    "--listen",
    metavar="ADDRESS[:PORT]",
    multiple=True,
    default=("127.0.0.1:5300",),
    show_default=True,
    help="Where queries are taken, over UDP and TCP; may be repeated. Containers can ask port 53 only.",
)
@click.option(
    "--domain",
    default=DEFAULT_DOMAIN,
    show_default=True,
    help="The domain below which all names are: SERVICE.STACK.service.DOMAIN.",
)
@click.option(
    "--ttl",
    type=Duration(),
    default="1s",
    show_default=True,
    metavar="DURATION",
    help="How long others may keep an answer, in whole seconds.",
)
@click.option(
    "--addresses",
    type=click.Choice([each.value for each in Reach]),
    default=Reach.AGENT.value,
    show_default=True,
    help="What …service.DOMAIN means: the agents' addresses and ports, or those of containers. A name under"
    " agent.DOMAIN or container.DOMAIN says it itself.",
)
@click.option(
    "--forward",
    metavar="ADDRESS[:PORT]|none",
    multiple=True,
    help="Who is asked for other names; may be repeated.  [default: the name servers in /etc/resolv.conf]",
)
@click.option(
    "--forward-for",
    metavar="NETWORK",
    multiple=True,
    default=PRIVATE,
    help="For whom other names are asked; may be repeated.  [default: private networks]",
)
@click.option(
    "--mesos-dns-names",
    metavar="FRAMEWORK.DOMAIN",
    default="",
    help="Answer to Mesos-DNS's names for Marathon's apps too: with marathon.mesos, /shop/web is"
    " web-shop.marathon.mesos.",
)
@click.option(
    "--url",
    metavar="URL",
    envvar="FRAMEWORK_URL",
    show_envvar=True,
    help="The scheduler that is asked for tasks that are not ready, which …all.DOMAIN has too.",
)
@click.option(
    "--metrics", metavar="ADDRESS:PORT", help="Where figures for Prometheus are shown, at /metrics.  [default: nowhere]"
)
@click.option("--log-level", type=click.Choice(_LEVELS), default="info", show_default=True, help="How much is logged.")
def dns(
    zk: str,
    listen: tuple[str, ...],
    domain: str,
    ttl: float,
    addresses: str,
    forward: tuple[str, ...],
    forward_for: tuple[str, ...],
    mesos_dns_names: str,
    url: str | None,
    metrics: str | None,
    log_level: str,
) -> None:
    """Answer DNS queries: pricing.abc.service.DOMAIN is where service pricing of stack abc is reached.

    Names follow the endpoints in ZooKeeper: a task is in DNS while it is ready. dev-frontend.web.shop.service.DOMAIN is
    a group, 2.pricing.abc.service.DOMAIN a slot; SRV records of _http._tcp.web.shop.service.DOMAIN have ports.

    With `framework scheduler --dns ADDRESS` containers ask this server, and find the services of their own stack by
    their mere names: http://pricing/
    """
    settings = DnsSettings(
        endpoints=_zookeeper(zk),
        listen=(listening := _addresses(listen, "--listen")),
        zone=ZoneSettings(
            domain=checked_domain(domain, "--domain"),
            ttl_seconds=_ttl(ttl),
            servers=tuple(host for host, _ in listening if host not in ("0.0.0.0", "::")),
            mesos_dns=_mesos_names(mesos_dns_names, domain),
        ),
        reach=Reach(addresses),
        forward=_forward(forward, listening),
        networks=tuple(_network(network) for network in forward_for),
        status=_addresses((metrics,), "--metrics")[0] if metrics else None,
    )
    logging.basicConfig(
        stream=sys.stderr, level=log_level.upper(), format="%(asctime)s %(levelname)-7s %(message)s", force=True
    )
    try:
        asyncio.run(serve(settings, _everything(url)))
    except OSError as error:
        raise CommandFault(_why_not(error, settings), CliExit.REFUSED) from None


def _everything(url: str | None) -> Everything | None:
    """The function that fetches all tasks from the scheduler; None where no scheduler was named."""
    if url is None:
        return None
    server = Server(Scheduler(url.rstrip("/"), "--url"), read_token(None))

    def fetch() -> Groups:
        try:
            return all_tasks(server.get("/v1/tasks"))
        except CommandFault as fault:
            raise ConnectionError(str(fault)) from None
        except (KeyError, TypeError, ValueError) as error:
            raise ConnectionError(f"{url} answers what no scheduler would ({error!r}); check --url.") from None

    return fetch


def _why_not(error: OSError, settings: DnsSettings) -> str:
    """Why it cannot listen, and what to do."""
    where = ", ".join(f"{host}:{port}" for host, port in settings.listen)
    if error.errno == errno.EADDRINUSE:
        return (
            f"Cannot listen at {where}: something else does; `ss -lunpt` shows who. Stop it, or name another --listen."
        )
    if error.errno == errno.EACCES:
        return (
            f"Cannot listen at {where}: ports below 1024 want root, or the capability CAP_NET_BIND_SERVICE"
            " (`setcap`, or AmbientCapabilities in a systemd unit)."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"Cannot listen at {where}: this machine has no such address; `ip address` shows those it has."
    return f"Cannot listen at {where}: {error.strerror or error}."


def _zookeeper(url: str) -> str:
    try:
        return str(parse_url(url, "zk"))
    except ValueError as error:
        raise click.UsageError(f"--zk {error}") from None


def _addresses(texts: tuple[str, ...], option: str) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(_address(text, option) for text in texts))


def _address(text: str, option: str) -> Address:
    """ADDRESS, ADDRESS:PORT, [ADDRESS] or [ADDRESS]:PORT; the port is 53 where none is given."""
    found = re.fullmatch(r"(\[(?P<six>[^\]]+)\]|(?P<four>[0-9.]+))(:(?P<port>[0-9]{1,5}))?", text)
    host = (found["six"] or found["four"]) if found else text
    port = int(found["port"] or PORT) if found else PORT
    if ip(host) is None or port > 65535:
        raise click.UsageError(
            f"{option} wants an IP address, or one with a port, as 172.17.0.1:53 or [fd00::1]:53; got {text!r}."
        )
    return host, port


def _mesos_names(text: str, domain: str) -> str:
    if not text:
        return ""
    names = checked_domain(text, "--mesos-dns-names")
    mesos_domain, own = names.partition(".")[2], domain.lower().rstrip(".")
    if not mesos_domain:
        raise click.UsageError(f"--mesos-dns-names wants FRAMEWORK.DOMAIN, as marathon.mesos; got {text!r}.")
    if f".{mesos_domain}".endswith(f".{own}") or f".{own}".endswith(f".{mesos_domain}"):
        raise click.UsageError(
            f"--mesos-dns-names wants a domain beside that of --domain, {own}; got {mesos_domain}, and one is in the"
            " other."
        )
    return names


def _ttl(seconds: float) -> int:
    if not seconds.is_integer() or not 0 <= seconds <= LONGEST_TTL_SECONDS:
        raise click.UsageError(f"--ttl wants whole seconds, from 0s to 1h; got {seconds:g} s.")
    return int(seconds)


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise click.UsageError(f"--forward-for wants a network, as 10.0.0.0/8; got {text!r}: {error}.") from None


def _forward(texts: tuple[str, ...], own: tuple[Address, ...]) -> tuple[Address, ...]:
    """The servers for other names. Never this one: queries would go in circles."""
    if texts == ("none",):
        return ()
    if not texts:
        return tuple(server for server in _of_resolv_conf() if not is_own(server, own))
    servers = _addresses(texts, "--forward")
    for host, port in servers:
        if is_own((host, port), own):
            raise click.UsageError(f"--forward {host}:{port} is where this server listens itself; name another.")
    return servers


def _of_resolv_conf() -> tuple[Address, ...]:
    try:
        lines = RESOLV_CONF.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    found = [each[1] for each in words if len(each) > 1 and each[0] == "nameserver"]
    return tuple((host, PORT) for host in found if ip(host))
