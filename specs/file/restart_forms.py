"""When and how an ended task is followed by another: our `restart`, and compose's `restart_policy`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from specs.file.fields import Field, Found, Nested, Table
from specs.file.health_forms import DURATION, DURATION_PATTERN
from specs.file.kinds import Choice, Integer, Parsed, Schema
from specs.file.reader import Reader, Unreadable
from specs.file.source import Node, Scalar
from specs.file.values import WANTED_DURATION, parse_seconds
from specs.model.limits import MAX_ATTEMPTS, MAX_FACTOR
from specs.model.stack import Restart
from specs.rules.restart_rules import WANTED_FACTOR

_WORDS = {
    "always": Restart.ALWAYS,
    "on-failure": Restart.ON_FAILURE,
    "never": Restart.NEVER,
    "no": Restart.NEVER,
    "unless-stopped": Restart.ALWAYS,
}
_COUNTED = re.compile(r"on-failure:([0-9]{1,9})")
_ATTEMPTS = Integer(0, MAX_ATTEMPTS)


def _factor(text: str) -> float:
    factor = float(text) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) else 0.0
    if not 1 <= factor <= MAX_FACTOR:
        raise ValueError(f"wanted {WANTED_FACTOR}; got {text!r}")
    return factor


def _window(text: str) -> float:
    seconds = parse_seconds(text)
    if not seconds:
        raise ValueError("wanted more than 0s; got 0s")
    return seconds


_WINDOW = Parsed(_window, WANTED_DURATION, pattern=DURATION_PATTERN)

RESTART = Table(
    "restart",
    (
        Field(
            "policy",
            Choice(_WORDS),
            "restart",
            "When an ended task is followed by another: always, on-failure, never (always).",
        ),
        Field("delay", DURATION, "retry.delay_seconds", "The wait after the first failure (1s)."),
        Field(
            "factor",
            Parsed(_factor, WANTED_FACTOR, ("number", "string"), r"^[0-9]+(\.[0-9]+)?$"),
            "retry.factor",
            "Each further failure makes the wait so many times as long (1.15).",
        ),
        Field("max_delay", DURATION, "retry.max_delay_seconds", "The longest wait (5m)."),
        Field(
            "attempts",
            _ATTEMPTS,
            "retry.attempts",
            "After so many further tasks that failed in a row a slot is given up; 0: never (0).",
        ),
        Field(
            "window",
            _WINDOW,
            "retry.window_seconds",
            "A task that ran for so long has run well; so long without a failure halves the wait (5m).",
        ),
    ),
)
RESTART_POLICY = Table(
    "deploy.restart_policy",
    (
        Field(
            "condition",
            Choice({"any": Restart.ALWAYS, "on-failure": Restart.ON_FAILURE, "none": Restart.NEVER}),
            "restart",
            "As restart: any is always, none is no.",
        ),
        Field("delay", DURATION, "retry.delay_seconds", "As restart.delay; it grows here (1s)."),
        Field("max_attempts", _ATTEMPTS, "retry.attempts", "As restart.attempts (0)."),
        Field("window", _WINDOW, "retry.window_seconds", "As restart.window (5m)."),
    ),
)


class Restarts(Nested):
    """A word, or a mapping."""

    def __init__(self) -> None:
        super().__init__(RESTART)

    def read(self, reader: Reader, node: Node) -> Mapping[str, Found]:
        """The targets that it sets. Mistakes are noted."""
        if not isinstance(node, Scalar) or node.is_null:
            return self.table.read(reader, node)
        try:
            restart, attempts = reader.parsed(node, _parse, "one of " + ", ".join(_WORDS))
        except Unreadable:
            reader.failed |= {"restart", "retry.attempts"}
            return {}
        found = {"restart": Found(restart, node)}
        return found if attempts is None else {**found, "retry.attempts": Found(attempts, node)}

    def schema(self) -> Schema:
        words = "|".join(_WORDS)
        return {
            "anyOf": [
                {"type": "string", "pattern": rf"^({words}|on-failure:[0-9]+)$|\$"},
                self.table.schema(),
            ]
        }


def _parse(text: str) -> tuple[Restart, int | None]:
    """The policy, and the attempts where the word has them."""
    if counted := _COUNTED.fullmatch(text):
        if int(counted[1]) > MAX_ATTEMPTS:
            raise ValueError(f"wanted at most {MAX_ATTEMPTS} attempts; got {text!r}")
        return Restart.ON_FAILURE, int(counted[1])
    if text not in _WORDS:
        raise ValueError(f"wanted one of {', '.join(_WORDS)}; got {text!r}")
    return _WORDS[text], None
