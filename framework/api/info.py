"""The process that the API speaks for, and the limits of the API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from framework.core.model import Instant
from specs.model.limits import MAX_JSON_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorFile:
    """The archive that agents fetch; `sha256` in hexadecimal is part of its address, for caches' sake."""

    path: Path
    sha256: str

    @property
    def url_path(self) -> str:
        """Where the API serves it."""
        return f"/v1/executor/{self.sha256}/framework-executor.pyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """The facts that do not change while the process lives. `leader` is the address that it advertises, host:port."""

    version: str
    name: str
    role: str
    leader: str
    started_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes, seconds and counts; what exceeds one is answered with the number."""

    stack_bytes: int = MAX_JSON_BYTES
    body_bytes: int = 64 * 1024
    requests: int = 256
    strangers: int = 192
    """Requests without the token, of those, where there is a token."""
    archives: int = 64
    """Fetches of the executor's archive, beside those."""
    bodies: int = 32
    """Bodies of strangers that are read at a time."""
    body_seconds: float = 10.0
    body_bytes_per_second: int = 16 * 1024
    """A body has so many seconds, and one more for so many bytes that have come."""
    head_seconds: float = 10.0
    waiting: int = 192
    """Connections without a whole request; and those that have shown the token."""
    waiting_known: int = 128
    event_streams: int = 100
    answer_seconds: float = 30.0
    heartbeat_seconds: float = 15.0
    log_bytes: int = 64 * 1024
    tail_bytes: int = 1024 * 1024
    agent_seconds: float = 10.0
