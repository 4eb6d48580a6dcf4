"""framework validate"""

from __future__ import annotations

import click

from framework.cli.files import load, with_file
from framework.cli.options import with_json
from framework.cli.output import plural, print_json
from specs.file.load import stack_to_json
from specs.model.resources import format_cpus


@click.command()
@with_file
@with_json
def validate(file: str, name: str | None, overrides: tuple[str, ...], sets: tuple[str, ...], as_json: bool) -> None:
    """Check a stack file, without a scheduler.

    Every mistake is told with its line and column. With --json the stack's normal form is printed, as the API takes it.
    """
    stack = load(file, name, overrides, sets)
    if as_json:
        print_json(stack_to_json(stack))
        return
    services = len({group.id.service for group in stack.groups})
    tasks = sum(group.instances for group in stack.groups)
    cpus = sum(group.resources.cpus_milli * group.instances for group in stack.groups)
    mem = sum(group.resources.mem_mib * group.instances for group in stack.groups)
    click.echo(
        f"{file}: stack {stack.name}: {plural(services, 'service')}, {plural(len(stack.groups), 'group')}, "
        f"{plural(tasks, 'task')}; in all cpus {format_cpus(cpus) or '0'}, mem {mem} MiB"
    )
