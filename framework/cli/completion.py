"""framework completion"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash:  eval "$(framework completion bash)"               in ~/.bashrc
    zsh:   eval "$(framework completion zsh)"                in ~/.zshrc
    fish:  framework completion fish | source                in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    assert found is not None  # click has all of these shells
    root = context.find_root().command
    click.echo(found(root, {}, "framework", "_FRAMEWORK_COMPLETE").source())
