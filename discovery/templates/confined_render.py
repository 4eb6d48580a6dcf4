"""The confined process that renders templates: `answer` is what specs.confined calls there.

Executors ask it for files of tasks; where a stack is checked (specs.rules.template_trial) its templates are tried. Both
render with discovery.templates.render, so that a trial is what an agent would do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from discovery.endpoints import Endpoint, endpoint_from_json
from discovery.templates.render import Many, Reached, Renderer, RenderFault, TooLong
from discovery.templates.render_requests import Groups, Own
from specs.ids import GroupId, TaskId, group_id
from specs.messages import shortened
from specs.plain_text import plain_line

_TRIAL_ENDPOINTS = 8
"""Endpoints that every service has in a trial."""


class _Renderings:
    """The state of the process between two requests."""

    def __init__(self) -> None:
        self.renderer = Renderer()
        self.groups: Groups = {}


_ours = _Renderings()


def answer(request: Mapping[str, Any]) -> dict[str, str]:
    """The answer to a request of discovery.templates.render_requests, or to a trial.

    A trial is {"trial": template, "environment": …}; the answer has {"syntax": …} if the template cannot be parsed and
    {"length": …} if its text becomes too long.
    """
    if "groups" in request:
        _ours.groups = _read(request["groups"])
        return {}
    if "trial" in request:
        return _tried(request["trial"], request["environment"])
    stack, service, labels = request["group"]
    own = Own(
        group=group_id(stack, service, labels),
        slot=request["slot"],
        environment=request["environment"],
        is_bridged=request["is_bridged"],
    )
    try:
        return {"text": _ours.renderer.text(request["template"], own, _ours.groups)}
    except RenderFault as fault:
        return {"fault": shortened(plain_line(str(fault)))}


def _tried(template: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Rendered without any endpoint, and with some of every service; names that are not there are no fault, as they may
    be there when it counts."""
    if fault := _ours.renderer.syntax_fault(template):
        return {"syntax": fault}
    own = Own(group=group_id("trial", "trial"), slot=0, environment=_Anything(environment))
    for find in (_nothing, _made_up):
        try:
            _ours.renderer.text(template, own, {}, find)
        except TooLong as fault:
            return {"length": str(fault)}
        except RenderFault:
            continue
    return {}


class _Anything(dict[str, str]):
    """An environment with every variable."""

    def __missing__(self, _name: str) -> str:
        return ""


def _read(texts: Sequence[str]) -> Groups:
    found: dict[GroupId, list[Endpoint]] = {}
    for text in texts:
        endpoint = endpoint_from_json(text.encode())
        found.setdefault(endpoint.group, []).append(endpoint)
    return {group: tuple(endpoints) for group, endpoints in found.items()}


def _nothing(_groups: Groups, _own: GroupId, _service: str, _port: str | int, _labels: object) -> Many:
    return Many()


def _made_up(_groups: Groups, _own: GroupId, service: str, _port: str | int, _labels: object) -> Many:
    return Many(
        Reached(
            address=f"192.0.2.{slot + 1}",
            port=31000,
            hostname=f"agent{slot}",
            name="port",
            slot=slot,
            task=TaskId(f"{service}.{slot}"),
            labels=(),
            container_address=f"198.51.100.{slot + 1}",
            container_port=80,
        )
        for slot in range(_TRIAL_ENDPOINTS)
    )
