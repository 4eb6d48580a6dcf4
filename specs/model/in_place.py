"""The in-place settings: those of a container that a running task is given when they change, without a new container.

They are how a task is looked after while it runs and as it stops; and where its image comes from, which only its next
start asks. Which they are, each field of a Container declares (specs.model.declared).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NewType

from specs.model.declared import Effect, with_effect
from specs.model.stack import Container

InPlaceSettings = NewType("InPlaceSettings", Container)
"""A container that has nothing but in-place settings: all its other fields have their defaults."""
DEFAULT_SETTINGS = InPlaceSettings(Container())

_FIELDS = with_effect(Container, Effect.IN_PLACE)


def in_place_settings(container: Container) -> InPlaceSettings:
    """The in-place settings of a container."""
    return InPlaceSettings(with_settings(Container(), container))


def with_settings(container: Container, settings: Container) -> Container:
    """The same container with other in-place settings."""
    return replace(container, **{name: getattr(settings, name) for name in _FIELDS})
