"""Writes the generated files anew: `python -m specs.generate`. Needs grpcio-tools, of the `dev` extra."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def records(directory: Path) -> None:
    """Compiles records.proto into `directory`/specs/."""
    from grpc_tools import protoc  # only developers have it

    arguments = ["protoc", f"-I{HERE.parent}", f"--python_out={directory}", f"--pyi_out={directory}"]
    if protoc.main([*arguments, "specs/records.proto"]):
        raise SystemExit("specs/records.proto: protoc refused it; its messages are above")


if __name__ == "__main__":
    records(HERE.parent)
    sys.exit(0)
