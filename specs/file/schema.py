"""The JSON Schema of stack files, for editors, made from the tables that the loader reads by.

It knows shapes and bounds of single values. What needs more than one value, or the environment, the loader alone tells.
"""

from __future__ import annotations

import json

from specs.file.constraint_forms import rule_schema
from specs.file.fields import Table
from specs.file.kinds import Schema
from specs.file.vocabulary import SERVICE, TOP
from specs.ids import MAX_NAME_LENGTH, NAME_RULE
from specs.model.limits import MAX_SERVICES

_NAME = {"pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": MAX_NAME_LENGTH}


def stack_schema() -> Schema:
    """The schema, draft 2020-12, of a file in our or compose's form, or in fig's where there is no key `services`."""
    service: Schema = {"$ref": "#/$defs/service"}
    services: Schema = {
        "type": "object",
        "propertyNames": {"anyOf": [_NAME, {"pattern": "^x-"}]},
        "patternProperties": {"^x-": {}},
        "additionalProperties": service,
        "minProperties": 1,
        "maxProperties": MAX_SERVICES,
        "description": f"The services by name: {NAME_RULE}.",
    }
    top = TOP.schema()
    top["properties"]["services"] = services
    fig: Schema = {
        "type": "object",
        "properties": {"name": top["properties"]["name"], "version": {}},
        "patternProperties": {"^x-": {}},
        "additionalProperties": service,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack file",
        "type": "object",
        "if": {"required": ["services"]},
        "then": {"$ref": "#/$defs/stack"},
        "else": {"$ref": "#/$defs/fig"},
        "$defs": {
            "stack": top,
            "fig": fig,
            "service": _service(SERVICE),
            "group": _group(SERVICE),
            "rule": rule_schema(),
        },
    }


def schema_text() -> str:
    """The schema as it stands in stack.schema.json."""
    return json.dumps(stack_schema(), indent=2, ensure_ascii=False) + "\n"


def _service(table: Table) -> Schema:
    schema = table.schema()
    schema["properties"]["groups"] = {
        "description": "Labeled groups; each may say any key of the service anew. Without them: one, without labels.",
        "type": "array",
        "minItems": 1,
        "items": {"$ref": "#/$defs/group"},
    }
    return schema


def _group(table: Table) -> Schema:
    keys: Schema = {name: {"$ref": f"#/$defs/service/properties/{name}"} for name in table.schema()["properties"]}
    keys["labels"] = {
        "description": "What tells this group from the others of its service.",
        "type": "array",
        "items": {"type": "string", **_NAME},
        "uniqueItems": True,
    }
    return {
        "type": "object",
        "properties": keys,
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }
