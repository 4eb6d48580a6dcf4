"""The ids of executors."""

from __future__ import annotations

import pytest

from specs.executor_ids import MAX_EXECUTOR_ID_LENGTH, address_of, content_of, executor_variant, served_from
from specs.ids import ExecutorId

BASE = ExecutorId("framework-executor-0123456789ab")
TEAM, REST = '[{"role":"team"}]', '[{"role":"team"},{"role":"team/web"}]'


def test_the_executor_of_unreserved_resources_is_the_base() -> None:
    assert executor_variant(BASE, "") == BASE


def test_each_reservation_has_an_executor_of_its_own() -> None:
    one, other = executor_variant(BASE, TEAM), executor_variant(BASE, REST)
    assert one != other
    assert one.startswith(f"{BASE}-") and len(one) == len(BASE) + 9
    assert executor_variant(BASE, TEAM) == one


@pytest.mark.parametrize("address", ["10.0.0.9:8080", "scheduler_1.example:80", "[fd00::1]:8080"])
@pytest.mark.parametrize("reservation", ["", TEAM])
def test_the_address_can_be_read_from_the_id_and_the_rest_is_the_same_for_all(address: str, reservation: str) -> None:
    id = executor_variant(served_from(BASE, address), reservation)
    assert id == served_from(executor_variant(BASE, reservation), address)
    assert address_of(id) == address
    assert content_of(id) == executor_variant(BASE, reservation)


def test_an_id_is_a_directory_that_the_engine_can_mount() -> None:
    assert not set(served_from(BASE, "[fd00::1]:8080")) & set(":/\\ ")


def test_without_an_address_nothing_is_added() -> None:
    assert served_from(BASE, "") == content_of(BASE) == BASE
    assert address_of(BASE) == ""


def test_an_address_that_makes_the_id_too_long_is_refused() -> None:
    longest = "a" * (MAX_EXECUTOR_ID_LENGTH - len(BASE) - len("@~8080")) + ":8080"
    assert len(served_from(BASE, longest)) == MAX_EXECUTOR_ID_LENGTH
    with pytest.raises(ValueError, match="wanted 255 characters at most, got 256; advertise a shorter address"):
        served_from(BASE, f"a{longest}")
