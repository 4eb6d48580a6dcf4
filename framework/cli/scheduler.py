"""framework scheduler"""

from __future__ import annotations

import importlib
import ipaddress
import re
import sys
from pathlib import Path
from typing import Any

import click

from framework.cli.domains import DEFAULT_DOMAIN, checked_domain
from framework.cli.doors import allowed_hosts, check_token
from framework.cli.options import Duration
from specs.urls import parse_url

_ZOOKEEPER = re.compile(r"zk://([^/@\s]+@)?[^/@\s:,]+:\d+(,[^/@\s:,]+:\d+)*(?P<path>/[^\s]*)?")
_ANY_ADDRESS = ("0.0.0.0", "::", "[::]", "")
SHORTEST_SESSION_SECONDS = 2
LONGEST_SESSION_SECONDS = 60
MESOS_ZK = Path("/etc/mesos/zk")
"""Where Mesos's packages keep the address of the masters, in ZooKeeper."""
LONGEST_METRICS_SECONDS = 3600
MOST_NAME_SERVERS = 3
_LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.option(
    "--zk",
    metavar="zk://HOST:PORT,…/PATH",
    envvar="FRAMEWORK_ZK",
    show_envvar=True,
    help="ZooKeeper, and the path under which the scheduler stores what it knows."
    f"  [default: /framework in the ensemble that {MESOS_ZK} names]",
)
@click.option(
    "--master",
    metavar="zk://HOST:PORT,…/mesos|HOST:PORT",
    envvar="FRAMEWORK_MASTER",
    show_envvar=True,
    help="The Mesos master, or the path in ZooKeeper where masters announce themselves."
    f"  [default: what {MESOS_ZK} says]",
)
@click.option(
    "--bind", metavar="HOST:PORT", default="127.0.0.1:8080", show_default=True, help="Where the API and pages listen."
)
@click.option("--advertise", metavar="HOST:PORT", help="How agents and people reach --bind.  [default: as --bind]")
@click.option("--token-file", metavar="FILE", type=click.Path(), help="File with the token that every change needs.")
@click.option("--no-token", is_flag=True, help="Serve changes without a token also where other machines reach --bind.")
@click.option(
    "--allow-host",
    "allow_hosts",
    metavar="NAME",
    multiple=True,
    help="A name by which requests may call this scheduler, beside localhost, IP addresses, and the names of --bind,"
    " --advertise, --webui-url and --executor-url; may be repeated.",
)
@click.option("--name", default="framework", show_default=True, help="The framework's name in Mesos.")
@click.option("--role", default="*", show_default=True, help="The role whose resources are used.")
@click.option("--principal", default="", help="The principal, where the masters authenticate frameworks.")
@click.option("--secret-file", metavar="FILE", type=click.Path(), help="File with the principal's secret.")
@click.option("--user", default="root", show_default=True, help="The user that the executor runs as on agents.")
@click.option(
    "--agents-interval",
    type=Duration(),
    default="15s",
    show_default=True,
    metavar="DURATION",
    help="How often the master is asked for its agents.",
)
@click.option(
    "--executor-idle",
    type=Duration(),
    default="60s",
    show_default=True,
    metavar="DURATION",
    help="How long an executor without tasks stays.",
)
@click.option(
    "--executor-operations",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    metavar="N",
    help="How many starts and stops an executor does at a time.",
)
@click.option(
    "--executor-url",
    metavar="URL",
    default="",
    help="Where agents fetch the executor's archive, {sha256} standing for its hash: behind a balancer of all"
    " schedulers, or a file on each agent.  [default: this scheduler]",
)
@click.option(
    "--session-timeout",
    type=Duration(),
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="How long ZooKeeper hears nothing from a leader before another one leads; from 2s to 60s.",
)
@click.option(
    "--history",
    type=click.IntRange(1, 100),
    default=20,
    show_default=True,
    metavar="N",
    help="How many definitions of each stack are kept, to go back to.",
)
@click.option(
    "--endpoints",
    metavar="zk://HOST:PORT,…/PATH|etcd://HOST:PORT,…/PATH|consul://HOST:PORT|none",
    multiple=True,
    help="Where executors publish the endpoints of tasks that are ready; may be repeated, for several places."
    "  [default: as --zk]",
)
@click.option(
    "--metrics-interval",
    type=Duration(),
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="How often executors measure what tasks use, from 1s to 1h; 0s: never, and they serve no metrics.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    metavar="PORT",
    help="The agents' port at which executors serve their metrics; where it is taken, or 0, any free one.",
)
@click.option(
    "--dns",
    metavar="ADDRESS|agent",
    multiple=True,
    help="Name servers of containers, where `framework dns` answers on port 53, up to three; `agent` is the agent's own"
    " address. Names without a dot are those of the container's own stack.  [default: Docker's]",
)
@click.option(
    "--dns-domain",
    metavar="DOMAIN",
    help="The --domain of `framework dns`.  [default: framework.internal]",
)
@click.option("--webui-url", metavar="URL", default="", help="What Mesos's web UI links to.  [default: --advertise]")
@click.option(
    "--journal",
    metavar="FILE",
    default="",
    type=click.Path(dir_okay=False),
    help="Record into FILE all that happens, without secrets, for `framework replay`; the last one is kept as FILE.1.",
)
@click.option("--log-level", type=click.Choice(_LEVELS), default="info", show_default=True, help="How much is logged.")
def scheduler(
    zk: str | None,
    master: str | None,
    bind: str,
    advertise: str | None,
    token_file: str | None,
    no_token: bool,
    allow_hosts: tuple[str, ...],
    name: str,
    role: str,
    principal: str,
    secret_file: str | None,
    user: str,
    agents_interval: float,
    executor_idle: float,
    executor_operations: int,
    executor_url: str,
    session_timeout: float,
    history: int,
    endpoints: tuple[str, ...],
    metrics_interval: float,
    metrics_port: int,
    dns: tuple[str, ...],
    dns_domain: str | None,
    webui_url: str,
    journal: str,
    log_level: str,
) -> None:
    """Run the scheduler.

    It stores in ZooKeeper what it knows; killed and started again, it carries on with the same tasks. Started a second
    time elsewhere with the same --zk, that one stands by: it passes requests on, and takes over when the first is gone.
    """
    bound = _address(bind, "--bind")
    advertised = _address(advertise, "--advertise") if advertise else bound
    if advertised[0] in _ANY_ADDRESS or advertised[1] == 0:
        raise click.UsageError(
            f"Agents cannot reach {advertised[0]}:{advertised[1]}, and they fetch the executor from there: say with "
            "--advertise HOST:PORT under which address they reach this scheduler."
        )
    check_token(bound, bind, has_token=bool(token_file), no_token=no_token)
    zk, master = _with_mesos_file(zk, master)
    _check_zookeeper(zk, "--zk")
    if "@" in zk:
        raise click.UsageError(
            "--zk wants zk://HOST:PORT,HOST:PORT/PATH; a user and a password before '@' are not supported."
        )
    if master.startswith("zk:"):
        _check_zookeeper(master, "--master")
    else:
        _address(master, "--master")
    if not SHORTEST_SESSION_SECONDS <= session_timeout <= LONGEST_SESSION_SECONDS:
        raise click.UsageError(
            f"--session-timeout wants from {SHORTEST_SESSION_SECONDS} s to {LONGEST_SESSION_SECONDS} s; got"
            f" {session_timeout:g} s."
        )
    if metrics_interval and not 1 <= metrics_interval <= LONGEST_METRICS_SECONDS:
        raise click.UsageError(f"--metrics-interval wants 0s, or from 1s to 1h; got {metrics_interval:g} s.")
    if secret_file and not principal:
        raise click.UsageError("--secret-file wants --principal too: whose secret it is.")
    # By name: what runs the scheduler imports the core, which commands do not.
    config = importlib.import_module("framework.config").SchedulerConfig(
        zk=zk,
        master=master,
        bind=bound,
        advertise=advertised,
        token=_read(token_file, "--token-file"),
        hosts=allowed_hosts(allow_hosts, bind=bound, advertise=advertised, urls=(webui_url, executor_url)),
        name=name,
        role=role,
        principal=principal,
        secret=_read(secret_file, "--secret-file"),
        user=user,
        agents_interval_seconds=agents_interval,
        executor_idle_seconds=executor_idle,
        executor_operations=executor_operations,
        executor_url=_checked_url(executor_url),
        session_timeout_seconds=session_timeout,
        history=history,
        endpoints=_endpoints(endpoints, zk),
        metrics_interval_seconds=metrics_interval,
        metrics_port=metrics_port,
        dns=tuple(_name_server(each) for each in dns),
        dns_domain=_dns_domain(dns, dns_domain),
        webui_url=webui_url,
        log_level=log_level,
        journal=journal,
    )
    sys.excepthook = sys.__excepthook__  # a server's log wants the whole traceback
    run: Any = importlib.import_module("framework.app").run_scheduler
    sys.exit(run(config))


