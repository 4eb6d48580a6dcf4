"""Executors as far as what tasks use goes: a Usage whose answers the test writes, and one that serves HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from discovery.executor_addresses import Announcement
from framework.usage import Executor, Figures, Pulled
from specs.ids import AgentId, ExecutorId, TaskId


def figures(task: str, **told: Any) -> Figures:
    """The usage of a task; 0, or None, where the test names no figure."""
    defaults: dict[str, Any] = {"cpus": 0.0, "cpus_limit": None, "mem_bytes": 0, "mem_limit_bytes": None}
    defaults |= dict.fromkeys(("net_rx_bytes", "net_tx_bytes", "block_read_bytes", "block_write_bytes", "oom_kills"), 0)
    return Figures(task=TaskId(task), **{**defaults, **told})


class FakeUsage:
    """A Usage that tells the figures of `tasks`, and why executors of `silent` agents are silent."""

    def __init__(self, *tasks: Figures, silent: dict[str, str] | None = None) -> None:
        self.tasks = {each.task: each for each in tasks}
        self.why = silent or {}
        self.places: tuple[Announcement, ...] = ()
        self.asked: list[Executor] = []

    def pull(self, executors: Collection[Executor]) -> Pulled:
        self.asked += executors
        silent = {key: self.why[key[0]] for key in executors if key[0] in self.why}
        return Pulled(figures=self.tasks, silent=silent)

    def announced(self) -> tuple[Announcement, ...]:
        return self.places


@contextmanager
def serving_executor(
    agent: str, executor: str, tasks: list[dict[str, Any]], *, answer: bytes | None = None
) -> Iterator[Announcement]:
    """An executor's HTTP server on this machine, which tells of these tasks, or answers something else."""
    told = {"at": 1795273732.4, "executor": executor, "agent": agent, "tasks": tasks}
    body = json.dumps(told).encode() if answer is None else answer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/v1/usage" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Announcement(
            agent=AgentId(agent),
            executor=ExecutorId(executor),
            hostname=agent,
            address="127.0.0.1",
            port=server.server_address[1],
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
