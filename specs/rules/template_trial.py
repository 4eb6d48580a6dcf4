"""A trial of the templates of a stack: what would take an agent too much time, memory or room is refused before.

They are rendered as an agent renders them, in a confined process of its own: neither a scheduler nor a command computes
what users wrote.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache
from types import TracebackType

from specs.confined import Confined, Exceeded, Limits, Unavailable
from specs.model.stack import Container, Template
from specs.rules.broken import Broken

# Named, not imported: only the process that renders loads it.
TARGET = "discovery.templates.confined_render"
LIBRARIES = ("jinja2", "markupsafe")
ALL_SECONDS = 20.0
"""Limit on the trial of all templates of a stack, in seconds of the clock."""
_MOST_KNOWN = 4096


class Trial:
    """The trial of one stack's templates. A context: its process ends with it."""

    def __init__(self) -> None:
        self._confined = Confined(TARGET, LIBRARIES, Limits(seconds=ALL_SECONDS))
        self._give_up_at = time.monotonic() + ALL_SECONDS
        self._is_over = False
        self._found: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}

    def __enter__(self) -> Trial:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._confined.close()

    def broken(self, container: Container) -> Iterator[Broken]:
        """The faults of the container's templates."""
        for template in container.templates:
            fault = "" if self._is_over else self._fault(template, container.environment)
            if fault:
                yield Broken(message=f"{template.target} {fault}", where=("container.templates",))

    def _fault(self, template: Template, environment: tuple[tuple[str, str], ...]) -> str:
        key = (template.content, environment)
        if key not in self._found:
            self._found[key] = self._tried(template.content, environment)
        return self._found[key]

    def _tried(self, content: str, environment: tuple[tuple[str, str], ...]) -> str:
        known = _known()
        if (content, environment) in known:
            return ""
        left = self._give_up_at - time.monotonic()
        if left <= 0:
            self._is_over = True
            return f"is not reached in a trial: the templates before it take {ALL_SECONDS:g} s, which is all there is"
        try:
            answer = self._confined.call({"trial": content, "environment": dict(environment)}, left)
        except Exceeded as too_much:
            return f"takes {too_much}, which no agent gives a template"
        except Unavailable as fault:
            return f"could not be tried: {fault}"
        if answer.get("syntax"):
            return f"cannot be understood: {answer['syntax']}"
        if answer.get("length"):
            return f"becomes too long: {answer['length']}"
        known[content, environment] = None
        while len(known) > _MOST_KNOWN:
            del known[next(iter(known))]
        return ""


@lru_cache
def _known() -> dict[tuple[str, tuple[tuple[str, str], ...]], None]:
    """Templates that were tried and found good, the oldest first: the same stack is checked again and again."""
    return {}
