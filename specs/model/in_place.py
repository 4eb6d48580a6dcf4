"""The care that the executor takes of a task: the settings that need no other container when they change."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from specs.model.stack import Container, HealthCheck, Hook, MetricsPage, Pull, Stop

_USUAL = Container()


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """How a task is looked after while it runs and as it stops, and whence its image comes, which only its next start
    asks. Fields and defaults are those of a Container."""

    health: HealthCheck | None = None
    ready: HealthCheck | None = None
    metrics: MetricsPage | None = None
    stop: Stop = _USUAL.stop
    pre_stop: tuple[Hook, ...] = ()
    pull: Pull = _USUAL.pull
    pull_timeout_seconds: float = _USUAL.pull_timeout_seconds


_FIELDS = tuple(field.name for field in fields(Care))


def care_of(container: Container) -> Care:
    """The care that the settings ask for."""
    return Care(**{name: getattr(container, name) for name in _FIELDS})


def with_care(container: Container, care: Care) -> Container:
    """The same container with another care."""
    return replace(container, **{name: getattr(care, name) for name in _FIELDS})
