"""IP addresses, as texts have them. Pure."""

from __future__ import annotations

import ipaddress
from functools import lru_cache


def ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that the text is; None where it is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@lru_cache(maxsize=65536)
def is_loopback(address: str) -> bool:
    """Whether it is an IP address that each network namespace has for itself: 127.0.0.0/8 or ::1."""
    found = ip(address)
    return found is not None and found.is_loopback
