"""Writes the generated files anew: `python -m specs.generate`. Needs grpcio-tools, of the `dev` extra."""

from __future__ import annotations

import sys
from pathlib import Path

from specs.file.schema import schema_text
from specs.file.tables import with_tables

HERE = Path(__file__).resolve().parent
SCHEMA = HERE / "stack.schema.json"
PAGES = (HERE.parent / "docs" / "stack-file.md", HERE.parent / "docs" / "compose.md")


def records(directory: Path) -> None:
    """Compiles records.proto into `directory`/specs/."""
    from grpc_tools import protoc  # only developers have it

    arguments = ["protoc", f"-I{HERE.parent}", f"--python_out={directory}", f"--pyi_out={directory}"]
    if protoc.main([*arguments, "specs/records.proto"]):
        raise SystemExit("specs/records.proto: protoc refused it; its messages are above")


def stack_files() -> None:
    """Writes the JSON Schema, and the tables of the pages on stack files."""
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    records(HERE.parent)
    stack_files()
    sys.exit(0)
