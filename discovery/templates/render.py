"""Text with the addresses of others in it: a template and the endpoints of the moment. Pure.

The language is Jinja's, in its sandbox. Beside the task's own names there are `endpoints(SERVICE, PORT)` and
`leader(SERVICE, PORT)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from discovery.endpoints import Endpoint, EndpointPort, reached_from_bridge
from discovery.templates.render_requests import MAX_TEXT, Groups, Own
from specs.ids import GroupId, TaskId

_HALF = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")
"""A character that no encoding has: one of the two halves of which JSON and Jinja make one beyond U+FFFF."""
_TOO_DEEP = "it is nested too deep"
_FAULTS = (
    *(TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError),
    *(RuntimeError, SyntaxError, StopIteration),
)
"""Errors that templates end in, beside MemoryError; SyntaxError of Python, where its blocks are nested too deep."""


class RenderFault(ValueError):
    """The template does not become a text: why, in words for who wrote it."""


class TooLong(RenderFault):
    """The text has more characters than an agent takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A port of a ready task. As a text it is `address:port`."""

    address: str
    port: int
    hostname: str
    name: str
    slot: int
    task: TaskId
    labels: tuple[str, ...]
    container_address: str
    container_port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Many(tuple[Reached, ...]):
    """Some ports. As a text: all of them, with commas between."""

    __slots__ = ()

    def __str__(self) -> str:
        return ",".join(str(each) for each in self)


Find = Callable[[Groups, GroupId, str, str | int, str | Sequence[str] | None], Many]
"""(endpoints, own group, service, port, labels) -> the ports that are meant."""


class Missing(StrictUndefined):
    """A name in a template that does not exist, in words for its author."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        whole, name = self._undefined_obj, self._undefined_name
        if isinstance(whole, Many) and isinstance(name, int):
            return f"there is no endpoint [{name}]: {len(whole)} ready; `{{% if endpoints(…) %}}` asks first"
        if isinstance(whole, Reached):
            return f"an endpoint has no {name}; it has {', '.join(each.name for each in fields(whole))}"
        if whole is None:
            return f"none has no {name}: leader(…) is none where no task is ready"
        return super()._undefined_message


class Renderer:
    """Templates become texts. Each is understood once."""

    def __init__(self) -> None:
        self._jinja = ImmutableSandboxedEnvironment(undefined=Missing, keep_trailing_newline=True)

    def syntax_fault(self, template: str) -> str:
        """The fault of a template before anything is put in; "" where it has none."""
        try:
            self._jinja.parse(template)
        except TemplateSyntaxError as error:
            return f"line {error.lineno}: {error.message}"
        except RecursionError:
            return _TOO_DEEP
        return ""

    def text(self, template: str, own: Own, groups: Groups, find: Find | None = None) -> str:
        """The text that the template becomes with these endpoints, found by `find`. Raises RenderFault."""
        find = find or found

        def endpoints(service: str, port: str | int = "", labels: str | Sequence[str] | None = None) -> Many:
            reached = find(groups, own.group, service, port, labels)
            return Many(_from_bridge(each) for each in reached) if own.is_bridged else reached

        def leader(service: str, port: str | int = "", labels: str | Sequence[str] | None = None) -> Reached | None:
            return min(endpoints(service, port, labels), key=lambda each: each.slot, default=None)

        try:
            text = self._jinja.from_string(template).render(
                endpoints=endpoints,
                leader=leader,
                env=own.environment,
                stack=own.group.stack,
                service=own.group.service,
                labels=own.group.labels,
                slot=own.slot,
            )
        except TemplateSyntaxError as error:
            raise RenderFault(f"line {error.lineno}: {error.message}") from None
        except UndefinedError as error:
            raise RenderFault(str(error)) from None
        except RecursionError:
            raise RenderFault(_TOO_DEEP) from None
        except _FAULTS as error:
            raise RenderFault(f"{type(error).__name__}: {error}") from None
        if len(text) > MAX_TEXT:
            raise TooLong(f"wanted at most {MAX_TEXT:,} characters, got {len(text):,}")
        if half := _HALF.search(text):
            line = text.count("\n", 0, half.start()) + 1
            raise RenderFault(
                f"U+{ord(half[0]):04X} in line {line} of what it becomes is no character, but half of one"
            )
        return text


def services_in(groups: Groups, own: GroupId, service: str, labels: str | Sequence[str] | None) -> list[GroupId]:
    """The groups that are meant: `service` of the own stack, or `stack/service`. With `labels` those that have all of
    these; without, those all of whose labels the own group has too, those with most of them first, or all where there
    is none such."""
    stack, slash, name = service.partition("/")
    stack, name = (stack, name) if slash else (own.stack, service)
    having = [group for group in groups if group.stack == stack and group.service == name]
    if labels is not None:
        wanted = {labels} if isinstance(labels, str) else set(labels)
        return sorted(group for group in having if wanted <= set(group.labels))
    fitting = [group for group in having if set(group.labels) <= set(own.labels)]
    return sorted(fitting or having, key=lambda group: (-len(group.labels), group))


def found(
    groups: Groups, own: GroupId, service: str, port: str | int, labels: str | Sequence[str] | None = None
) -> Many:
    """The endpoints of a service, in the order of groups and slots: of the port of that name, or of that number in the
    container; of the first port where none is given. Tasks without such a port are left out."""
    reached = []
    for group in services_in(groups, own, service, labels):
        for endpoint in groups[group]:
            chosen = _port(endpoint, str(port))
            if chosen is not None:
                reached.append(_reached(endpoint, chosen))
    return Many(reached)


def _from_bridge(reached: Reached) -> Reached:
    """The same port, as a container on a bridge reaches it."""
    own = (reached.container_address,) if reached.container_address else ()
    address, number = reached_from_bridge(reached.address, reached.port, own, reached.container_port)
    return replace(reached, address=address, port=number)


def _port(endpoint: Endpoint, wanted: str) -> EndpointPort | None:
    named = (port for port in endpoint.ports if wanted in ("", port.name, str(port.container_port)))
    return next(named, None)


def _reached(endpoint: Endpoint, port: EndpointPort) -> Reached:
    return Reached(
        address=endpoint.address,
        port=port.number,
        hostname=endpoint.hostname,
        name=port.name,
        slot=endpoint.slot,
        task=endpoint.task_id,
        labels=endpoint.group.labels,
        container_address=endpoint.addresses[0] if endpoint.addresses else "",
        container_port=port.container_port,
    )
