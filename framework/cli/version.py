"""framework version"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

import click

from framework.cli.options import with_server
from framework.cli.output import note, print_json, since
from framework.cli.retrying import NoScheduler
from framework.cli.server import Server


@click.command()
@with_server
def version(server: Server, as_json: bool) -> None:
    """Show the version of this command and of the scheduler."""
    own = _own()
    try:
        info = server.get("/v1/info", seconds=3.0)
    except NoScheduler as fault:
        if as_json:
            print_json({"version": own, "scheduler": None})
        else:
            click.echo(f"framework {own}")
            note(fault.message.partition("\n")[0])
        return
    if as_json:
        print_json({"version": own, "scheduler": info})
        return
    click.echo(f"framework {own}")
    master = f"master {info['master']}" if info["master"] else info["problem"] or info["connection"]
    click.echo(
        f"scheduler {info['version']} at {info['leader']}, up {since(info['uptime_seconds'])}; "
        f"framework id {info['framework_id'] or 'none yet'}; {master}"
    )


def _own() -> str:
    try:
        return installed_version("mesos-framework")
    except PackageNotFoundError:
        return "unknown: it is not installed"
