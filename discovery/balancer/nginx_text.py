"""A model as a configuration of nginx (1.18 or later). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from discovery.balancer.certificates import BARE, Keyring
from discovery.balancer.model import Backend, Frontend, Model, Rule
from specs.model.routes import Balance, RouteMode


@dataclass(frozen=True, slots=True, kw_only=True)
class NginxSettings:
    """`directory` is where nginx keeps its pid and what does not fit into its memory; `bind` the address that is
    listened on."""

    directory: str
    bind: str = "*"


_HEAD = """\
# Made by `framework balancer nginx`, which writes it anew: changes are lost.
daemon off;
pid {directory}/nginx.pid;
error_log stderr warn;
worker_processes auto;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    server_tokens off;
    client_max_body_size 0;
    server_names_hash_bucket_size 256;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:10m;
    proxy_http_version 1.1;
    proxy_connect_timeout 3s;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $upgrade;
    map $http_upgrade $upgrade {{
        default upgrade;
        "" "";
    }}
"""


def nginx_text(model: Model, settings: NginxSettings, keyring: Keyring = BARE) -> str:
    """The whole configuration; TLS is spoken with what is on the keyring. Connections (tcp) are left out: `unserved`
    names them."""
    parts = [_HEAD.format(directory=settings.directory)]
    for backend in model.backends:
        if backend.servers and backend.mode is RouteMode.HTTP:
            parts += [*_upstream(backend), ""]
    empty = {backend.name for backend in model.backends if not backend.servers}
    for frontend in model.frontends:
        if frontend.mode is RouteMode.HTTP:
            parts += [*_servers(frontend, empty, settings, keyring), ""]
    return "\n".join([*parts[:-1], "}"]) + "\n" if len(parts) > 1 else parts[0] + "}\n"


def unserved(model: Model) -> tuple[str, ...]:
    """The parts of the model that nginx does not serve, as sentences."""
    return tuple(
        f"port {frontend.listen} is for connections (mode: tcp), which nginx does not pass on here; HAProxy does"
        for frontend in model.frontends
        if frontend.mode is RouteMode.TCP
    )


def _upstream(backend: Backend) -> Iterator[str]:
    yield f"    upstream {backend.name} {{"
    if backend.is_sticky:
        yield "        ip_hash;"
    elif backend.balance is Balance.LEASTCONN:
        yield "        least_conn;"
    elif backend.balance is Balance.SOURCE:
        yield "        hash $remote_addr consistent;"
    for server in backend.servers:
        yield f"        server {server};"
    yield "    }"


def _servers(frontend: Frontend, empty: set[str], settings: NginxSettings, keyring: Keyring) -> Iterator[str]:
    """A server for each host of the frontend, and one for all others."""
    for host in dict.fromkeys([*(rule.host for rule in frontend.rules), *_certified(frontend, keyring), ""]):
        yield "    server {"
        listen = f"{settings.bind}:{frontend.listen}{' ssl http2' if frontend.is_tls else ''}"
        yield f"        listen {listen}{'' if host else ' default_server'};"
        yield f"        server_name {host or '_'};"
        if frontend.is_tls:
            certificate = keyring.path_for(host)
            yield f"        ssl_certificate {certificate};"
            yield f"        ssl_certificate_key {certificate};"
        rules = _rules_of(host, frontend.rules)
        for rule in rules:
            yield from _locations(rule, empty)
        if all(rule.path != "/" for rule in rules):
            yield "        location / { return 503; }"
        yield "    }"


def _certified(frontend: Frontend, keyring: Keyring) -> Iterator[str]:
    """The hosts that a rule means without their names, and that have a certificate of their own: nginx chooses the
    certificate by the server."""
    if frontend.is_tls:
        for certificate in keyring.certificates:
            yield from (host for host in certificate.hosts if _rules_of(host, frontend.rules))


def _rules_of(host: str, rules: Sequence[Rule]) -> list[Rule]:
    """Those that may fit a request for this host: an earlier one takes all that is below its path."""
    found: list[Rule] = []
    for rule in rules:
        is_meant = rule.host in ("", host) or (rule.host.startswith("*.") and host.endswith(rule.host[1:]))
        if is_meant and not any(_is_below(rule.path, each.path) for each in found):
            found.append(rule)
    return found


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith(above if above.endswith("/") else f"{above}/")


def _locations(rule: Rule, empty: set[str]) -> Iterator[str]:
    if rule.backend is None:
        does = "return 301 https://$host$request_uri;"
    elif rule.backend in empty:
        does = "return 503;"
    else:
        does = f"proxy_pass http://{rule.backend};"
    path = rule.path.rstrip("/")
    if path:
        yield f"        location = {path} {{ {does} }}"
    yield f"        location {path}/ {{ {does} }}"
