"""Commands after the start and before the stop, in every form."""

from __future__ import annotations

import pytest

from specs.model.stack import Hook
from tests.kit.stack_files import container


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("./warm up", (Hook(command=("/bin/sh", "-c", "./warm up")),)),
        ("[./warm, up]", (Hook(command=("./warm", "up")),)),
        ("{command: a, timeout: 5s}", (Hook(command=("/bin/sh", "-c", "a"), timeout_seconds=5.0),)),
        (
            "[{command: [a, b], user: root, working_dir: /x, environment: [C=d]}, {command: e}]",
            (
                Hook(command=("a", "b"), user="root", working_dir="/x", environment=(("C", "d"),)),
                Hook(command=("/bin/sh", "-c", "e")),
            ),
        ),
        ("[]", ()),
    ],
)
def test_hooks(written: str, wanted: tuple[Hook, ...]) -> None:
    assert container(f"post_start: {written}").post_start == wanted
    assert container(f"pre_stop: {written}").pre_stop == wanted
