"""Rules for the templates of a container. Whether they can be understood and rendered is
specs.rules.template_trial's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from specs.model.limits import MAX_TEMPLATE_BYTES, MAX_TEMPLATES
from specs.model.stack import Container, Template
from specs.rules.broken import Broken, Where
from specs.rules.kernel_limits import broken_strings, path_fault

_WHERE: Where = ("container.templates",)


def broken_templates(container: Container) -> Iterator[Broken]:
    """Every rule that the container's templates break."""
    templates = container.templates
    if templates and not container.image:
        message = "templates are for containers; this service has no image, and its process can read endpoints itself"
        yield Broken(message=message, where=_WHERE)
    if len(templates) > MAX_TEMPLATES:
        yield Broken(message=f"wanted at most {MAX_TEMPLATES} templates; got {len(templates):,}", where=_WHERE)
    targets = [template.target for template in templates]
    for target in sorted({target for target in targets if targets.count(target) > 1}):
        yield Broken(message=f"{target} is the target of two templates", where=_WHERE)
    mounted = {volume.target for volume in container.volumes}
    for template in templates[:MAX_TEMPLATES]:
        yield from _broken(template)
        if template.target in mounted:
            message = f"{template.target} is the target of a volume too; one of them would hide the other"
            yield Broken(message=message, where=_WHERE, about=("container.volumes",))


def _broken(template: Template) -> Iterator[Broken]:
    parts = PurePosixPath(template.target).parts
    if not parts or ".." in parts or "\0" in template.target or ":" in template.target or template.target[-1] == "/":
        message = f"wanted the path of a file, without .. and colons, as target; got {template.target!r}"
        yield Broken(message=message, where=_WHERE)
    if len(template.content.encode()) > MAX_TEMPLATE_BYTES:
        size = len(template.content.encode())
        message = f"{template.target}: wanted at most {MAX_TEMPLATE_BYTES:,} bytes; got {size:,}"
        yield Broken(message=message, where=_WHERE)
    for _, message in broken_strings(template.command):
        yield Broken(message=f"{template.target}: {message}", where=_WHERE)
    if fault := path_fault(template.target):
        yield Broken(message=f"the path {template.target[:60]!r} {fault}", where=_WHERE)
