"""What the demo chooses to show."""

import pytest

from framework.local.demo import next_to_try
from framework.local.errors import LocalError


def test_it_looks_at_the_web_service_first() -> None:
    tasks = [
        {"group": "shop/redis", "endpoints": ["127.0.1.1:31000"]},
        {"group": "shop/web [prod]", "endpoints": []},
        {"group": "shop/web [dev]", "endpoints": ["127.0.1.2:31500", "127.0.1.2:31501"]},
    ]
    assert next_to_try(tasks) == "http://127.0.1.2:31500/"


def test_it_takes_what_there_is() -> None:
    assert next_to_try([{"group": "a/b", "endpoints": ["127.0.1.1:31000"]}]) == "http://127.0.1.1:31000/"


def test_it_says_so_when_nothing_has_an_endpoint() -> None:
    with pytest.raises(LocalError, match="no task has an endpoint"):
        next_to_try([{"group": "a/b", "endpoints": []}])
