"""Numbers in values of attributes and rules: compared to the nearest thousandth, as Mesos counts, and exact to the last
of their digits, however many there are."""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Nothing is rounded before it is to be: the default rounds to 28 digits, and has no room for a million of them."""


def thousandths(text: str) -> Decimal | None:
    """The number of thousandths that a text says; None for a text that is no number."""
    number = text.strip()
    if not _NUMBER.fullmatch(number):
        return None
    return Decimal(number, _EXACT).scaleb(3, _EXACT).to_integral_value(context=_EXACT)
