"""Stack files as texts: loaded, or refused with the errors that people read."""

from __future__ import annotations

import pytest

from specs.file.load import load_stack
from specs.model.errors import StackError
from specs.model.stack import Container, Group, Stack

VARIABLES = {"TAG": "1.10", "EMPTY": "", "COUNT": "3"}


def load(text: str, **more: object) -> Stack:
    return load_stack(text, name="s", file="s.yml", variables=VARIABLES, **more)  # type: ignore[arg-type]


def service(body: str) -> Group:
    """The one group of a service `web` with an image and these lines, in flow style."""
    stack = load(f"services:\n  web: {{image: a, {body}}}\n")
    assert len(stack.groups) == 1
    return stack.groups[0]


def container(body: str) -> Container:
    return service(body).container


def told(text: str, **more: object) -> list[str]:
    with pytest.raises(StackError) as caught:
        load(text, **more)
    return [str(fault) for fault in caught.value.faults]
