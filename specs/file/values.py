"""Parsers of single texts in a stack file: amounts, times, sizes. Each raises ValueError with wanted and got."""

from __future__ import annotations

import math
import re
import signal
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction

_SIZE = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d)")
_UNIT_SECONDS = {
    "us": Fraction(1, 1_000_000),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_MAX_LENGTH = 100
"""Limit on the text of one amount; the units and digits of all that is allowed take less."""
_MAX_CPUS = 10**9
MAX_SIZE_MIB = 10**12
_EXACT = Context(prec=2 * _MAX_LENGTH)
TRUE = frozenset({"true", "True", "TRUE"})
FALSE = frozenset({"false", "False", "FALSE"})

WANTED_SIZE = "a number and its unit (b, k, m, g or t, of 1024), as 256M"
WANTED_CPUS = "a number of at most three decimals, as 0.5"
WANTED_DURATION = "a number and its unit (us, ms, s, m, h or d), as 30s or 1m30s"


def _short(text: str, wanted: str) -> str:
    """The text without spaces around it. Raises ValueError for one that is longer than any sensible number, before
    more work is done with it."""
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"wanted {wanted}; got a text of {len(text):,} characters")
    return text.strip()


def parse_size_mib(text: str) -> int:
    """A size in MiB, rounded up: "256M", "1.5g", "512MiB". Units are of 1024, as in Docker."""
    text = _short(text, WANTED_SIZE)
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"wanted {WANTED_SIZE}; got {text!r}")
    number, unit = found[1], found[2].lower()
    if not unit:
        raise ValueError(f"wanted {WANTED_SIZE}; got {text}, without a unit: {text} bytes, or {text}M?")
    power = _POWERS.get(unit[0]) if re.fullmatch(r"b|[kmgt](i?b)?", unit) else None
    if power is None:
        raise ValueError(f"wanted {WANTED_SIZE}; got {text!r}, and {found[2]!r} is not a unit")
    size = math.ceil(Fraction(number) * (1 << 10 * power) / (1 << 20))
    if abs(size) > MAX_SIZE_MIB:
        raise ValueError(f"wanted {WANTED_SIZE}, at most {MAX_SIZE_MIB:,} MiB; got {text}")
    return size


def parse_cpus_milli(text: str) -> int:
    """An amount of cpus in thousandths; exact."""
    try:
        number = Decimal(_short(text, WANTED_CPUS))
    except InvalidOperation:
        raise ValueError(f"wanted {WANTED_CPUS}; got {text!r}") from None
    # A number of unlimited exponent is looked at before it is multiplied, which it can be too large for.
    amount = number.scaleb(3, _EXACT) if number.is_finite() and abs(number) <= _MAX_CPUS else Decimal("NaN")
    if not amount.is_finite() or amount != int(amount):
        raise ValueError(f"wanted {WANTED_CPUS}; got {text!r}")
    return int(amount)


def parse_seconds(text: str) -> float:
    """A duration in seconds: "30s", "1m30s", "500ms"."""
    parts = _DURATION_PART.findall(_short(text, WANTED_DURATION))
    if not parts or "".join(number + unit for number, unit in parts) != text:
        plain = re.fullmatch(r"[0-9.]+", text)
        hint = f", without a unit: {text}s?" if plain else ""
        raise ValueError(f"wanted {WANTED_DURATION}; got {text!r}{hint}")
    return float(sum(Fraction(number) * _UNIT_SECONDS[unit] for number, unit in parts))


def parse_integer(text: str) -> int:
    """A whole number in decimal digits."""
    _short(text, "a whole number")
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"wanted a whole number; got {text!r}")
    return int(text)


def parse_boolean(text: str) -> bool:
    """true or false."""
    if text not in TRUE | FALSE:
        raise ValueError(f"wanted true or false; got {text!r}")
    return text in TRUE


def parse_signal(text: str) -> str:
    """A signal's full name, from "SIGTERM", "TERM" or "15"."""
    name = text.upper()
    if name.isdigit() and 0 < len(name) < 3:
        name = next((known.name for known in signal.Signals if known.value == int(name)), name)
    name = name if name.startswith("SIG") else f"SIG{name}"
    if name not in signal.Signals.__members__:
        raise ValueError(f"wanted the name of a signal, as SIGTERM, SIGINT or SIGQUIT; got {text!r}")
    return name
