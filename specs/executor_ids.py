"""The ids of executors: `framework-executor-<hash>[-<reservation>][@<address>]`.

The hash is that of all that makes one executor another: its archive, its settings, its resources. The address is that
of the scheduler from which its archive is fetched: Mesos takes one ExecutorInfo for an id on an agent, and the address
is in it. As the id says it, whoever leads can write the very ExecutorInfo of an executor that another one started.
"""

from __future__ import annotations

import hashlib

from specs.ids import ExecutorId

MAX_EXECUTOR_ID_LENGTH = 255
"""Mesos refuses longer ids; they are directories' names."""
_ADDRESS = "@"
_COLON = "~"  # a colon in a directory's name would end it in the engine's list of volumes


def executor_variant(base: ExecutorId, reservation: str) -> ExecutorId:
    """The id of the executor that is paid out of resources with this reservation; `base` itself where it is "".

    Mesos takes one ExecutorInfo for an id on an agent, and the resources in it name their reservation.
    """
    if not reservation:
        return base
    content, mark, address = base.partition(_ADDRESS)
    return ExecutorId(f"{content}-{hashlib.sha256(reservation.encode()).hexdigest()[:8]}{mark}{address}")


def served_from(content: ExecutorId, address: str) -> ExecutorId:
    """The id of an executor whose archive is fetched from `address`, host:port; `content` itself where that is "".

    Raises ValueError for an address that makes the id too long.
    """
    if not address:
        return content
    id = f"{content}{_ADDRESS}{address.replace(':', _COLON)}"
    if len(id) > MAX_EXECUTOR_ID_LENGTH:
        raise ValueError(
            f"executor id {id}: wanted {MAX_EXECUTOR_ID_LENGTH} characters at most, got {len(id)}; advertise a shorter"
            " address"
        )
    return ExecutorId(id)


def content_of(id: ExecutorId) -> ExecutorId:
    """The id without its address: what is equal for executors that do the same."""
    return ExecutorId(id.partition(_ADDRESS)[0])


def is_version_of(id: ExecutorId, own: ExecutorId) -> bool:
    """Whether the executor is as `own` is, but for the reservation that pays it and whence it was fetched."""
    content, base = content_of(id), content_of(own)
    return content == base or content.startswith(f"{base}-")


def address_of(id: ExecutorId) -> str:
    """The address in the id, host:port, "" where there is none."""
    return id.partition(_ADDRESS)[2].replace(_COLON, ":")
