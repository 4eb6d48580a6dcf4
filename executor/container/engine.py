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
"""Time-out of one operation for an engine that is away."""
CALL_SECONDS = 120.0
LEAST_PAUSE_SECONDS = 0.1
MOST_PAUSE_SECONDS = 2.0
AWAY = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, DockerException, OSError)
"""Errors that mean the engine could not be reached. An APIError is an answer and must be caught before these."""

T = TypeVar("T")


def engine_address() -> str:
    """Where the engine is asked for, for messages."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def new_client(call_seconds: float = CALL_SECONDS) -> Any:
    """A connection to the engine, its API version agreed upon. Raises one of AWAY."""
    return APIClient(**kwargs_from_env(), version="auto", timeout=call_seconds)


def words(error: APIError) -> str:
    """The engine's own words."""
    return str(error.explanation or error).strip()


class Engine:
    """The engine, connected at the first call; `call_seconds` is the time-out of an answer."""

    def __init__(self, call_seconds: float = CALL_SECONDS) -> None:
        self._call_seconds = call_seconds
        self._lock = threading.Lock()
        self._client: Any = None

    def ask(self, call: Callable[[Any], T]) -> T:
        """Calls the engine, waiting a bounded time for one that is away. Raises APIError, or Fault if it stays away."""
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
