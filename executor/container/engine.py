"""The connection to the Docker Engine: asking it with patience, and what it says when it fails."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from executor.runtime import Fault

PATIENCE_SECONDS = 30.0
"""How long one operation waits for an engine that is away."""
CALL_SECONDS = 120.0
LEAST_PAUSE_SECONDS = 0.1
MOST_PAUSE_SECONDS = 2.0
AWAY = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, DockerException, OSError)
"""What means that the engine could not be reached; an APIError, which is an answer, must be caught before."""

T = TypeVar("T")


def engine_address() -> str:
    """Where the engine is asked for, for messages."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def new_client(call_seconds: float = CALL_SECONDS) -> Any:
    """A connection to the engine, its API version agreed upon. Raises one of AWAY."""
    return APIClient(**kwargs_from_env(), version="auto", timeout=call_seconds)


def words(error: APIError) -> str:
    """What the engine said."""
    return str(error.explanation or error).strip()


class Engine:
    """The engine, connected to when it is first asked; an answer is waited for `call_seconds`."""

    def __init__(self, call_seconds: float = CALL_SECONDS) -> None:
        self._call_seconds = call_seconds
        self._lock = threading.Lock()
        self._client: Any = None

    def ask(self, call: Callable[[Any], T]) -> T:
        """What the engine answers; waits for it for a bounded time. Raises APIError, or Fault if it is away."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        pause = LEAST_PAUSE_SECONDS
        while True:
            try:
                return call(self.connected())
            except APIError:
                raise
            except AWAY as error:
                if time.monotonic() + pause > deadline:
                    raise Fault(
                        f"Docker at {engine_address()} has not answered for {PATIENCE_SECONDS:.0f} s ({error});"
                        " check that dockerd runs on the agent and that the executor's user may use its socket",
                        is_temporary=True,
                    ) from error
            time.sleep(pause)
            pause = min(pause * 2, MOST_PAUSE_SECONDS)

    def connected(self) -> Any:
        """The client of docker-py. Raises one of AWAY."""
        with self._lock:
            if self._client is None:
                self._client = new_client(self._call_seconds)
            return self._client
