"""Options that many commands have."""

from __future__ import annotations

import contextlib
import functools
import getpass
import socket
from collections.abc import Callable
from datetime import datetime, time
from typing import Any, TypeVar

import click

from framework.cli.faults import CommandFault
from framework.cli.retrying import Retry
from framework.cli.server import RequestRefused, Server, find_address, read_token
from specs.file.values import parse_seconds

F = TypeVar("F", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """A duration such as 30s or 1m30s, in seconds."""

    name = "duration"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_seconds(str(value))
        except ValueError as error:
            self.fail(str(error), parameter, context)


class Moment(click.ParamType[float]):
    """A moment, in seconds since 1970: so long ago (`10m`), a time of today (`09:30`), or a date and a time
    (`2026-01-31T09:30:00`, of the local time zone unless it names one)."""

    name = "time"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        now, text = datetime.now().astimezone(), str(value).strip()
        with contextlib.suppress(ValueError):
            return max(0.0, now.timestamp() - parse_seconds(text.removesuffix("ago").strip()))
        with contextlib.suppress(ValueError):
            return datetime.combine(now.date(), time.fromisoformat(text)).astimezone().timestamp()
        try:
            return datetime.fromisoformat(text).astimezone().timestamp()
        except ValueError:
            wanted = "wanted how long ago (10m), a time (09:30), or a date and a time (2026-01-31T09:30:00)"
            self.fail(f"{wanted}; got {text!r}", parameter, context)


def with_json(function: F) -> F:
    """Adds --json, handed over as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def with_server(function: F) -> F:
    """Adds --url, --token-file and --json; hands over `server` and `as_json`.

    The two may also stand before the command; those after it win. What `with_retry` adds is for the server.
    """

    @functools.wraps(function)
    def wrapped(*args: Any, url: str | None, token_file: str | None, retry: float = 0.0, **options: Any) -> Any:
        address = find_address(url or _before("url"))
        token = read_token(token_file or _before("token_file"))
        return function(*args, server=Server(address, token, Retry(seconds=retry)), **options)

    decorated = click.option(
        "--token-file",
        metavar="FILE",
        help="File with the scheduler's token, for what changes something. [env: FRAMEWORK_TOKEN_FILE]",
    )(wrapped)
    decorated = click.option("--url", metavar="URL", help="The scheduler's address. [env: FRAMEWORK_URL]")(decorated)
    return with_json(decorated)  # type: ignore[return-value]


def _before(name: str) -> str | None:
    """An option of the commands before this one, the nearest first."""
    context = click.get_current_context().parent
    while context is not None:
        if given := context.params.get(name):
            return str(given)
        context = context.parent
    return None


def with_retry(function: F) -> F:
    """Adds --retry to a command that changes something; stands before `with_server`."""
    return click.option(
        "--retry",
        type=Duration(),
        default="30s",
        show_default=True,
        metavar="DURATION",
        help="How long to go on trying while no scheduler leads; a try more never changes more.  0s: one try.",
    )(function)


def with_wait(function: F) -> F:
    """Adds --wait and --timeout, handed over as `wait` and `timeout` (seconds)."""
    function = click.option(
        "--timeout", type=Duration(), default="10m", show_default=True, help="How long --wait waits."
    )(function)
    return click.option("--wait", is_flag=True, help="Wait until it is done, and show how it goes.")(function)


def with_message(function: F) -> F:
    """Adds -m, handed over as `message`."""
    return click.option("-m", "--message", default="", metavar="TEXT", help="Why, for those who look later.")(function)


def who() -> str:
    """The author of a change, as the history shows it: user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:200]


def with_labels(function: F) -> F:
    """Adds -l, handed over as `labels`."""
    return click.option(
        "-l", "--labels", metavar="LABEL,…", default="", help="Only groups with these labels, as in PATTERN[LABEL,…]."
    )(function)


def with_labels_in(pattern: str, labels: str) -> str:
    """The pattern, with labels of -l among those in its brackets."""
    more = [label.strip() for label in labels.split(",") if label.strip()]
    if not more:
        return pattern
    path, _, rest = (pattern or "*").partition("[")
    own = [label.strip() for label in rest.rstrip("]").split(",") if label.strip()]
    return f"{path}[{','.join([*own, *more])}]"


def complete_groups(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Stacks, services and groups that begin so; none where no scheduler answers at once."""
    names = sorted({name for line in _ask(context, "/v1/groups", "groups") for name in _names(line)})
    return [name for name in names if name.startswith(incomplete)]


def complete_stacks(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of stacks that begin so."""
    return [line["name"] for line in _ask(context, "/v1/stacks", "stacks") if line["name"].startswith(incomplete)]


def complete_agents(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Host names of agents that begin so."""
    names = sorted({line["hostname"] for line in _ask(context, "/v1/agents", "agents")})
    return [name for name in names if name.startswith(incomplete)]


def complete_tasks(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Ids of tasks, and groups, that begin so."""
    ids = [line["id"] for line in _ask(context, "/v1/tasks", "tasks") if line["id"].startswith(incomplete)]
    return ids + complete_groups(context, parameter, incomplete)


def _names(line: dict[str, Any]) -> tuple[str, ...]:
    return line["stack"], f"{line['stack']}/{line['service']}", line["group"]


def _ask(context: click.Context, path: str, key: str) -> list[dict[str, Any]]:
    try:
        server = Server(find_address(context.params.get("url")), None)
        return list(server.get(path, seconds=1.0)[key])
    except (CommandFault, RequestRefused, KeyError):
        return []
