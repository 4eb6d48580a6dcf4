"""Requests for texts out of templates, and the answers, as they travel to and from the confined process that renders
(discovery.templates.confined_render). Pure, and without the library that renders: who asks does not load it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from discovery.endpoints import Endpoint, endpoint_json
from specs.ids import GroupId

TARGET = "discovery.templates.confined_render"
LIBRARIES = ("jinja2", "markupsafe")
MAX_TEXT = 1024 * 1024
"""Characters of what a template may become."""

Groups = Mapping[GroupId, tuple[Endpoint, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The task that a template is for: its group, its slot, its environment, and whether it is on Docker's bridge."""

    group: GroupId
    slot: int
    environment: Mapping[str, str]
    is_bridged: bool = False


def groups_request(groups: Groups) -> dict[str, Any]:
    """Says which endpoints there are from now on."""
    return {"groups": [endpoint_json(endpoint).decode() for endpoints in groups.values() for endpoint in endpoints]}


def text_request(template: str, own: Own) -> dict[str, Any]:
    """Asks for a text: `{"text": …}`, or `{"fault": …}` with what is wrong with the template."""
    group = [own.group.stack, own.group.service, list(own.group.labels)]
    return {
        "template": template,
        "group": group,
        "slot": own.slot,
        "environment": dict(own.environment),
        "is_bridged": own.is_bridged,
    }
