"""The errors of each wrong file, word for word. After a wanted change: `python -m tests.golden.specs.test_errors`."""

from __future__ import annotations

from pathlib import Path

import pytest

from specs.file.load import load_stack
from specs.model.errors import StackError

WRONG = Path(__file__).parent / "wrong"


def told(path: Path) -> str:
    """The mistakes in a file, one a line."""
    try:
        load_stack(path.read_bytes(), name=None, file=path.name, variables={"SET": "1"})
    except StackError as error:
        return f"{error}\n"
    return "nothing is wrong\n"


@pytest.mark.parametrize("path", sorted(WRONG.glob("*.yml")), ids=lambda path: path.stem)
def test_every_mistake_is_told_with_its_place(path: Path) -> None:
    assert told(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


def test_no_golden_without_its_file() -> None:
    assert {path.stem for path in WRONG.glob("*.txt")} == {path.stem for path in WRONG.glob("*.yml")}


if __name__ == "__main__":
    for one in sorted(WRONG.glob("*.yml")):
        one.with_suffix(".txt").write_text(told(one), encoding="utf-8")
