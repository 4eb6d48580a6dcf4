"""How a group is changed, as files say it: `update`, `rollback`, and compose's `update_config`, `rollback_config`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import fields as fields_of
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from specs.file.fields import Field, Found, Table
from specs.file.health_forms import DURATION
from specs.file.kinds import VARIABLE, Choice, Parsed, Schema
from specs.file.reader import Reader, Unreadable
from specs.file.source import Mapping, Node, Scalar, Sequence, describe
from specs.file.values import parse_seconds
from specs.model.limits import MAX_SECONDS
from specs.model.update import OnFailure, Order, Share, Step, Update

WANTED_SHARE = "a number of tasks as 2, or per cent of the instances as 25%"
_WANTED_STEP = "a step: a number of tasks as 1, per cent as 25%, pause, or pause 10m"
_SHARE = re.compile(r"([0-9]{1,9})(\s*%)?")
_SHARE_PATTERN = r"^[0-9]{1,9}\s*%?$"
_PAUSE = re.compile(r"pause(\s+(?P<hold>.*))?", re.DOTALL)


def parse_share(text: str) -> Share:
    """A number of tasks, or per cent of a group's instances: "5", "25%"."""
    found = _SHARE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"wanted {WANTED_SHARE}; got {text!r}")
    number = int(found[1])
    return Share(percent=number) if found[2] else Share(count=number)


def _parallelism(text: str) -> Share:
    share = parse_share(text)
    if share == Share() and "%" in text:
        raise ValueError(f"wanted at least 1%, or 0 for all at once; got {text!r}")
    return share


def _amount(text: str) -> Share:
    share = parse_share(text)
    if share == Share():
        raise ValueError(f"wanted at least one task, or 1%; got {text!r}")
    return share


def _hold(text: str) -> float:
    seconds = parse_seconds(text)
    if not seconds:
        raise ValueError(f"wanted a pause of more than 0s, or pause alone for until it is promoted; got {text!r}")
    return seconds


def _step(text: str) -> Step:
    pause = _PAUSE.fullmatch(text.strip())
    if pause:
        return Step(hold_seconds=_hold(pause["hold"].strip()) if pause["hold"] else 0.0)
    if not _SHARE.fullmatch(text.strip()):
        raise ValueError(f"wanted {_WANTED_STEP}; got {text!r}")
    return Step(until=_amount(text))


def _ratio(text: str) -> Share:
    wanted = "a number from 0 to 1 in whole hundredths, as 0.25"
    try:
        percent = Decimal(text.strip()) * 100
    except InvalidOperation:
        raise ValueError(f"wanted {wanted}; got {text!r}") from None
    if not percent.is_finite() or not 0 <= percent <= 100 or percent != int(percent):
        raise ValueError(f"wanted {wanted}; got {text!r}")
    return Share(percent=int(percent))


class Steps:
    """A list of amounts and pauses. Gives one Step each; a pause may be a text or a mapping, {pause: 10m}."""

    def read(self, reader: Reader, node: Node) -> tuple[Step, ...]:
        if not isinstance(node, Sequence) or not node.items:
            reader.fail(node, f"wanted a list of steps, as [1, pause 10m, 25%, pause, 100%]; got {describe(node)}")
        return tuple(reader.each(partial(self._one, reader, item) for item in node.items))

    @staticmethod
    def _one(reader: Reader, node: Node) -> Step:
        if not isinstance(node, Mapping):
            return reader.parsed(node, _step, _WANTED_STEP)
        if list(node.values) != ["pause"]:
            got = ", ".join(node.values) or "nothing"
            reader.fail(node, f"wanted pause alone in a step that is a mapping, as {{pause: 10m}}; got {got}")
        hold = node.values["pause"]
        if isinstance(hold, Scalar) and hold.is_null:
            return Step()
        return Step(hold_seconds=reader.parsed(hold, _hold, "how long to pause, as 10m"))

    def schema(self) -> Schema:
        text = {"type": ["integer", "string"], "minimum": 1, "pattern": rf"^[0-9]{{1,9}}\s*%?$|^pause(\s|$)|{VARIABLE}"}
        pause = {
            "type": "object",
            "required": ["pause"],
            "properties": {"pause": {"type": ["string", "null"]}},
            "additionalProperties": False,
        }
        return {"type": "array", "minItems": 1, "items": {"anyOf": [text, pause]}}


_TYPES = ("integer", "string")
_SHARES = Parsed(parse_share, WANTED_SHARE, _TYPES, _SHARE_PATTERN)
_PARALLELISM = Parsed(_parallelism, WANTED_SHARE, _TYPES, _SHARE_PATTERN)
_CANARY = Parsed(_amount, WANTED_SHARE, _TYPES, _SHARE_PATTERN)
_ORDER = Choice({order.value: order for order in Order})
_GOING_BACK = {"rollback": "is refused: a rollback that fails cannot be rolled back; write pause or continue"}
_BACK_FAILED = Choice({one.value: one for one in OnFailure if one is not OnFailure.ROLLBACK}, _GOING_BACK)
_FAILED = Choice({one.value: one for one in OnFailure})

