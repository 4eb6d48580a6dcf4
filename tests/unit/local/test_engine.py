"""The error when no Docker engine answers."""

import pytest

from framework.local import engine
from framework.local.errors import LocalError


def test_an_engine_that_does_not_answer_is_named_with_the_systems_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.20.9.9:1")
    assert engine.trouble() == "the Docker engine: Connection refused"
    with pytest.raises(LocalError) as refused:
        engine.ensure()
    assert str(refused.value) == (
        "no Docker engine answers at DOCKER_HOST=tcp://127.20.9.9:1 (the Docker engine: Connection refused); "
        "check that it runs, or unset it"
    )