def _with_mesos_file(zk: str | None, master: str | None) -> tuple[str, str]:
    """--zk and --master; what is not given comes from where Mesos's packages have it."""
    if zk and master:
        return zk, master
    absent = " and ".join(option for option, value in (("--zk", zk), ("--master", master)) if not value)
    if not MESOS_ZK.exists():
        raise click.UsageError(f"Missing {absent}: there is no {MESOS_ZK} either, which would say where Mesos is.")
    text = _read(str(MESOS_ZK), "the file") or ""
    try:
        masters = parse_url(text, "zk")
    except ValueError as fault:
        raise click.UsageError(f"Missing {absent}, and {MESOS_ZK} does not say it: {fault}.") from None
    found = {"--zk": zk or f"zk://{masters.addresses}/framework", "--master": master or text}
    told = ", ".join(f"{option} is {found[option]}" for option in absent.split(" and "))
    click.echo(f"As {MESOS_ZK} says: {told}.", err=True)
    return found["--zk"], found["--master"]


def _address(text: str, option: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise click.UsageError(f"{option} wants HOST:PORT, as 10.0.0.9:8080; got {text!r}.")
    return host.strip("[]"), int(port)


def _checked_url(url: str) -> str:
    """Such as Mesos's fetcher takes: with a scheme, or an absolute path on the agent."""
    if url and not re.fullmatch(r"([a-z][a-z0-9+.-]*:/)?/[^\s'\\]+", url):
        raise click.UsageError(
            f"--executor-url wants a URL, as http://files.example/{{sha256}}.pyz, or an absolute path; got {url!r}."
        )
    return url


def _endpoints(urls: tuple[str, ...], zk: str) -> str:
    """Where endpoints are published, URLs with spaces between; "" for nowhere."""
    if urls == ("none",):
        return ""
    if "none" in urls:
        raise click.UsageError(f"--endpoints none stands alone; got {', '.join(urls)}.")
    try:
        places = [str(parse_url(url, "zk", "etcd", "consul")) for url in urls or (zk,)]
    except ValueError as fault:
        words = str(fault).removeprefix("wanted ")
        raise click.UsageError(f"--endpoints wants none, or {words}.") from None
    return " ".join(dict.fromkeys(places))


def _name_server(text: str) -> str:
    if text == "agent":
        return text
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise click.UsageError(
            f"--dns wants an IP address, as 172.17.0.1, or the word agent; got {text!r}. Containers ask port 53."
        ) from None
    if address.is_loopback or address.is_unspecified:
        raise click.UsageError(
            f"--dns {text} is, in a container, the container itself: name an address of the machine where"
            " `framework dns` runs, as 172.17.0.1, that of Docker's bridge on each agent."
        )
    return str(address)


def _dns_domain(servers: tuple[str, ...], domain: str | None) -> str:
    if len(servers) > MOST_NAME_SERVERS:
        raise click.UsageError(f"--dns wants up to {MOST_NAME_SERVERS} name servers, as resolvers ask no more.")
    if not servers:
        if domain:
            raise click.UsageError("--dns-domain wants --dns too: who knows the domain.")
        return ""
    return checked_domain(domain or DEFAULT_DOMAIN, "--dns-domain")


def _check_zookeeper(text: str, option: str) -> None:
    found = _ZOOKEEPER.fullmatch(text)
    if not found or (found["path"] or "/").strip("/") == "":
        # What stands before an @ may be a password.
        got = repr(text) if "@" not in text else "another form"
        raise click.UsageError(f"{option} wants zk://HOST:PORT,HOST:PORT/PATH; got {got}.")


def _read(file: str | None, option: str) -> str | None:
    if file is None:
        return None
    try:
        content = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise click.UsageError(f"{option} {file} cannot be read: {why}.") from None
    if not content:
        raise click.UsageError(f"{option} {file} is empty.")
    return content
