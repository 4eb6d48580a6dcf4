"""Names and ids: their types, their rules, and their text forms.

A group is written `stack/service[label,label]`, one of its slots `stack/service[label,label]/2`, and a task
`stack.service.label-label.2.17`: stack, service, labels where there are some, slot, and a serial number that is
never given twice. Task ids are Docker container names, Mesos ids and directory names at once, hence the alphabet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NewType

TaskId = NewType("TaskId", str)
AgentId = NewType("AgentId", str)
OfferId = NewType("OfferId", str)
ExecutorId = NewType("ExecutorId", str)
FrameworkId = NewType("FrameworkId", str)
VersionId = NewType("VersionId", str)
"""The hashes of a group's canonical form: 12 hexadecimal digits, the container hash; and, where its in-place settings
are not the defaults, `-` and 8 digits for these, as in `3f2a9c01b7de-41c07a93`."""

MAX_NAME_LENGTH = 63
MAX_LABELS_LENGTH = 63
NAME_RULE = (
    f"1 to {MAX_NAME_LENGTH} characters, lower-case letters a-z, digits and '-', beginning and ending with a letter"
    " or digit"
)
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_GROUP = re.compile(r"(?P<stack>[^/\[\]]+)/(?P<service>[^/\[\]]+)(\[(?P<labels>[^\[\]]*)\])?")


def name_fault(name: str) -> str | None:
    """The fault of `name` as a name of a stack, service, label or port: a sentence, or None."""
    if not name:
        return f"is empty; wanted {NAME_RULE}"
    if len(name) > MAX_NAME_LENGTH:
        return f"is {len(name)} characters long; wanted {NAME_RULE}"
    for position, character in enumerate(name):
        if not re.fullmatch(r"[a-z0-9-]", character):
            return f"has {character!r} at position {position + 1}; wanted {NAME_RULE}"
    if not _NAME.fullmatch(name):
        end = 1 if name[0] == "-" else len(name)
        return f"has '-' at position {end}; wanted {NAME_RULE}"
    return None


@dataclass(frozen=True, slots=True, order=True)
class GroupId:
    """A service with a unique set of labels, in a stack. `labels` are sorted and distinct."""

    stack: str
    service: str
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        labels = f"[{','.join(self.labels)}]" if self.labels else ""
        return f"{self.stack}/{self.service}{labels}"

    @property
    def dotted(self) -> str:
        """The group in the alphabet of task ids: `shop.web.dev-frontend`."""
        return ".".join([self.stack, self.service, *(["-".join(self.labels)] if self.labels else [])])

    def matches(self, pattern: str) -> bool:
        """Whether a pattern means this group.

        `*` and `?` stand for anything; a pattern without `/` is a stack's; one without `[` takes every labels;
        with `[a,b]` the group must have those labels, and may have others.
        """
        path, bracket, rest = pattern.partition("[")
        stack, slash, service = path.partition("/")
        if not fnmatchcase(self.stack, stack) or (slash and not fnmatchcase(self.service, service)):
            return False
        wanted = [label.strip() for label in rest.rstrip("]").split(",") if label.strip()] if bracket else []
        return set(wanted) <= set(self.labels)


def group_id(stack: str, service: str, labels: tuple[str, ...] | list[str] = ()) -> GroupId:
    """A GroupId with its labels put in order."""
    return GroupId(stack, service, tuple(sorted(set(labels))))


def parse_group_id(text: str) -> GroupId | None:
    """The group that `stack/service[label,label]` names, or None where the text has another form."""
    found = _GROUP.fullmatch(text)
    if not found:
        return None
    labels = [label.strip() for label in (found["labels"] or "").split(",") if label.strip()]
    return group_id(found["stack"], found["service"], labels)


def variable_name(name: str) -> str:
    """The name of a port, resource or service in the alphabet of variables: `http-admin` -> `HTTP_ADMIN`."""
    return re.sub(r"[^A-Z0-9_]", "_", name.upper())


def task_id(group: GroupId, slot: int, serial: int) -> TaskId:
    """The id of the attempt in `slot` of `group` that was given the number `serial`."""
    return TaskId(f"{group.dotted}.{slot}.{serial}")


def container_hash(version: VersionId) -> VersionId:
    """The first part of a version: tasks whose versions have it in common need no new container of one another."""
    return VersionId(version.partition("-")[0])


def is_same_container(one: VersionId, other: VersionId) -> bool:
    """Whether a running task of one version can become one of the other: at most the in-place settings differ."""
    return one == other or container_hash(one) == container_hash(other)
