"""Options of `framework scheduler` that say who may come in: the token, and the names by which it is called."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import click

from specs.addresses import ip, is_loopback

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})")


def check_token(bind: tuple[str, int], shown: str, *, has_token: bool, no_token: bool) -> None:
    """Refuses an API that other machines reach without a token, unless that is wanted."""
    if has_token and no_token:
        raise click.UsageError("--no-token and --token-file exclude each other: say whether changes need a token.")
    is_local = bind[0] == "localhost" or is_loopback(bind[0])
    if not has_token and not no_token and not is_local:
        raise click.UsageError(
            f"--bind {shown} is reached from other machines, and whoever reaches it may run containers on every agent:"
            " wanted --token-file FILE, got none. Where that is meant, say --no-token."
        )


def allowed_hosts(
    given: tuple[str, ...], *, bind: tuple[str, int], advertise: tuple[str, int], urls: tuple[str, ...]
) -> tuple[str, ...]:
    """The names by which requests may call the scheduler: those of its addresses and of `urls`, and those given.

    IP addresses and localhost need not be among them.
    """
    for name in given:
        if not _NAME.fullmatch(name):
            raise click.UsageError(f"--allow-host wants a name without a port, as framework.example; got {name!r}.")
    named = (bind[0], advertise[0], *(_host_of(url) for url in urls), *given)
    return tuple(dict.fromkeys(name.lower() for name in named if name and ip(name) is None))


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
