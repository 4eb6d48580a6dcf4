"""A stack file, with its overrides, as a Stack; or every mistake in it at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specs.file.build import Built, build, located, services_form
from specs.file.normal_form import stack_from_plain
from specs.file.overrides import laid_over, with_setting
from specs.file.reader import Reader, Unreadable
from specs.file.source import Mapping as MappingNode
from specs.file.source import Node, from_json, read_yaml, too_large
from specs.ids import MAX_NAME_LENGTH, name_fault
from specs.model.canonical import to_plain
from specs.model.errors import Fault, Faults, StackError
from specs.model.limits import MAX_FILE_BYTES
from specs.model.stack import Stack
from specs.rules.stack_rules import Finding, check, findings

_NAMELESS = re.compile(r"(docker-)?compose|stack|fig|\.?")


@dataclass(frozen=True, slots=True)
class Override:
    """A document: its text, and the name it is called by in messages."""

    text: str | bytes
    file: str


def load_stack(
    text: str | bytes,
    *,
    name: str | None,
    variables: Mapping[str, str],
    file: str = "",
    overrides: Sequence[Override] = (),
    settings: Sequence[tuple[str, str]] = (),
) -> Stack:
    """The stack that a file describes, in our form, compose's or fig's.

    `name` None takes the file's key `name`, else the name of the file or its directory. `overrides` are laid over the
    file in order, then `settings`: pairs of a path and a YAML value. `variables` fill in `${NAME}`. Raises StackError
    with every mistake.
    """
    return _loaded(Override(text, file), overrides, settings, (name, _default_name(Path(file))), variables)


def load_files(
    path: Path,
    override_paths: Sequence[Path] = (),
    settings: Sequence[tuple[str, str]] = (),
    *,
    name: str | None,
    variables: Mapping[str, str],
) -> Stack:
    """As load_stack, from files. Raises StackError also for a file that cannot be read."""
    text = _content(path)
    overrides = [Override(_content(one), str(one)) for one in override_paths]
    return _loaded(Override(text, str(path)), overrides, settings, (name, _default_name(path.resolve())), variables)


def _loaded(
    document: Override,
    overrides: Sequence[Override],
    settings: Sequence[tuple[str, str]],
    names: tuple[str | None, str],
    variables: Mapping[str, str],
) -> Stack:
    faults = Faults()
    root = _document(document.text, document.file, faults)
    for override in overrides:
        root = laid_over(root, _document(override.text, override.file, faults, _service_names(root)))
    for path, value in settings:
        try:
            root = with_setting(root, _in_services_form(path, root), value)
        except StackError as error:
            faults.add_all(error.faults)
    return _stack(root, names[1], names[0], Reader(variables, "", faults))


def stack_from_json(plain: object, *, name: str) -> Stack:
    """The stack of a submission's body: `{"services": ...}` in a file's words, or the normalised `{"groups": [...]}`.

    Its texts are literal: nothing is interpolated. Raises StackError; its faults have paths only.
    """
    if isinstance(plain, dict) and "groups" in plain:
        stack = stack_from_plain(plain, name)
        if faults := check(stack):
            raise StackError(faults)
        return stack
    if not isinstance(plain, dict):
        raise StackError([Fault("", "wanted an object with services or groups")])
    if plain.get("name", name) != name:
        raise StackError(
            [Fault("name", f"wanted {name!r}, the name in the address, or no name; got {plain['name']!r}")]
        )
    return _stack(services_form(from_json(plain)), name, name, Reader({}, "", Faults()))


def stack_to_json(stack: Stack) -> dict[str, Any]:
    """The normalised form: what stack_from_json takes back to an equal stack."""
    plain = to_plain(stack)
    assert isinstance(plain, dict)
    return plain


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
            size = path.stat().st_size
    except OSError as error:
        raise StackError([Fault("", f"cannot be read: {(error.strerror or str(error)).lower()}", str(path))]) from None
    if len(content) > MAX_FILE_BYTES:
        raise StackError([Fault("", too_large(max(size, len(content))), str(path))])
    return content


def _document(text: str | bytes, file: str, faults: Faults, known: frozenset[str] = frozenset()) -> Node:
    root, found = read_yaml(text, file)
    faults.add_all(found)
    return services_form(root, known)


def _service_names(root: Node) -> frozenset[str]:
    services = root.values.get("services") if isinstance(root, MappingNode) else None
    return frozenset(services.values) if isinstance(services, MappingNode) else frozenset()


def _in_services_form(path: str, root: Node) -> str:
    """The path of a setting; one that begins with a service's name is meant below services, as in a fig file."""
    first = re.split(r"[.\[]", path, maxsplit=1)[0]
    is_service = first in _service_names(root) - set(root.values if isinstance(root, MappingNode) else ())
    return f"services.{path}" if is_service else path


def _default_name(path: Path) -> str:
    """A valid name from that of a file; from its directory's where the file's says nothing. "" if there is none."""
    stem = path.name.split(".")[0]
    told = path.parent.name if _NAMELESS.fullmatch(stem) else stem
    return re.sub(r"[^a-z0-9]+", "-", told.lower()).strip("-")[:MAX_NAME_LENGTH].strip("-")


def _stack(root: Node, default_name: str, given_name: str | None, reader: Reader) -> Stack:
    name = given_name or _own_name(root, reader) or default_name
    if not name:
        reader.note(root, "the stack has no name; wanted the key name, or --name")
    elif fault := name_fault(name):
        named = root.values.get("name") if isinstance(root, MappingNode) and not given_name else None
        reader.note(named or root, f"the stack's name {name!r} {fault}")
    built, services = build(root, name, reader)
    stack = Stack(name=name, groups=tuple(one.group for one in built))
    faults = reader.faults
    for finding in findings(stack, services):
        if fault_there := _located(finding, built):
            faults.add(fault_there)
    if faults:
        raise StackError(faults.in_order())
    return stack


def _own_name(root: Node, reader: Reader) -> str:
    if not isinstance(root, MappingNode) or "name" not in root.values:
        return ""
    try:
        return Reader(reader.variables, "", Faults()).text(root.values["name"], "the stack's name")
    except Unreadable:
        return ""  # noted again where the document is read


def _located(finding: Finding, built: list[Built]) -> Fault | None:
    """A broken rule at its place in the file; None where it only follows from a field that could not be read."""
    if finding.group is None:
        return None  # the stack's own rules have been checked on the document
    if built[finding.group].failed & set(finding.about):
        return None
    node = located(built, finding.group, finding.where)
    message = finding.message
    if finding.other:
        other = located(built, *finding.other)
        message += f" {', '.join(part for part in (other.place, other.path) if part)}"
    return node.fault(message)
