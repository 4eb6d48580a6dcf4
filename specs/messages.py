"""How long the message of a task's status may be. It is stored with its task, 64 of which share a node of the store."""

from __future__ import annotations

MAX_MESSAGE_LENGTH = 1_000
"""Characters. 64 of them are 256 KB at most, of a node's 1 MB."""
CUT = " [...] "


def shortened(message: str) -> str:
    """The message, its middle left out where it is longer than MAX_MESSAGE_LENGTH: how it begins says what happened,
    and how it ends says why."""
    if len(message) <= MAX_MESSAGE_LENGTH:
        return message
    kept = MAX_MESSAGE_LENGTH - len(CUT)
    return message[: kept - kept // 2] + CUT + message[-(kept // 2) :]
