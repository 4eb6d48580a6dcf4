"""TLS for checks by https. Imported when the first of them is made, as OpenSSL costs an executor 8 MB."""

from __future__ import annotations

import selectors
import socket
import sys
from functools import cache

if sys.modules.get("ssl", sys) is None:  # the archive's start keeps it from being loaded
    del sys.modules["ssl"]

import ssl


def wrapped(connection: socket.socket, name: str, *, verifies: bool) -> ssl.SSLSocket:
    """The connection with TLS, before its handshake; `name` is the host that the certificate must name."""
    return _context(verifies).wrap_socket(connection, server_hostname=name, do_handshake_on_connect=False)


def waits_for(error: OSError) -> int | None:
    """The selector event that a call which raised this waits for; None if it has failed."""
    if isinstance(error, ssl.SSLWantReadError):
        return selectors.EVENT_READ
    return selectors.EVENT_WRITE if isinstance(error, ssl.SSLWantWriteError) else None


def words(error: OSError) -> str:
    """The reason why there is no TLS; "" for any other error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLZeroReturnError | ssl.SSLEOFError):
        return "it closed the connection"
    if isinstance(error, ssl.SSLError):
        return "no TLS: " + str(error.reason or error).replace("_", " ").lower()
    return ""


@cache
def _context(verifies: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
