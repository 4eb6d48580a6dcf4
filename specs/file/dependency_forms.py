"""Dependencies of a service: `links` and `depends_on`."""

from __future__ import annotations

from functools import partial

from specs.file.kinds import VARIABLE, Schema
from specs.file.reader import Reader
from specs.file.source import Mapping, Node, Sequence, describe
from specs.file.values import parse_boolean, parse_signal
from specs.model.stack import Condition, Dependency, OnChange
from specs.suggestions import did_you_mean

CONDITIONS = {
    "service_started": Condition.STARTED,
    "service_healthy": Condition.HEALTHY,
    "service_completed_successfully": Condition.COMPLETED,
    **{condition.value: condition for condition in Condition},
}


class Links:
    """A list of services, each started before this one, and found under its own name."""

    def read(self, reader: Reader, node: Node) -> tuple[Dependency, ...]:
        if not isinstance(node, Sequence):
            reader.fail(node, f"wanted a list of services; got {describe(node)}")
        return _distinct(reader, reader.readable(partial(_link, reader, item) for item in node.items))

    def schema(self) -> Schema:
        return {"type": "array", "items": {"type": "string"}}


_Read = tuple[Dependency, Node]


def _plain(reader: Reader, node: Node) -> _Read:
    return Dependency(service=reader.text(node, "the name of a service")), node


def _link(reader: Reader, node: Node) -> _Read:
    service, colon, alias = reader.text(node, "the name of a service").partition(":")
    if colon and alias != service:
        reader.fail(
            node, f"gives {service} the alias {alias!r}; a service is found under its own name: write {service} alone"
        )
    return Dependency(service=service), node


class DependsOn:
    """A list of services, or a mapping of services to conditions."""

    def read(self, reader: Reader, node: Node) -> tuple[Dependency, ...]:
        if isinstance(node, Sequence):
            return _distinct(reader, reader.readable(partial(_plain, reader, item) for item in node.items))
        if not isinstance(node, Mapping):
            reader.fail(
                node, f"wanted a list of services, or a mapping of services to conditions; got {describe(node)}"
            )
        items = (partial(_condition, reader, name, value) for name, value in node.values.items())
        return _one_signal(reader, _distinct(reader, reader.readable(items)), node)

    def schema(self) -> Schema:
        long = {
            "type": "object",
            "required": ["condition"],
            "properties": {
                "condition": {"enum": list(CONDITIONS)},
                "on_change": {"anyOf": [_ON_CHANGE, {"type": "object", "required": ["signal"], **_SIGNAL}]},
                "restart": {"type": "boolean"},
                "required": {"const": True},
            },
            "additionalProperties": False,
        }
        return {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}},
                {"type": "object", "additionalProperties": {"anyOf": [{"enum": list(CONDITIONS)}, long]}},
            ]
        }


_ON_CHANGE = {
    "type": "string",
    "pattern": rf"^(none|restart|signal \S+)$|{VARIABLE}",
}
_SIGNAL = {"properties": {"signal": {"type": ["string", "integer"]}}, "additionalProperties": False}
_ENDING = ("SIGKILL", "SIGSTOP")
_KEYS = ["condition", "on_change", "restart", "required"]


def _condition(reader: Reader, service: str, node: Node) -> _Read:
    if not isinstance(node, Mapping):
        return Dependency(service=service, condition=_word(reader, node)), node
    condition, on_change, name = Condition.STARTED, OnChange.NONE, ""
    if "restart" in node.values and "on_change" in node.values:
        reader.fail(
            node.values["restart"], "restart is compose's word for on_change: restart; leave one of the two out"
        )
    for key, value in node.values.items():
        if key == "condition":
            condition = _word(reader, value)
        elif key == "on_change":
            on_change, name = _on_change(reader, value)
        elif key == "restart":
            on_change = OnChange.RESTART if reader.parsed(value, parse_boolean, "true or false") else OnChange.NONE
        elif key == "required":
            if not reader.parsed(value, parse_boolean, "true or false"):
                reader.fail(value, "required: false is refused: a needed service is always required; leave it out")
        elif not key.startswith("x-"):
            reader.fail(value, f"unknown key {key!r} in a dependency{did_you_mean(key, _KEYS)}")
    return Dependency(service=service, condition=condition, on_change=on_change, signal=name), node


def _on_change(reader: Reader, node: Node) -> tuple[OnChange, str]:
    """The reaction to a change, and the name of the signal where it is one."""
    if isinstance(node, Mapping):
        if list(node.values) != ["signal"]:
            got = ", ".join(node.values) or "nothing"
            reader.fail(node, f"wanted signal alone in an on_change that is a mapping, as {{signal: HUP}}; got {got}")
        return OnChange.SIGNAL, _signal(reader, node.values["signal"], reader.text(node.values["signal"], "a signal"))
    word = reader.text(node, "what follows a change")
    kind, _, rest = word.partition(" ")
    if kind == "signal":
        return OnChange.SIGNAL, _signal(reader, node, rest.strip())
    if word not in (OnChange.NONE, OnChange.RESTART):
        reader.fail(node, f"wanted none, restart, or signal with a name, as `signal HUP`; got {word!r}")
    return OnChange(word), ""


def _signal(reader: Reader, node: Node, text: str) -> str:
    try:
        name = parse_signal(text)
    except ValueError as error:
        reader.fail(node, str(error))
    if name in _ENDING:
        reader.fail(node, f"{name} cannot be heeded, it just ends or halts the task; use restart")
    return name


def _word(reader: Reader, node: Node) -> Condition:
    word = reader.text(node, "a condition")
    if word not in CONDITIONS:
        reader.fail(node, f"wanted one of {', '.join(CONDITIONS)}; got {word!r}")
    return CONDITIONS[word]


def _one_signal(reader: Reader, found: tuple[Dependency, ...], node: Node) -> tuple[Dependency, ...]:
    signals = sorted({each.signal for each in found if each.signal})
    if len(signals) > 1:
        reader.note(node, f"wanted one signal, whatever was changed; got {', '.join(signals)}")
    return found


def _distinct(reader: Reader, read: list[_Read]) -> tuple[Dependency, ...]:
    first: dict[str, Node] = {}
    for dependency, node in read:
        if dependency.service in first:
            other = first[dependency.service]
            message = f"{dependency.service} stands here a second time; the first is at {other.place or other.path}"
            reader.note(node, message)
            continue
        first[dependency.service] = node
        reader.locate(("dependencies", dependency.service), node)
    return tuple(dependency for dependency, node in read if first[dependency.service] is node)


def combined(links: tuple[Dependency, ...], depends_on: tuple[Dependency, ...]) -> tuple[Dependency, ...]:
    """Both lists as one, sorted by service. What depends_on says of a service holds."""
    by_service = {dependency.service: dependency for dependency in (*links, *depends_on)}
    return tuple(by_service[service] for service in sorted(by_service))
