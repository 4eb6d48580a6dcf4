"""Health checks: ours (`health`) and compose's (`healthcheck`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from specs.fields import Field, Table
from specs.kinds import Boolean, Command, Integer, Parsed, Schema, Text
from specs.limits import MAX_FAILURES
from specs.reader import Reader, Unreadable
from specs.source import Node, Scalar, Sequence
from specs.stack import CheckKind, HealthCheck
from specs.values import WANTED_DURATION, parse_seconds

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(us|ms|s|m|h|d))+$"
DURATION = Parsed(parse_seconds, WANTED_DURATION, pattern=DURATION_PATTERN)
_FAILURES = Integer(0, MAX_FAILURES)


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


HEALTH = Table(
    "a health check",
    (
        Field("http", Text("a path that begins with /"), "path", "Healthy if GET on this path answers 200..399."),
        Field("tcp", TcpPort(), "tcp", "Healthy if a connection to this port (a name, or true) succeeds."),
        Field("command", Command(shell=True), "command", "Healthy if this command exits with 0 in the container."),
        Field("port", Text("a port's name"), "port", "The name of the port to check; needed where there are several."),
        Field("interval", DURATION, "interval_seconds", "Time between two checks (10s)."),
        Field("timeout", DURATION, "timeout_seconds", "A check that takes longer has failed (5s)."),
        Field("grace", DURATION, "grace_seconds", "Failures so early after the start do not count (30s)."),
        Field("failures", _FAILURES, "failures", "So many failures in a row stop the task; 0: never (3)."),
    ),
)


class Health:
    """The mapping `health`. Gives a HealthCheck whose `port` may still be empty."""

    def read(self, reader: Reader, node: Node) -> HealthCheck:
        before = reader.faults.count
        found = HEALTH.read(reader, node)
        if reader.faults.count > before:
            raise Unreadable
        kinds = [name for name in ("path", "tcp", "command") if name in found]
        if len(kinds) != 1:
            got = " and ".join("http" if name == "path" else name for name in kinds) or "none of them"
            reader.fail(node, f"wanted one of http, tcp and command; got {got}")
        values: dict[str, Any] = {name: one.value for name, one in found.items()}
        if tcp := values.pop("tcp", ""):
            if values.get("port", tcp) != tcp:
                reader.fail(node, f"wanted one port; got tcp: {tcp} and port: {values['port']}")
            values["port"] = tcp
        if kinds == ["command"] and "port" in values:
            reader.fail(found["port"].node, "a command checks no port; leave port out")
        kind = {"path": CheckKind.HTTP, "tcp": CheckKind.TCP, "command": CheckKind.COMMAND}[kinds[0]]
        for name in ("interval_seconds", "timeout_seconds"):
            if name in found and not found[name].value:
                reader.fail(found[name].node, "wanted more than 0s")
        return HealthCheck(kind=kind, **values)

    def schema(self) -> Schema:
        kinds = [{"required": ["http"]}, {"required": ["tcp"]}, {"required": ["command"]}]
        return {**HEALTH.schema(), "oneOf": kinds}


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
        Field("interval", DURATION, "interval_seconds", "Time between two checks (30s)."),
        Field("timeout", DURATION, "timeout_seconds", "A check that takes longer has failed (30s)."),
        Field("retries", _FAILURES, "failures", "So many failures in a row stop the task (3)."),
        Field("start_period", DURATION, "grace_seconds", "Failures so early after the start do not count (0s)."),
        Field("disable", Boolean(), "disable", "No check at all."),
    ),
    {"start_interval": "start_interval is refused: the interval is the same from the start; leave it out"},
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
