"""JSON that others may have written: nodes of ZooKeeper, keys of etcd, answers over HTTP. Pure."""

import json
from typing import Any


def parse_json(data: bytes | str) -> Any:
    """The value that a JSON text holds. Raises ValueError where it is none, also where it is nested too deep.

    Python's own parser raises RecursionError for the latter, which no reader expects from a text.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None
