"""Texts out of templates, rendered in a process beside the executor's: what users wrote must not end an executor."""

from __future__ import annotations

from discovery.templates.render_requests import LIBRARIES, TARGET, Groups, Own, groups_request, text_request
from specs.confined import Confined, Exceeded, Unavailable

TASK_SECONDS = 10.0
"""Limit on all templates of a task together, in seconds of the clock: the task may have to stop meanwhile."""
IDLE_SECONDS = 30.0
"""A process that has rendered nothing for so long is ended."""


class TooMuch(ValueError):
    """A template takes more than it may, and would do so again."""


class TemplateRenderer:
    """Renders templates, one at a time; any thread may ask."""

    def __init__(self) -> None:
        self._confined = Confined(TARGET, LIBRARIES)

    def text(self, template: str, own: Own, groups: Groups, seconds: float = TASK_SECONDS, key: str = "") -> str:
        """The text that the template becomes. `groups` that are the same object are told to the process once; `abort`
        goes by the `key`. Raises ValueError, of which TooMuch is one, and OSError where there is no process."""
        if seconds <= 0:
            raise TooMuch(f"the templates of the task take more than {TASK_SECONDS:g} s")
        request = text_request(template, own)
        try:
            answer = self._confined.call(request, seconds, told=groups, tell=lambda: groups_request(groups), key=key)
        except Exceeded as too_much:
            raise TooMuch(f"it takes {too_much}") from None
        except Unavailable as fault:
            raise OSError(str(fault)) from None
        if "text" not in answer:
            raise ValueError(str(answer.get("fault")))
        return str(answer["text"])

    def abort(self, key: str) -> None:
        """Breaks off what is rendered with this key."""
        self._confined.abort(key)

    def rest(self) -> None:
        """Ends the process where it has not been needed for a while."""
        self._confined.close(IDLE_SECONDS)
