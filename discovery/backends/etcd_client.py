"""etcd, version 3, by its JSON gateway: no more of it than endpoints need.

Not by gRPC: its library is compiled, and larger than the whole archive that agents fetch. etcd serves the gateway
beside gRPC, on the same port.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests

from discovery.backends.publisher import Away, BackendRefused
from specs.urls import Url

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 5.0
PAGE = 1000
"""Limit on keys in one request."""
PASSING = (1, 4, 8, 14)
"""gRPC's codes of temporary failures: cancelled, too late, too much at once, no leader."""
NOT_FOUND = 5


class LeaseLost(Away):
    """The lease has run out, and what was attached to it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A key and what it holds; `revision` changes with each write, `lease` is 0 for none."""

    key: str
    value: bytes
    revision: int
    lease: int


class Client:
    """A connection to whichever member answers. For one thread. Every call raises Away, or BackendRefused."""

    def __init__(self, url: Url) -> None:
        self._members = [f"http://{host}:{port}" for host, port in url.hosts]
        self._session = requests.Session()
        # Nothing of the environment: a proxy for the world outside is none for this.
        self._session.trust_env = False

    def get(self, key: str) -> Pair | None:
        """The pair with this key, None without one."""
        found = self.call("/v3/kv/range", {"key": encoded(key)}).get("kvs", [])
        return pair(found[0]) if found else None

    def below(self, prefix: str, is_keys_only: bool = False) -> list[Pair]:
        """All pairs whose keys begin with the prefix, by key."""
        found: list[Pair] = []
        begin, end = prefix, _after(prefix)
        while True:
            body = {"key": encoded(begin), "range_end": end, "limit": str(PAGE), "keys_only": is_keys_only}
            answer = self.call("/v3/kv/range", body)
            found += [pair(each) for each in answer.get("kvs", [])]
            if not answer.get("more"):
                return found
            begin = found[-1].key + "\0"

    def put(self, key: str, value: bytes, lease: int = 0) -> None:
        """Writes a key, for good or for as long as the lease lasts."""
        content = {"key": encoded(key), "value": base64.b64encode(value).decode(), "lease": str(lease)}
        self.call("/v3/kv/put", content)

    def delete(self, key: str) -> None:
        """Deletes the key."""
        self.call("/v3/kv/deleterange", {"key": encoded(key)})

    def delete_below(self, prefix: str) -> None:
        """Deletes all keys that begin with the prefix."""
        self.call("/v3/kv/deleterange", {"key": encoded(prefix), "range_end": _after(prefix)})

    def transact(
        self, compare: dict[str, Any], then: Sequence[dict[str, Any]], otherwise: Sequence[dict[str, Any]] = ()
    ) -> tuple[bool, list[dict[str, Any]]]:
        """Whether the comparison held, and the answers to the operations performed."""
        answer = self.call("/v3/kv/txn", {"compare": [compare], "success": list(then), "failure": list(otherwise)})
        return bool(answer.get("succeeded")), answer.get("responses", [])

    def grant(self, seconds: int) -> int:
        """A new lease."""
        answer = self.call("/v3/lease/grant", {"TTL": str(seconds)})
        if "ID" not in answer:
            raise BackendRefused("what answers there is no etcd")
        return int(answer["ID"])

    def keep_alive(self, lease: int) -> bool:
        """Renews the lease; whether there still is one."""
        answer = self.call("/v3/lease/keepalive", {"ID": str(lease)}).get("result", {})
        return int(answer.get("TTL", 0)) > 0

    def revoke(self, lease: int) -> None:
        """Ends the lease, and with it all keys that are attached to it."""
        self.call("/v3/lease/revoke", {"ID": str(lease)})

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer of the first member that can be reached, which is then tried first."""
        why = ""
        for _ in self._members:
            try:
                answer = self._session.post(
                    self._members[0] + path, json=body, timeout=(CONNECT_SECONDS, ANSWER_SECONDS)
                )
                return _understood(answer)
            except (requests.RequestException, ValueError) as error:
                why = why or type(error).__name__
            except LeaseLost:
                raise
            except Away as error:
                why = why or str(error)
            self._members.append(self._members.pop(0))
        raise Away(why)


def encoded(key: str) -> str:
    """A key in the gateway's form."""
    return base64.b64encode(key.encode()).decode()


def pair(plain: dict[str, Any]) -> Pair:
    """A key and its value, out of the gateway's form, which leaves out what is empty or 0."""
    return Pair(
        key=base64.b64decode(plain["key"]).decode(errors="replace"),
        value=base64.b64decode(plain.get("value", "")),
        revision=int(plain["mod_revision"]),
        lease=int(plain.get("lease", 0)),
    )


def _after(prefix: str) -> str:
    """The end of all that begins so: the prefix with its last byte raised by one. It ends with a plain character."""
    return encoded(prefix[:-1] + chr(ord(prefix[-1]) + 1))


def _understood(answer: requests.Response) -> dict[str, Any]:
    # A stream's answers are a line each, of which there is one.
    plain = answer.json()
    if answer.ok and "error" not in plain:
        return dict(plain)
    message = plain.get("message") or str(plain.get("error"))
    if plain.get("code") == NOT_FOUND and "lease" in message:
        raise LeaseLost(message)
    if plain.get("code") in PASSING or answer.status_code in (502, 503, 504):
        raise Away(message)
    raise BackendRefused(message)