_PACE = (
    Field(
        "parallelism",
        _PARALLELISM,
        "parallelism",
        "So many slots at most are changed at a time, rounded up; 0: all (25%).",
    ),
    Field(
        "min_healthy",
        _SHARES,
        "min_healthy",
        "So many tasks stay ready, rounded up (start-first: all; stop-first: all but parallelism).",
    ),
    Field("max_surge", _SHARES, "max_surge", "So many tasks at most beyond the instances, rounded down (25%)."),
    Field(
        "order",
        _ORDER,
        "order",
        "start-first or stop-first (start-first where two tasks of a slot can be beside each other).",
    ),
    Field("wait", DURATION, "wait_seconds", "A new task counts once it has been ready for so long (0s)."),
    Field("monitor", DURATION, "monitor_seconds", "A task that fails so soon after it was ready is a failure (5s)."),
    Field("deadline", DURATION, "deadline_seconds", "Without progress for so long it has failed; 0s: never (10m)."),
    Field("max_failures", _SHARES, "max_failures", "With more failed tasks than these, rounded up, it has failed (2)."),
)
UPDATE = Table(
    "update",
    (
        *_PACE,
        Field("on_failure", _FAILED, "on_failure", "When it has failed: rollback, pause or continue (pause)."),
        Field("steps", Steps(), "steps", "How far it goes, and where it pauses: 1, 25%, pause, pause 10m (none)."),
        Field("canary", _CANARY, "canary", "So many first, the rest once promoted: the steps [N, pause, 100%] (none)."),
    ),
)
_NO_STEPS = "{} is refused: going back has no steps; it goes at the pace of parallelism"
ROLLBACK = Table(
    "rollback",
    (*_PACE, Field("on_failure", _BACK_FAILED, "on_failure", "When it fails in turn: pause or continue (pause).")),
    {key: _NO_STEPS.format(key) for key in ("steps", "canary")},
)


def _compose(what: str, failed: Choice) -> Table:
    return Table(
        what,
        (
            Field("parallelism", _PARALLELISM, "parallelism", "As update.parallelism; 0 is all at once (1)."),
            Field("delay", DURATION, "wait_seconds", "As update.wait (0s)."),
            Field("failure_action", failed, "on_failure", f"As update.on_failure: {', '.join(failed.words)} (pause)."),
            Field("monitor", DURATION, "monitor_seconds", "As update.monitor (5s)."),
            Field(
                "max_failure_ratio",
                Parsed(_ratio, "a number from 0 to 1", ("number", "string"), r"^[0-9]*\.?[0-9]+$"),
                "max_failures",
                "As update.max_failures, 0.25 for 25% (0).",
            ),
            Field("order", _ORDER, "order", "As update.order (stop-first)."),
        ),
    )


UPDATE_CONFIG = _compose("update_config", _FAILED)
ROLLBACK_CONFIG = _compose("rollback_config", _BACK_FAILED)
_COMPOSE_DEFAULTS = {"parallelism": Share(count=1), "order": Order.STOP_FIRST, "max_failures": Share()}


@dataclass(frozen=True, slots=True)
class Pace:
    """One of the mappings, whole. Gives an Update, each of its fields located at (target.field,).

    `is_compose`: what the mapping leaves out has compose's default. It knows no deadline: ten minutes more
    than delay or monitor.
    """

    table: Table
    target: str
    is_compose: bool = False

    def read(self, reader: Reader, node: Node) -> Update:
        before = reader.faults.count
        found = self.table.read(reader, node)
        if "canary" in found and "steps" in found:
            steps = found["steps"].node
            reader.note(
                found["canary"].node,
                "canary: N stands for the steps [N, pause, 100%]; keep one of them. The steps are at "
                f"{steps.place or steps.path}",
            )
        if reader.faults.count > before:
            raise Unreadable
        self._locate(reader, node, found)
        values: dict[str, Any] = {name: one.value for name, one in found.items()}
        if "canary" in values:
            values["steps"] = (Step(until=values.pop("canary")), Step(), Step(until=Share(percent=100)))
        if self.is_compose:
            longest = max(values.get("wait_seconds", 0.0), values.get("monitor_seconds", 0.0))
            deadline = min(Update().deadline_seconds + longest, MAX_SECONDS)
            values = {**_COMPOSE_DEFAULTS, "deadline_seconds": deadline, **values}
        return Update(**values)

    def _locate(self, reader: Reader, node: Node, found: dict[str, Found]) -> None:
        for field in fields_of(Update):
            one = found.get(field.name)
            reader.locate((f"{self.target}.{field.name}",), one.node if one else node)
        if "canary" in found:
            reader.locate((f"{self.target}.steps", 0), found["canary"].node)
        steps = found["steps"].node if "steps" in found else None
        for index, item in enumerate(steps.items if isinstance(steps, Sequence) else ()):
            reader.locate((f"{self.target}.steps", index), item)

    def schema(self) -> Schema:
        schema = self.table.schema()
        return {**schema, "not": {"required": ["steps", "canary"]}} if self.table is UPDATE else schema
