"""The desired state of a balancer: from routes and endpoints to frontends, rules, backends and servers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from discovery.endpoints import Endpoint
from specs.ids import GroupId
from specs.model.routes import HTTP_PORT, HTTPS_PORT, Balance, Route, RouteMode, Tls


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BackendServer:
    """One server of a backend. A container that another executor takes over stays the same server."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Servers that are interchangeable; `servers` are in order."""

    name: str
    mode: RouteMode
    balance: Balance
    is_sticky: bool
    servers: tuple[BackendServer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Requests for a host ("" is any) and a path or below go to a backend, or are redirected to TLS (None)."""

    host: str
    path: str
    backend: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend:
    """A port that is listened on. `rules` are in the order in which they are tried; a TCP frontend has one."""

    listen: int
    mode: RouteMode
    is_tls: bool
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All that a balancer serves. `problems` are the routes it cannot serve, each a sentence for the user."""

    frontends: tuple[Frontend, ...] = ()
    backends: tuple[Backend, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A route of a group."""

    group: GroupId
    route: Route


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Place:
    listen: int
    host: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    place: _Place
    exposed: Exposed
    is_tls: bool = False
    redirects: bool = False

    @property
    def kind(self) -> tuple[RouteMode, bool]:
        return self.exposed.route.mode, self.is_tls

    @property
    def owner(self) -> str:
        return f"{self.exposed.group.stack}/{self.exposed.group.service}"


def model_of(
    exposed: Sequence[Exposed], endpoints: Mapping[GroupId, Sequence[Endpoint]], *, name: str, has_certificates: bool
) -> Model:
    """The model of the balancers called `name`.

    Groups of one service that claim the same host, port and path share it; among several services the first by name
    gets it. TLS needs certificates: without any, a route that is `also` served with TLS is served without it.
    """
    problems: list[str] = []
    claims: list[_Claim] = []
    for each in sorted(exposed, key=lambda each: (each.group, each.route.listen, each.route.hosts, each.route.path)):
        if name not in each.route.balancers:
            continue
        if each.route.tls is Tls.ONLY and not has_certificates:
            problems.append(f"{each.group} is served with TLS only, and this balancer has no certificates")
            continue
        claims += _claims(each, has_certificates)
    places = _granted(claims, problems)
    backends: dict[tuple[object, ...], Backend] = {}
    rules: dict[int, list[Rule]] = {}
    for place, sharing in places.items():
        redirects = sharing[0].redirects
        backend = None if redirects else _backend(sharing, endpoints, backends)
        rules.setdefault(place.listen, []).append(Rule(host=place.host, path=place.path, backend=backend))
    kinds = {place.listen: sharing[0].kind for place, sharing in places.items()}
    frontends = tuple(
        Frontend(
            listen=listen, mode=kinds[listen][0], is_tls=kinds[listen][1], rules=tuple(sorted(rules[listen], key=_rank))
        )
        for listen in sorted(rules)
    )
    return Model(frontends=frontends, backends=tuple(backends.values()), problems=tuple(problems))


def _claims(exposed: Exposed, has_certificates: bool) -> Iterator[_Claim]:
    """The places that a route claims."""
    route = exposed.route
    for host in route.hosts or ("",):
        if route.tls is Tls.NEVER or not has_certificates:
            place = _Place(listen=route.listen or HTTP_PORT, host=host, path=route.path)
            yield _Claim(place=place, exposed=exposed)
            continue
        place = _Place(listen=route.listen or HTTPS_PORT, host=host, path=route.path)
        yield _Claim(place=place, exposed=exposed, is_tls=True)
        if not route.listen:
            place = _Place(listen=HTTP_PORT, host=host, path=route.path)
            yield _Claim(place=place, exposed=exposed, redirects=route.tls is Tls.ONLY)


def _granted(claims: Sequence[_Claim], problems: list[str]) -> dict[_Place, list[_Claim]]:
    """The holders of each place: its first claimant, and the groups of the same service."""
    ports: dict[int, _Claim] = {}
    places: dict[_Place, list[_Claim]] = {}
    for claim in claims:
        listen = claim.place.listen
        first = ports.setdefault(listen, claim)
        if first.kind != claim.kind:
            ours, theirs = _described(claim), _described(first)
            problems.append(f"{claim.exposed.group} wants port {listen} for {ours}; {first.owner} has it for {theirs}")
            continue
        sharing = places.setdefault(claim.place, [])
        if sharing and sharing[0].owner != claim.owner:
            where = _shown(claim.place, claim.exposed.route.mode)
            problems.append(f"{claim.exposed.group} wants {where}, which {sharing[0].owner} has")
        elif all(each.exposed.group != claim.exposed.group for each in sharing):
            sharing.append(claim)
    return places


def _described(claim: _Claim) -> str:
    return f"{'TLS' if claim.is_tls else claim.exposed.route.mode.value}"


def _shown(place: _Place, mode: RouteMode) -> str:
    return f"port {place.listen}" if mode is RouteMode.TCP else f"{place.host or '*'}:{place.listen}{place.path}"


def _backend(
    sharing: Sequence[_Claim],
    endpoints: Mapping[GroupId, Sequence[Endpoint]],
    backends: dict[tuple[object, ...], Backend],
) -> str:
    """The name of the backend of those who share a place; places with the same settings share a backend."""
    first = sharing[0].exposed.route
    members = tuple((claim.exposed.group, claim.exposed.route.port) for claim in sharing)
    key = (members, first.mode, first.balance, first.is_sticky)
    if key not in backends:
        stem = f"{members[0][0].dotted}.{first.port}"
        taken = {each.name for each in backends.values()}
        number = next(number for number in range(1, len(taken) + 2) if _numbered(stem, number) not in taken)
        backends[key] = Backend(
            name=_numbered(stem, number),
            mode=first.mode,
            balance=first.balance,
            is_sticky=first.is_sticky,
            servers=tuple(sorted({one for group, port in members for one in _servers(endpoints.get(group, ()), port)})),
        )
    return backends[key].name


def _numbered(stem: str, number: int) -> str:
    # No name has an underscore; to nginx what follows a colon is a port.
    return stem if number == 1 else f"{stem}_{number}"


def _servers(endpoints: Sequence[Endpoint], name: str) -> Iterator[BackendServer]:
    for endpoint in endpoints:
        for port in endpoint.ports:
            if port.name == name and port.protocol == "tcp":
                yield BackendServer(address=endpoint.address, port=port.number)


def _rank(rule: Rule) -> tuple[int, int, str, int, str]:
    """Hosts by name, then wildcards, those for fewer names first, then any; of one host the longest path first."""
    kind = 2 if not rule.host else 1 if rule.host.startswith("*.") else 0
    return kind, -rule.host.count(".") if kind == 1 else 0, rule.host, -len(rule.path), rule.path
