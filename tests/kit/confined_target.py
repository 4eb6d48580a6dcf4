"""The work of a confined process in tests: it takes too much in every way."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

_told: list[Any] = []


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Does what the key says with its value."""
    ((what, value),) = request.items()
    match what:
        case "memory":
            return {"length": len("x" * value)}
        case "time":
            while True:
                pass
        case "sleep":
            time.sleep(value)
        case "output":
            return {"text": "x" * value}
        case "end":
            os._exit(value)
        case "raise":
            raise RuntimeError(value)
        case "write":
            os.write(1, b"this goes nowhere")
            try:
                Path(value).write_text("x", encoding="utf-8")
            except OSError as error:
                return {"errno": error.errno}
        case "tell":
            _told.append(value)
        case "told":
            return {"told": _told, "pid": os.getpid()}
    return {}
