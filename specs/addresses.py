"""IP addresses, as texts have them. Pure."""

from __future__ import annotations

import ipaddress


def ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that the text is; None where it is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
