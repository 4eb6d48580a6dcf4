"""The domain below which services have their names."""

from __future__ import annotations

import re

import click

DEFAULT_DOMAIN = "framework.internal"
"""`internal` is reserved for networks of one's own: nobody in the world can have it."""
MOST_CHARACTERS = 100
"""So that the longest names of stacks, services and labels fit into the 253 characters of a name, or nearly."""

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,{MOST_CHARACTERS}}}$){_LABEL}(\.{_LABEL})*")


def checked_domain(text: str, option: str) -> str:
    """The domain in lower case, without a dot at its end. Raises UsageError for what is none."""
    domain = text.lower().rstrip(".")
    if not _DOMAIN.fullmatch(domain):
        raise click.UsageError(
            f"{option} wants a domain of up to {MOST_CHARACTERS} characters, as {DEFAULT_DOMAIN}; got {text!r}."
        )
    return domain
