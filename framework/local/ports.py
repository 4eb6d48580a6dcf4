"""Addresses of this machine that are in use, and the processes that use them."""

import errno
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from framework.local.daemon import command_of
from framework.local.errors import LocalError

LISTENING = "0A"
MAPPED = "0000000000000000FFFF0000"  # An IPv4 address on an IPv6 socket, as Java listens.
SHOWN_COMMAND_LENGTH = 100


def check_free(addresses: Mapping[str, str]) -> None:
    """Raises LocalError unless every address (HOST:PORT by daemon's name) can be listened on."""
    taken = [
        f"{name}'s address {address} is in use by {holder_of(address)}"
        for name, address in addresses.items()
        if not is_free(address)
    ]
    if taken:
        raise LocalError("\n".join(taken) + "\nStop that, or choose other addresses: --subnet N, with N from 1 to 250")


def is_free(address: str) -> bool:
    """Whether HOST:PORT can be listened on."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise LocalError(f"{address}: cannot be listened on: {error.strerror}") from error
    return True


def holder_of(address: str) -> str:
    """The process that listens on HOST:PORT, in words, as far as /proc shows it."""
    inodes = set(_listening_inodes(address))
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in inodes:
            pid = int(descriptor.parts[2])
            return f"pid {pid} ({' '.join(command_of(pid))[:SHOWN_COMMAND_LENGTH]})"
    return "a process that only root can name"


def _listening_inodes(address: str) -> Iterator[str]:
    host, _, port = address.rpartition(":")
    number = f"{int(port):04X}"
    own = socket.inet_aton(host)[::-1].hex().upper()  # As the kernel prints it on x86: the last byte first.
    hosts = (own, MAPPED + own, "0" * 8, "0" * 32)
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            local, _, local_port = fields[1].rpartition(":")
            if fields[3] == LISTENING and local_port == number and local in hosts:
                yield fields[9]
