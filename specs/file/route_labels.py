"""The labels of Marathon-lb, which say what `routes` do."""

from __future__ import annotations

import re
from collections.abc import Sequence as Items
from dataclasses import replace
from typing import Any

from specs.file.values import TRUE
from specs.model.routes import Balance, Route, RouteMode, Tls
from specs.model.stack import Port, Protocol

_LABEL = re.compile(r"HAPROXY_(?P<index>[0-9]{1,3})_(?P<name>[A-Z_]+)")
_BALANCES = {"roundrobin": Balance.ROUNDROBIN, "leastconn": Balance.LEASTCONN, "source": Balance.SOURCE}
GROUP = "HAPROXY_GROUP"
_KNOWN = frozenset({"VHOST", "PATH", "REDIRECT_TO_HTTPS", "PORT", "MODE", "BALANCE", "STICKY", "ENABLED"})


def passed_over(labels: Items[tuple[str, str]]) -> tuple[str, ...]:
    """Those of the labels that mean something to Marathon-lb, and nothing here."""
    if not dict(labels).get(GROUP):
        return ()
    known = (found and found["name"] in _KNOWN for found in (_LABEL.fullmatch(label) for label, _ in labels))
    return tuple(
        label
        for (label, _), is_known in zip(labels, known, strict=True)
        if label.startswith("HAPROXY_") and label != GROUP and not is_known
    )


def routes_of_labels(labels: Items[tuple[str, str]], ports: tuple[Port, ...]) -> tuple[Route, ...]:
    """The routes that Marathon-lb would have made of these labels; none without HAPROXY_GROUP. The numbers in them
    count the tcp ports. Raises ValueError, in words for the user, for a value that is none."""
    named = dict(labels)
    balancers = tuple(dict.fromkeys(each.strip() for each in named.get(GROUP, "").split(",") if each.strip()))
    if not balancers:
        return ()
    by_index: dict[int, dict[str, str]] = {}
    for label, value in labels:
        if found := _LABEL.fullmatch(label):
            by_index.setdefault(int(found["index"]), {})[found["name"]] = value
    names = [port.name for port in ports if port.protocol is Protocol.TCP]
    routes: list[Route] = []
    for index in sorted(by_index):
        own = by_index[index]
        if own.get("ENABLED", "true").lower() not in TRUE:
            continue
        if index >= len(names):
            raise ValueError(f"HAPROXY_{index}_…: there are {len(names)} tcp ports, counted from 0; wanted one of them")
        routes += _of_one(index, own, names[index], balancers)
    return tuple(routes)


def _of_one(index: int, own: dict[str, str], port: str, balancers: tuple[str, ...]) -> list[Route]:
    """The routes of a port: one for its hosts, one for its port of the balancer."""
    hosts = tuple(host.strip().lower() for host in own.get("VHOST", "").split(",") if host.strip())
    mode = _word(
        index, own, "MODE", {mode.value: mode for mode in RouteMode}, RouteMode.HTTP if hosts else RouteMode.TCP
    )
    common = Route(
        port=port,
        balance=_word(index, own, "BALANCE", _BALANCES, Balance.ROUNDROBIN),
        is_sticky=own.get("STICKY", "false").lower() in TRUE and mode is RouteMode.HTTP,
        balancers=balancers,
    )
    routes: list[Route] = []
    if hosts:
        tls = Tls.ONLY if own.get("REDIRECT_TO_HTTPS", "false").lower() in TRUE else Tls.ALSO
        routes.append(replace(common, hosts=hosts, path=own.get("PATH", "/"), tls=tls))
    if "PORT" in own:
        if not re.fullmatch(r"[0-9]{1,5}", own["PORT"]):
            raise ValueError(f"HAPROXY_{index}_PORT: wanted a port from 1 to 65535; got {own['PORT']!r}")
        routes.append(replace(common, mode=mode, listen=int(own["PORT"])))
    return routes


def _word(index: int, own: dict[str, str], name: str, words: dict[str, Any], default: Any) -> Any:
    if name not in own:
        return default
    if own[name].lower() not in words:
        raise ValueError(f"HAPROXY_{index}_{name}: wanted one of {', '.join(words)}; got {own[name]!r}")
    return words[own[name].lower()]
