"""The command `framework`. Each command is a module here, imported only when it is called."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from types import TracebackType
from typing import Any

import click

COMMANDS = {
    "submit": "Submit a stack file: bring about what it says.",
    "plan": "Show what submitting a stack file would change, and where it would go.",
    "simulate": "Place a stack file on agents of a file, without a scheduler.",
    "validate": "Check a stack file, without a scheduler.",
    "ls": "List stacks.",
    "ps": "List tasks, and slots that wait for one.",
    "top": "Show what tasks use, the greediest first.",
    "endpoints": "List where tasks that are ready can be reached.",
    "info": "Show everything about a stack, group or task.",
    "explain": "Say why a slot has no task, or why its task is where it is.",
    "agents": "List agents: what they have, what is free.",
    "history": "Show who changed a stack, when, why and how.",
    "diff": "Show what differs between two definitions of a stack.",
    "rollback": "Go back to an earlier definition of a stack.",
    "scale": "Change how many tasks a group has.",
    "restart": "Replace the tasks of groups by new ones.",
    "rollout": "Show how a changed stack replaces its tasks; hold that up, go on, go back.",
    "stop": "Stop groups until they are started again.",
    "start": "Start stopped groups.",
    "kill": "Stop tasks; others take their places.",
    "reset-backoff": "Try groups again that wait after failures, or were given up.",
    "remove": "Stop a stack and forget it.",
    "approve": "Approve what the scheduler does not do unasked.",
    "events": "Show what happened, and what happens.",
    "logs": "Show what tasks have written.",
    "exec": "Run a command in the container of a task.",
    "port": "Show where a port of containers is reached.",
    "backup": "Write all that the schedulers store to a file.",
    "restore": "Put a backup into a store.",
    "store": "Look whether a store, or a backup, is in order.",
    "replay": "Play a scheduler's journal again, and compare.",
    "scheduler": "Run the scheduler.",
    "dns": "Answer DNS queries for the names of services.",
    "executor": "Show our executors on agents; move tasks to the current version.",
    "balancer": "Keep HAProxy or nginx in step with routes and endpoints.",
    "leader": "Show which scheduler leads and which stand by; hand leadership over.",
    "local": "Run a real Mesos cluster on this machine.",
    "version": "Show the version of this command and of the scheduler.",
    "completion": "Print the completion script for a shell.",
}


_INTERRUPTED = 130


class _Lazy(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = name.replace("-", "_")
        command = getattr(importlib.import_module(f"framework.cli.{module}"), module)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, context: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return names if not incomplete.startswith("-") else super().shell_complete(context, incomplete)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`framework --help` lists them."
            raise click.UsageError(f"There is no command {args[0]!r}; {hint}", context)
        return super().resolve_command(context, args)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--url", metavar="URL", help="The scheduler's address; also after the command. [env: FRAMEWORK_URL]")
@click.option(
    "--token-file",
    metavar="FILE",
    help="File with the scheduler's token; also after the command. [env: FRAMEWORK_TOKEN_FILE]",
)
def framework(**_for_commands: str | None) -> None:
    """Run stacks of labeled groups of containers on Apache Mesos.

    Commands talk to a scheduler at --url, or FRAMEWORK_URL, or the one that `framework local up` started, or
    http://127.0.0.1:8080.

    They end with 0 when done, 1 when refused or failed, 2 for a wrong command line or stack file, 3 when no scheduler
    answers, and 4 when they gave up waiting.
    """


def main() -> None:
    """The entry point: runs a command and ends the process with its exit code; 130 where the user interrupted it."""
    if not os.environ.get("FRAMEWORK_DEBUG"):
        sys.excepthook = _say_bug
    try:
        code = framework.main(prog_name="framework", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(_INTERRUPTED)
    except click.ClickException as fault:
        fault.show()
        sys.exit(fault.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _say_bug(kind: type[BaseException], bug: BaseException, trace: TracebackType | None) -> None:
    """Prints a sentence about a bug instead of a traceback; the exit code is 1."""
    places = traceback.extract_tb(trace)
    where = f" ({places[-1].filename}:{places[-1].lineno})" if places else ""
    click.echo(
        f"A bug in this command: {kind.__name__}: {bug}{where}. Please report it with what FRAMEWORK_DEBUG=1 in the "
        "environment shows in addition.",
        err=True,
    )


if __name__ == "__main__":
    main()
