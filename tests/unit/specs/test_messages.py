"""Messages of statuses are kept to a length."""

from __future__ import annotations

import pytest

from specs.messages import CUT, MAX_MESSAGE_LENGTH, shortened


@pytest.mark.parametrize("length", [0, 1, MAX_MESSAGE_LENGTH])
def test_what_is_short_enough_stays(length: int) -> None:
    assert shortened("x" * length) == "x" * length


@pytest.mark.parametrize("length", [MAX_MESSAGE_LENGTH + 1, 1_000_000])
def test_what_is_longer_loses_its_middle(length: int) -> None:
    message = shortened("begin" + "x" * (length - 8) + "end")
    assert len(message) == MAX_MESSAGE_LENGTH and CUT in message
    assert message.startswith("begin") and message.endswith("end")
    assert shortened(message) == message
