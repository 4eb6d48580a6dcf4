"""A recorded contract of Consul's agent, not Consul: what its HTTP interface is documented to take and to answer.

Recorded from https://developer.hashicorp.com/consul/api-docs/agent/service and .../agent/check as of Consul 1.17, and
as narrow as these: what the pages do not name is answered with 400. No Consul can be installed where the tests run:
they show that we ask as it is documented, not that a Consul does what is documented.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SERVICE_FIELDS: dict[str, type] = {
    "Name": str,
    "ID": str,
    "Tags": list,
    "Address": str,
    "TaggedAddresses": dict,
    "Meta": dict,
    "Namespace": str,
    "Port": int,
    "Kind": str,
    "Proxy": dict,
    "Connect": dict,
    "Check": dict,
    "Checks": list,
    "EnableTagOverride": bool,
    "Weights": dict,
}
CHECK_FIELDS: dict[str, type] = {
    "Name": str,
    "CheckID": str,
    "Interval": str,
    "Notes": str,
    "DeregisterCriticalServiceAfter": str,
    "TTL": str,
    "Status": str,
    "HTTP": str,
    "TCP": str,
    "Timeout": str,
}
DURATION = re.compile(r"(?P<number>[0-9]+)(?P<unit>ms|s|m|h)")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
META_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
MOST_META, LONGEST_META, LEAST_REMOVAL_SECONDS = 64, 512, 60.0


@dataclass
class Registered:
    service: dict[str, Any]
    passed_at: float
    is_critical: bool = False


@dataclass
class Contract:
    """The state of the agent. `now` can be moved on, `is_away` makes it break off connections."""

    services: dict[str, Registered] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    later: float = 0.0
    is_away: bool = False
    address: str = ""

    @property
    def now(self) -> float:
        return time.monotonic() + self.later

    def passing(self) -> dict[str, dict[str, Any]]:
        """The services that Consul's users would find, by id, in the form of /agent/services."""
        self._lapse()
        return {id: shown(each.service) for id, each in self.services.items() if not each.is_critical}

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """The answer to a request: the status, and JSON or a sentence."""
        self.asked.append((method, path))
        self._lapse()
        parts = urlsplit(path)
        match method, [unquote(part) for part in parts.path.split("/")[1:]]:
            case "GET", ["v1", "agent", "services"]:
                return 200, {id: shown(each.service) for id, each in self.services.items()}
            case "PUT", ["v1", "agent", "service", "register"]:
                fault = strange_query(parts.query) or register_fault(body)
                return (400, fault) if fault else self._register(json.loads(body))
            case "PUT", ["v1", "agent", "service", "deregister", id]:
                self.services.pop(id, None)
                return 200, None
            case "PUT", ["v1", "agent", "check", "pass", check]:
                found = [each for each in self.services.values() if check_id(each.service) == check]
                for each in found:
                    each.passed_at, each.is_critical = self.now, False
                return (200, None) if found else (404, f'Unknown check ID "{check}"')
        return 405, f"not in the contract: {method} {path}"

    def _register(self, service: dict[str, Any]) -> tuple[int, Any]:
        self.services[service.get("ID") or service["Name"]] = Registered(service=service, passed_at=self.now)
        return 200, None

    def _lapse(self) -> None:
        """Checks that were not passed in time are critical; services that are for long go."""
        for id, each in tuple(self.services.items()):
            check = each.service["Check"]
            late = self.now - each.passed_at - seconds(check["TTL"])
            each.is_critical = late > 0
            if late > seconds(check["DeregisterCriticalServiceAfter"]):
                del self.services[id]


def strange_query(query: str) -> str:
    """Keys that the documentation of a registration does not have."""
    strange = parse_qs(query).keys() - {"replace-existing-checks", "ns"}
    return f"unknown parameters {sorted(strange)}" if strange else ""


def register_fault(body: bytes) -> str:
    """The reason why a body is no registration, "" if it is one."""
    service = json.loads(body)
    fault = fields_fault(service, SERVICE_FIELDS) or fields_fault(service.get("Check", {}), CHECK_FIELDS)
    if fault:
        return fault
    if not service.get("Name"):
        return "Missing service name"
    if not 0 <= service.get("Port", 0) <= 65535:
        return f"Invalid port {service['Port']}"
    meta, check = service.get("Meta", {}), service["Check"]
    if len(meta) > MOST_META:
        return f"Node metadata cannot contain more than {MOST_META} key/value pairs"
    for key, value in meta.items():
        if not META_KEY.fullmatch(key) or not isinstance(value, str) or len(value) > LONGEST_META:
            return f"Couldn't load metadata pair ({key!r}, {value!r})"
    if not all(isinstance(tag, str) for tag in service.get("Tags", [])):
        return "Tags are strings"
    if not seconds(check["TTL"]) or seconds(check["DeregisterCriticalServiceAfter"]) < LEAST_REMOVAL_SECONDS:
        return f"a check that lapses: {check}"
    return "" if check.get("Status") in ("passing", "warning", "critical") else f"Status {check.get('Status')!r}"


def fields_fault(value: dict[str, Any], fields: dict[str, type]) -> str:
    """Fields that are not in the documents, or of another type."""
    strange = [name for name in value if name not in fields or type(value[name]) is not fields[name]]
    return f"invalid keys: {strange}" if strange else ""


def seconds(text: str) -> float:
    """A duration of Go's, such as 15s; 0 where it is none."""
    found = DURATION.fullmatch(text)
    return int(found["number"]) * UNITS[found["unit"]] if found else 0.0


def check_id(service: dict[str, Any]) -> str:
    """As Consul names a check that is not given a name."""
    given: str = service["Check"].get("CheckID") or f"service:{service.get('ID') or service['Name']}"
    return given


def shown(service: dict[str, Any]) -> dict[str, Any]:
    """A service as /agent/services shows it: its name is called `Service` there."""
    return {
        "ID": service.get("ID") or service["Name"],
        "Service": service["Name"],
        **{name: service.get(name) for name in ("Tags", "Meta", "Address", "Port")},
        "Weights": {"Passing": 1, "Warning": 1},
        "EnableTagOverride": False,
        "Datacenter": "dc1",
    }


@contextmanager
def serving_contract(address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[Contract]:
    """The contract behind a server; `.address` is HOST:PORT."""
    contract, lock = Contract(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if contract.is_away:
                self.close_connection = True
                return
            with lock:
                status, said = contract.answer(self.command, self.path, body)
            content = said.encode() if isinstance(said, str) else b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(address, Handler)
    server.daemon_threads = True
    contract.address = f"{server.server_address[0]!s}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield contract
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
