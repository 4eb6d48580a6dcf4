"""A model as a configuration of HAProxy (2.6 or later). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from discovery.balancer.certificates import BARE, Keyring
from discovery.balancer.lines import Line, Lines, LineState
from discovery.balancer.model import Backend, Frontend, Model, Rule
from specs.model.routes import Balance, RouteMode

NOBODY = "127.0.0.1:1"
"""Stands in a line without a server, which is disabled."""
BASE = """\
global
    log stdout format raw local0 err
    hard-stop-after 10m

defaults
    log global
    option dontlognull
    timeout connect 3s
    timeout client 1m
    timeout server 1m
    timeout http-request 10s
    timeout http-keep-alive 10s
    timeout tunnel 1h
    timeout queue 10s
    retries 3
    option redispatch 1
"""
"""Taken where the user gives no file of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`socket` is the path of the runtime socket; `bind` the address that is listened on, `stats` where HAProxy tells
    of itself, "" for nowhere; `cookie_key` makes the cookies of sticky sessions the same on every balancer that has
    it."""

    socket: str
    bind: str = "*"
    stats: str = ""
    cookie_key: str = "mesos-framework"


def haproxy_text(model: Model, lines: Lines, settings: Settings, keyring: Keyring = BARE) -> str:
    """The configuration that follows the base; TLS is spoken with what is on the keyring. A server that drains
    has the weight 0: it gets nothing new."""
    parts = ["# Made by `framework balancer haproxy`, which writes it anew: changes are lost.", *_global(settings)]
    for frontend in model.frontends:
        parts += ["", *_frontend(frontend, settings, keyring)]
    for backend in model.backends:
        parts += ["", *_backend(backend, lines[backend.name], settings)]
    return "\n".join(parts) + "\n"


def _global(settings: Settings) -> Iterator[str]:
    yield "global"
    yield f"    stats socket {settings.socket} mode 600 level admin expose-fd listeners"
    if settings.stats:
        yield ""
        yield "frontend framework-stats"
        yield "    mode http"
        yield f"    bind {settings.stats}"
        yield "    http-request use-service prometheus-exporter if { path /metrics }"
        yield "    stats enable"
        yield "    stats uri /"
        yield "    stats refresh 5s"


def _frontend(frontend: Frontend, settings: Settings, keyring: Keyring) -> Iterator[str]:
    yield f"frontend port-{frontend.listen}"
    yield f"    mode {frontend.mode}"
    tls = f" ssl crt {keyring.directory} alpn h2,http/1.1" if frontend.is_tls else ""
    yield f"    bind {settings.bind}:{frontend.listen}{tls}"
    if frontend.mode is RouteMode.TCP:
        yield f"    default_backend {frontend.rules[0].backend}"
        return
    yield "    option forwardfor"
    yield "    option idle-close-on-response"
    yield f"    http-request set-header X-Forwarded-Proto {'https' if frontend.is_tls else 'http'}"
    # The first rule that fits counts, but HAProxy looks at all redirects before it chooses a backend: so it is noted
    # which rule that is.
    for number, rule in enumerate(frontend.rules):
        yield f"    http-request set-var(txn.rule) int({number}) if !{{ var(txn.rule) -m found }}{_condition(rule)}"
    for number, rule in enumerate(frontend.rules):
        if rule.backend is None:
            # Without the port that the client may have named: that of TLS is another one. Without a final dot.
            there = "https://%[req.hdr(host),field(1,:),rtrim(.)]"
            yield f"    http-request redirect prefix {there} code 301 if {{ var(txn.rule) -m int {number} }}"
    for number, rule in enumerate(frontend.rules):
        if rule.backend is not None:
            yield f"    use_backend {rule.backend} if {{ var(txn.rule) -m int {number} }}"


def _condition(rule: Rule) -> str:
    condition = ""
    if rule.host.startswith("*."):
        condition += f" {{ req.hdr(host),field(1,:),rtrim(.),lower -m end {rule.host[1:]} }}"
    elif rule.host:
        condition += f" {{ req.hdr(host),field(1,:),rtrim(.),lower -m str {rule.host} }}"
    path = rule.path.rstrip("/")
    if path:
        condition += f" {{ path -m reg ^{_literal(path)}(/|$) }}"
    return condition


def _literal(path: str) -> str:
    """The path as a regular expression, in the words of a configuration."""
    return "".join(f"\\\\{sign}" if sign in ".+" else sign for sign in path)


def _backend(backend: Backend, lines: tuple[Line, ...], settings: Settings) -> Iterator[str]:
    yield f"backend {backend.name}"
    yield f"    mode {backend.mode}"
    yield f"    balance {backend.balance}"
    if backend.balance is Balance.SOURCE:
        yield "    hash-type consistent"
    if backend.is_sticky:
        yield "    cookie FRAMEWORK insert indirect nocache httponly dynamic"
        yield f"    dynamic-cookie-key {settings.cookie_key}"
    if backend.mode is RouteMode.HTTP:
        # A task that dies before it has answered: what changes nothing is asked of another one.
        yield "    retry-on conn-failure empty-response"
        yield "    http-request disable-l7-retry if !METH_GET"
    yield "    default-server check inter 5s fastinter 1s fall 2 rise 1"
    for index, line in enumerate(lines):
        yield f"    server {line_name(index)} {line.server or NOBODY}{_STATES[line.state]}"


_STATES = {LineState.READY: "", LineState.DRAINING: " weight 0", LineState.FREE: " disabled"}


def line_name(index: int) -> str:
    """The name of a line."""
    return f"s{index + 1}"


def changes(backend: str, index: int, before: Line, after: Line) -> tuple[str, ...]:
    """The commands for the runtime socket that turn one line into the other."""
    name = f"{backend}/{line_name(index)}"
    if before == after:
        return ()
    if after.state is LineState.FREE:
        return (f"set server {name} state maint",)
    if after.state is LineState.DRAINING:
        return (f"set server {name} state drain",)
    assert after.server is not None
    moved = f"set server {name} addr {after.server.address} port {after.server.port}"
    ready = (f"set server {name} weight 1", f"set server {name} state ready")
    return ready if before.server == after.server else (moved, *ready)
