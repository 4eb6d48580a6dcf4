"""Health checks: ours (`health`, `ready`) and compose's (`healthcheck`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from specs.file.fields import Field, Found, Table
from specs.file.kinds import Boolean, Choice, Command, Integer, Pairs, Parsed, Schema, Text
from specs.file.reader import Reader, Unreadable
from specs.file.source import Node, Scalar, Sequence
from specs.file.values import WANTED_DURATION, parse_seconds
from specs.model.limits import MAX_FAILURES
from specs.model.stack import CheckKind, HealthCheck

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(us|ms|s|m|h|d))+$"
DURATION = Parsed(parse_seconds, WANTED_DURATION, pattern=DURATION_PATTERN)
_FAILURES = Integer(0, MAX_FAILURES)
_SUCCESSES = Integer(1, MAX_FAILURES)
_KINDS = {"http": CheckKind.HTTP, "https": CheckKind.HTTPS, "tcp": CheckKind.TCP, "command": CheckKind.COMMAND}
CHECK_KEYS = frozenset(_KINDS)
"""The keys of which a check has one."""
_OF_HTTP = ("method", "headers", "codes")
_CODES = re.compile(r"([0-9]{3})(?:-([0-9]{3}))?")
_WANTED_CODES = "a status code from 100 to 599, or a range, as 200-299"


@dataclass(frozen=True, slots=True)
class TcpPort:
    """The port to connect to: its name, or true for the one that `port` names."""

    def read(self, reader: Reader, node: Node) -> str:
        if isinstance(node, Scalar) and node.is_boolean:
            if node.text.lower() == "true":
                return ""
            reader.fail(node, "wanted a port's name, or true; got false: leave tcp out instead")
        return Text("a port's name, or true").read(reader, node)

    def schema(self) -> Schema:
        return {"anyOf": [{"type": ["string", "integer"]}, {"const": True}]}


@dataclass(frozen=True, slots=True)
class Codes:
    """Status codes: 204, 200-299, or a list of such. Gives pairs of first and last, sorted."""

    def read(self, reader: Reader, node: Node) -> tuple[tuple[int, int], ...]:
        items = node.items if isinstance(node, Sequence) else (node,)
        if not items:
            reader.fail(node, f"wanted {_WANTED_CODES}; got an empty list")
        return tuple(sorted(reader.parsed(item, self._parse, _WANTED_CODES) for item in items))

    @staticmethod
    def _parse(text: str) -> tuple[int, int]:
        found = _CODES.fullmatch(text.replace(" ", ""))
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 100 <= first <= last <= 599:
            raise ValueError(f"wanted {_WANTED_CODES}; got {text!r}")
        return first, last

    def schema(self) -> Schema:
        one: Schema = {"type": ["integer", "string"]}
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _fields(where: str, is_called: str) -> tuple[Field, ...]:
    """The fields of every check of ours; `where` is its place in the model."""
    so = is_called.title()
    return (
        Field("http", Text("a path that begins with /"), "http", f"{so} if GET on this path answers 200..399."),
        Field("https", Text("a path that begins with /"), "https", "The same over TLS, whatever the certificate."),
        Field("tcp", TcpPort(), "tcp", f"{so} if a connection to this port (a name, or true) succeeds."),
        Field("command", Command(shell=True), "command", f"{so} if this command exits with 0 in the container."),
        Field("port", Text("a port's name"), "port", "The name of the port to check; needed where there are several."),
        Field("codes", Codes(), "codes", f"Which status codes mean {is_called}: 204, 200-299, or a list (200-399)."),
        Field(
            "headers",
            Pairs(f"{where}.headers", "headers"),
            "headers",
            "Headers of the request, by name; Host too.",
        ),
        Field("method", Choice({"GET": "GET", "HEAD": "HEAD"}), "method", "GET or HEAD (GET)."),
        Field("verify", Boolean(), "verifies", "Whether a certificate must be good for the agent's address (false)."),
        Field("interval", DURATION, "interval_seconds", "Time from one check to the next (10s)."),
        Field("timeout", DURATION, "timeout_seconds", "A check that takes longer has failed (5s)."),
        Field("successes", _SUCCESSES, "successes", f"So many successes in a row make a task {is_called} (1)."),
    )


HEALTH = Table(
    "a health check",
    (
        *_fields("container.health", "healthy"),
        Field("grace", DURATION, "grace_seconds", "Failures so early after the start do not count (30s)."),
        Field(
            "start_interval",
            DURATION,
            "start_interval_seconds",
            "Time between checks within the grace, until the first success (1s).",
        ),
        Field("failures", _FAILURES, "failures", "So many failures in a row stop the task; 0: never (3)."),
    ),
)
READY = Table(
    "a readiness check",
    (
        *_fields("container.ready", "ready"),
        Field(
            "failures",
            Integer(1, MAX_FAILURES),
            "failures",
            "So many failures in a row make a task that is ready not ready; it is not stopped (3).",
        ),
    ),
    {"grace": "grace is refused: a task is not ready until the first success, however long that takes; leave it out"},
)


@dataclass(frozen=True, slots=True)
class Check:
    """The mappings `health` and `ready`. Gives a HealthCheck whose `port` may still be empty."""

    table: Table

    def read(self, reader: Reader, node: Node) -> HealthCheck:
        before = reader.faults.count
        found = self.table.read(reader, node)
        if reader.faults.count > before:
            raise Unreadable
        names = [name for name in _KINDS if name in found]
        if len(names) != 1:
            got = " and ".join(names) or "none of them"
            reader.fail(node, f"wanted one of http, https, tcp and command; got {got}")
        kind = _KINDS[names[0]]
        _fits(reader, kind, found)
        values: dict[str, Any] = {name: one.value for name, one in found.items()}
        for name in ("http", "https"):
            if name in values:
                values["path"] = values.pop(name)
        if tcp := values.pop("tcp", ""):
            if values.get("port", tcp) != tcp:
                reader.fail(node, f"wanted one port; got tcp: {tcp} and port: {values['port']}")
            values["port"] = tcp
        for name in ("interval_seconds", "timeout_seconds", "start_interval_seconds"):
            if name in found and not found[name].value:
                reader.fail(found[name].node, "wanted more than 0s")
        return HealthCheck(kind=kind, **values)

    def schema(self) -> Schema:
        return {**self.table.schema(), "oneOf": [{"required": [name]} for name in _KINDS]}


def _fits(reader: Reader, kind: CheckKind, found: dict[str, Found]) -> None:
    """Whether what is said besides means something for a check of this kind."""
    if kind is CheckKind.COMMAND and "port" in found:
        reader.fail(found["port"].node, "a command checks no port; leave port out")
    is_http = kind in (CheckKind.HTTP, CheckKind.HTTPS)
    for name in _OF_HTTP:
        if name in found and not is_http:
            reader.fail(found[name].node, f"{name} goes with http and https, this check is by {kind}; leave {name} out")
    if "verifies" in found and kind is not CheckKind.HTTPS:
        reader.fail(found["verifies"].node, f"verify goes with https, this check is by {kind}; leave verify out")


class ComposeTest:
    """`test` of a compose healthcheck: a text for the shell, or a list that begins with CMD, CMD-SHELL or NONE."""

    def read(self, reader: Reader, node: Node) -> tuple[str, ...]:
        command = Command(shell=True).read(reader, node)
        if not isinstance(node, Sequence):
            return () if command[2] == "NONE" else command
        form, arguments = command[0] if command else "", command[1:]
        if form == "NONE" and not arguments:
            return ()
        if form == "CMD" and arguments:
            return arguments
        if form != "CMD-SHELL" or len(arguments) != 1:
            wanted = 'wanted ["CMD", ARGUMENT, ...], ["CMD-SHELL", TEXT] or ["NONE"]'
            reader.fail(node, f"{wanted}; got a list of {len(command)} that begins with {form!r}")
        return ("/bin/sh", "-c", arguments[0])

    def schema(self) -> Schema:
        return Command().schema()


HEALTHCHECK = Table(
    "a compose health check",
    (
        Field("test", ComposeTest(), "command", "The command that tells."),
        Field("interval", DURATION, "interval_seconds", "Time from one check to the next (30s)."),
        Field("timeout", DURATION, "timeout_seconds", "A check that takes longer has failed (30s)."),
        Field("retries", _FAILURES, "failures", "So many failures in a row stop the task (3)."),
        Field("start_period", DURATION, "grace_seconds", "Failures so early after the start do not count (0s)."),
        Field(
            "start_interval",
            DURATION,
            "start_interval_seconds",
            "Time between checks within the start period, until the first success (1s).",
        ),
        Field("disable", Boolean(), "disable", "No check at all."),
    ),
)


class Healthcheck:
    """The mapping `healthcheck`, with compose's own defaults. None where it switches the check off."""

    def read(self, reader: Reader, node: Node) -> HealthCheck | None:
        before = reader.faults.count
        found = HEALTHCHECK.read(reader, node)
        if reader.faults.count > before:
            raise Unreadable
        values: dict[str, Any] = {name: one.value for name, one in found.items()}
        if values.pop("disable", False) or values.get("command") == ():
            return None
        if "command" not in values:
            reader.fail(node, "wanted the key test; got none: the image's own check is not used here")
        defaults = {"interval_seconds": 30.0, "timeout_seconds": 30.0, "grace_seconds": 0.0}
        return HealthCheck(kind=CheckKind.COMMAND, **{**defaults, **values})

    def schema(self) -> Schema:
        return HEALTHCHECK.schema()
