"""The OpenAPI page: the schema as one page of HTML that needs no script and no network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from framework.web.html import Content, Html, element, joined, page

_METHOD_CSS = {"get": "good", "put": "wait", "post": "wait", "delete": "bad"}
_MOST_DEPTH = 6

Plain = Mapping[str, Any]


def reference_page(schema: Plain) -> str:
    """The page for a schema as OpenAPI 3.1 has it."""
    info = schema["info"]
    head = element(
        "header",
        element("h1", f"{info['title']} API"),
        element("span", info["version"], css="mark none"),
        element("nav", element("a", "Status", href="/"), " · ", element("a", "openapi.json", href="/openapi.json")),
        css="top",
    )
    sections = [_section(schema, tag, operations) for tag, operations in _by_tag(schema).items()]
    return page(f"{info['title']} API", head, element("p", info.get("description", "")), *sections)


def _by_tag(schema: Plain) -> dict[str, list[tuple[str, str, Plain]]]:
    found: dict[str, list[tuple[str, str, Plain]]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            found.setdefault((operation.get("tags") or ["other"])[0], []).append((method, path, operation))
    return found


def _section(schema: Plain, tag: str, operations: list[tuple[str, str, Plain]]) -> Html:
    return element(
        "section",
        element("header", element("h2", tag.capitalize())),
        *(_operation(schema, *operation) for operation in operations),
        css="card",
    )


def _operation(schema: Plain, method: str, path: str, operation: Plain) -> Html:
    mark = element("span", method.upper(), css=f"mark {_METHOD_CSS.get(method, 'none')}")
    token = element("span", "token", css="label") if operation.get("security") else ""
    said = element("span", operation.get("description", operation.get("summary", "")), css="dim")
    summary = element("summary", mark, " ", element("code", path), " ", token, " ", said)
    contents: list[Content] = []
    if operation.get("parameters"):
        contents.append(_parameters(operation["parameters"]))
    body = operation.get("requestBody")
    if body:
        contents += list(_contents(schema, "Body", body))
    for status, answer in operation.get("responses", {}).items():
        contents += list(_contents(schema, f"Answer {status}", answer))
    return element("div", element("details", summary, *contents), css="group")


def _parameters(parameters: list[Plain]) -> Html:
    rows = [element("tr", *(element("th", head) for head in ("Parameter", "In", "Type", "Meaning")))]
    for parameter in parameters:
        name = parameter["name"] + ("" if parameter.get("required") else "?")
        rows.append(
            element(
                "tr",
                element("td", name, css="mono"),
                element("td", parameter["in"]),
                element("td", _type(parameter.get("schema", {}))),
                element("td", parameter.get("description", ""), css="wide"),
            )
        )
    return element("div", element("table", *rows), css="scroll")


def _contents(schema: Plain, title: str, described: Plain) -> Iterator[Content]:
    said = described.get("description", "")
    said = "" if said in ("Successful Response", "Validation Error") else said
    for kind, content in described.get("content", {}).items():
        yield element("p", element("b", title), " ", element("code", kind), " ", said)
        shape = content.get("schema", {})
        if kind == "application/json" and (shape.get("$ref") or shape.get("properties")):
            example = json.dumps(_example(schema, shape, 0), indent=2, ensure_ascii=False)
            yield element("pre", example)
            yield from _fields(schema, shape)


def _fields(schema: Plain, shape: Plain) -> Iterator[Content]:
    """Meanings of the fields of a shape, one level deep: examples show the rest."""
    resolved = _resolved(schema, shape)
    rows = []
    for name, field in resolved.get("properties", {}).items():
        meaning = field.get("description", "")
        if meaning:
            rows.append(
                element(
                    "tr",
                    element("td", name, css="mono"),
                    element("td", _type(field)),
                    element("td", meaning, css="wide"),
                )
            )
    if rows:
        yield element("div", element("table", *rows), css="scroll")


def _type(shape: Plain) -> Html:
    options = [option for option in shape.get("anyOf", [shape]) if option.get("type") != "null"]
    words = []
    for option in options:
        if "enum" in option:
            words.append(" | ".join(map(str, option["enum"])))
        elif "$ref" in option:
            words.append(option["$ref"].rpartition("/")[2])
        else:
            words.append(str(option.get("type", "any")))
    bounds = [f"{sign} {shape[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in shape]
    return joined(" or ".join(words), *([f", {', '.join(bounds)}"] if bounds else []))


def _resolved(schema: Plain, shape: Plain) -> Plain:
    reference = shape.get("$ref")
    if not reference:
        return shape
    found: Plain = schema["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _example(schema: Plain, shape: Plain, depth: int) -> Any:
    shape = _resolved(schema, shape)
    if shape.get("examples"):
        return shape["examples"][0]
    if "anyOf" in shape:
        return _example(schema, shape["anyOf"][0], depth)
    if depth > _MOST_DEPTH:
        return None
    if shape.get("type") == "object":
        return {name: _example(schema, field, depth + 1) for name, field in shape.get("properties", {}).items()}
    if shape.get("type") == "array":
        return [_example(schema, shape["items"], depth + 1)] if "items" in shape else []
    return {"string": "", "integer": 0, "number": 0, "boolean": False}.get(str(shape.get("type")))
