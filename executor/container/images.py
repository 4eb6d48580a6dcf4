"""Pulling images: each image once at a time, however many tasks wait for it."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from docker.errors import APIError

from executor.container.engine import AWAY, PATIENCE_SECONDS, engine_address, new_client, words
from executor.core.events import Event, Operation, OperationFailed, Pulled, PullProgressed
from executor.core.order import Order
from executor.core.permanence import permanence_of
from executor.runtime import Post
from executor.workers import Workers
from specs.ids import TaskId

CONCURRENT_PULLS = 3
PROGRESS_SECONDS = 1.0
RETRY_SECONDS = 1.0

log = logging.getLogger("executor.container.images")


@dataclass(slots=True, eq=False)
class _Job:
    """One image on its way, and who waits for it."""

    image: str
    waiting: dict[TaskId, None] = field(default_factory=dict)
    is_cancelled: bool = False
    response: Any = None
    layers: dict[str, tuple[int, int]] = field(default_factory=dict)


class Images:
    """Pulls images for tasks. A pull that no task waits for any more is cancelled."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._workers = Workers("pull", CONCURRENT_PULLS)

    def pull(self, order: Order) -> None:
        """Answers with Pulled or OperationFailed, and PullProgressed on the way."""
        with self._lock:
            job = self._jobs.get(order.container.image)
            if job is not None:
                job.waiting[order.task_id] = None
                return
            job = _Job(order.container.image, {order.task_id: None})
            self._jobs[job.image] = job
        self._workers.submit(lambda: self._work(job))

    def cancel(self, order: Order) -> None:
        """Stops waiting for the image of this task."""
        with self._lock:
            job = self._jobs.get(order.container.image)
            if job is None or job.waiting.pop(order.task_id, 0) == 0 or job.waiting:
                return
            job.is_cancelled = True
            del self._jobs[job.image]
            response = job.response
        if response is not None:
            response.raw.shutdown()

    def _work(self, job: _Job) -> None:
        try:
            fault = self._pull(job)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.exception("the pull of %s: the engine's answer is not understood", job.image)
            fault = f"the engine's answer is not understood: {error!r}"
        with self._lock:
            if self._jobs.get(job.image) is job:
                del self._jobs[job.image]
            waiting = list(job.waiting)
        for task_id in waiting:
            self._post(self._answer(task_id, job.image, fault))

    def _answer(self, task_id: TaskId, image: str, fault: str) -> Event:
        if not fault:
            return Pulled(task_id=task_id)
        message = f"image {image} could not be pulled: {fault}"
        return OperationFailed(
            task_id=task_id, operation=Operation.PULL, message=message, permanent=permanence_of(fault, about=(image,))
        )

    def _pull(self, job: _Job) -> str:
        """The fault in words, or nothing."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not job.is_cancelled:
            try:
                return self._transfer(job)
            except APIError as error:
                return words(error)
            except AWAY as error:
                if job.is_cancelled:
                    break
                if time.monotonic() > deadline:
                    return f"Docker at {engine_address()} does not answer: {error}"
            time.sleep(RETRY_SECONDS)
        return "nobody waits for it any more"

    def _transfer(self, job: _Job) -> str:
        client = new_client()
        try:
            # The client is a requests session: its hook is the one public way to the response that can be broken off.
            client.hooks["response"].append(lambda response, **_: self._note_response(job, response))
            told_at = 0.0
            name, _, _ = job.image.partition("@")
            tag = None if "@" in job.image or ":" in name.rpartition("/")[2] else "latest"
            for line in client.pull(job.image, tag=tag, stream=True, decode=True):
                if "error" in line:
                    return str(line["error"])
                self._note_layer(job, line)
                if time.monotonic() >= told_at + PROGRESS_SECONDS:
                    told_at = time.monotonic()
                    self._tell(job)
            return ""
        finally:
            client.close()

    def _note_response(self, job: _Job, response: Any) -> None:
        with self._lock:
            job.response = response
            is_cancelled = job.is_cancelled
        if is_cancelled:
            response.raw.shutdown()

    def _note_layer(self, job: _Job, line: dict[str, Any]) -> None:
        detail = line.get("progressDetail") or {}
        if line.get("status") == "Downloading" and detail.get("total"):
            job.layers[line["id"]] = (int(detail.get("current", 0)), int(detail["total"]))
        elif line.get("status") in ("Download complete", "Pull complete") and line.get("id") in job.layers:
            total = job.layers[line["id"]][1]
            job.layers[line["id"]] = (total, total)

    def _tell(self, job: _Job) -> None:
        done, total = (sum(layer[i] for layer in job.layers.values()) for i in (0, 1))
        with self._lock:
            waiting = list(job.waiting)
        for task_id in waiting:
            self._post(PullProgressed(task_id=task_id, done_bytes=done, total_bytes=total))
