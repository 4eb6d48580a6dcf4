"""Renders templates in a process beside the executor's, so that users' templates cannot end an executor."""

from __future__ import annotations

from discovery.templates.render_requests import LIBRARIES, TARGET, Groups, Own, groups_request, text_request
from specs.confined import Confined, Exceeded, Unavailable

TASK_SECONDS = 10.0
"""Limit on all templates of a task together, in seconds: the task can have to stop meanwhile."""
IDLE_SECONDS = 30.0
"""Time without work after which the process is ended."""


class TooMuch(ValueError):
    """A template takes more than it may, and would again."""


class TemplateRenderer:
    """Renders templates, one at a time; any thread can call it."""

    def __init__(self) -> None:
        self._confined = Confined(TARGET, LIBRARIES)

    def text(self, template: str, own: Own, groups: Groups, seconds: float = TASK_SECONDS, key: str = "") -> str:
        """The text of the template. The same `groups` object is sent to the process once; `abort` goes by the `key`.
        Raises ValueError, of which TooMuch is one, and OSError if there is no process."""
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
        """Cancels the rendering with this key."""
        self._confined.abort(key)

    def rest(self) -> None:
        """Ends the process if it has been idle for a while."""
        self._confined.close(IDLE_SECONDS)
