"""Files of tasks with the addresses of others in them: written before the container is created, and again when the
endpoints in them have changed.

They are outside of what the container may write to, or it could lead the executor to write elsewhere.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from discovery.readers.directory import Directory
from discovery.templates.render_requests import Groups, Own
from executor.core.events import TemplatesRendered
from executor.core.order import Order
from executor.environment import CONTAINER_SANDBOX, CONTAINER_TEMPLATES, environment
from executor.runtime import Fault, Post
from executor.template_renderer import IDLE_SECONDS, TASK_SECONDS, TemplateRenderer, TooMuch
from executor.workers import start_thread
from specs.ids import TaskId
from specs.model.stack import Network, Template
from specs.permanence import Permanent

READ_SECONDS = 10.0
"""Time-out of a task for the first reading of the endpoints."""
REST_SECONDS = 60.0
"""Pause before a template that took too much is rendered again: others wait meanwhile."""
GATHER_SECONDS = 0.2
"""Delay in which further changes are written together with a first one."""
FILES, BOUND = "files", "bound"

log = logging.getLogger("executor.templates")


@dataclass(slots=True)
class _Kept:
    """The templates of a task: where they are written, and what stands there by index."""

    order: Order
    own: Own
    place: Path
    texts: dict[int, str] = field(default_factory=dict)
    fault: str = ""
    too_much: dict[int, tuple[float, str]] = field(default_factory=dict)
    """By index: a template that took too much is left alone until then, on the monotonic clock; and what it took."""


class Templates:
    """The templates of all tasks. `urls` are where endpoints are published, with spaces between; they are read in the
    first ZooKeeper of them, from the first task on that has templates."""

    def __init__(self, root: Path, urls: str, post: Post) -> None:
        self._root = root / "templates"
        self._url = next((url for url in urls.split() if url.startswith("zk://")), "")
        self._post = post
        self._lock = threading.Lock()
        self._kept: dict[TaskId, _Kept] = {}
        self._directory: Directory | None = None
        self._renderer = TemplateRenderer()
        self._preparing: dict[TaskId, bool] = {}
        """Tasks whose first files are being written; true where nobody waits for them any more."""
        self._has_changed = threading.Event()

    def prepare(self, order: Order) -> tuple[str, ...]:
        """Writes the templates of a task that is to start; returns what is to be bound into its container. Waits for
        the first reading of the endpoints. Raises Fault."""
        if not order.container.templates:
            return ()
        with self._lock:
            self._preparing[order.task_id] = False
        try:
            return self._prepare(order)
        finally:
            with self._lock:
                del self._preparing[order.task_id]

    def cancel(self, task_id: TaskId) -> None:
        """Stops waiting for the task's first files: `prepare` raises Fault soon. Does not block."""
        with self._lock:
            if task_id in self._preparing:
                self._preparing[task_id] = True
        self._renderer.abort(task_id)

    def _prepare(self, order: Order) -> tuple[str, ...]:
        place = self._root / order.task_id
        kept = self._new(order, place)
        (place / FILES).mkdir(parents=True, exist_ok=True)
        (place / BOUND).mkdir(exist_ok=True)
        try:
            groups = self._groups()
            deadline = time.monotonic() + TASK_SECONDS
            for index, template in enumerate(order.container.templates):
                if self._preparing[order.task_id]:
                    raise Fault("its files are not wanted any more")
                self._write(kept, index, template, groups, deadline)
        except (Fault, ValueError, OSError) as fault:
            shutil.rmtree(place, ignore_errors=True)
            raise fault if isinstance(fault, Fault) else _not_written(fault) from None
        with self._lock:
            self._kept[order.task_id] = kept
        self._has_changed.set()  # what has changed meanwhile is not missed
        bound = [
            f"{place / BOUND / str(index)}:{template.target}:ro"
            for index, template in enumerate(order.container.templates)
            if template.target.startswith("/")
        ]
        return (f"{place / FILES}:{CONTAINER_TEMPLATES}:ro", *bound)

    def resume(self, order: Order, mounts: list[Mapping[str, Any]]) -> None:
        """Goes on with the files of an adopted container, if it has any."""
        if not order.container.templates:
            return
        files = next((each["Source"] for each in mounts if each.get("Destination") == CONTAINER_TEMPLATES), None)
        if files is None:
            return
        kept = self._new(order, Path(files).parent)
        for index, template in enumerate(order.container.templates):
            try:
                kept.texts[index] = _path(kept.place, index, template).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                log.warning("the file %s of %s is not there any more: %s", template.target, order.task_id, error)
        with self._lock:
            self._kept[order.task_id] = kept
        try:
            self._groups()
        except Fault as fault:
            log.warning("templates of %s stay as they are for now: %s", order.task_id, fault)
        self._has_changed.set()

    def end(self, task_id: TaskId) -> None:
        """The task has ended: removes its files."""
        with self._lock:
            kept = self._kept.pop(task_id, None)
        if kept is not None:
            shutil.rmtree(kept.place, ignore_errors=True)

    def _new(self, order: Order, place: Path) -> _Kept:
        own = Own(
            group=order.group,
            slot=order.slot,
            environment=environment(order, CONTAINER_SANDBOX),
            is_bridged=order.container.network is Network.BRIDGE,
        )
        return _Kept(order=order, own=own, place=place)

    def _groups(self) -> Groups:
        if not self._url:
            raise Fault(
                "its templates want endpoints in ZooKeeper, and the scheduler has none published there; start it with"
                " --endpoints zk://HOST:PORT/PATH, or leave that out"
            )
        with self._lock:
            if self._directory is None:
                self._directory = Directory(self._url, lambda _: self._has_changed.set())
                start_thread("templates", self._run)
            directory = self._directory
        snapshot = directory.wait(READ_SECONDS)
        if not snapshot.serial:
            raise Fault(f"its templates want endpoints, which {self._url} has not told for {READ_SECONDS:g} s")
        return snapshot.groups

    # ---- in a thread of our own -----------------------------------------------------

    def _run(self) -> None:
        never = threading.Event()
        while True:
            if not self._has_changed.wait(IDLE_SECONDS):
                self._renderer.rest()
                if not self._is_rested():
                    continue
            never.wait(GATHER_SECONDS)
            self._has_changed.clear()
            with self._lock:
                kept, directory = list(self._kept.values()), self._directory
            if directory is not None and directory.snapshot.serial:
                for each in kept:
                    self._renew(each, directory.snapshot.groups)

    def _is_rested(self) -> bool:
        """Whether a template that took too much is due for another attempt."""
        now = time.monotonic()
        with self._lock:
            return any(until <= now for kept in self._kept.values() for until, _ in kept.too_much.values())

    def _renew(self, kept: _Kept, groups: Groups) -> None:
        """Writes the files that have changed, and posts that; the file of a template that does not render stays."""
        changed, faults = [], []
        deadline = time.monotonic() + TASK_SECONDS
        for index, template in enumerate(kept.order.container.templates):
            try:
                if self._write(kept, index, template, groups, deadline):
                    changed.append(index)
            except (ValueError, OSError) as error:
                faults.append(f"template {error}; it stays as it was")
        fault = "; ".join(faults)
        if changed or fault != kept.fault:
            kept.fault = fault
            self._post(TemplatesRendered(task_id=kept.order.task_id, changed=tuple(changed), fault=fault))

    def _text(self, kept: _Kept, index: int, groups: Groups, deadline: float) -> str:
        now = time.monotonic()
        until, words = kept.too_much.get(index, (0.0, ""))
        if now < until:
            raise TooMuch(words)
        kept.too_much.pop(index, None)
        template = kept.order.container.templates[index]
        try:
            key = kept.order.task_id if kept.order.task_id in self._preparing else ""
            return self._renderer.text(template.content, kept.own, groups, deadline - now, key)
        except TooMuch as fault:
            kept.too_much[index] = (now + REST_SECONDS, str(fault))
            raise

    def _write(self, kept: _Kept, index: int, template: Template, groups: Groups, deadline: float) -> bool:
        """Whether the file is another one now. Raises ValueError, OSError."""
        try:
            text = self._text(kept, index, groups, deadline)
        except (ValueError, OSError) as fault:
            # Not type(fault): some of these are made of more than a text.
            kind = TooMuch if isinstance(fault, TooMuch) else ValueError
            raise kind(f"{template.target} does not render: {fault}") from None
        if kept.texts.get(index) == text:
            return False
        path = _path(kept.place, index, template)
        path.parent.mkdir(parents=True, exist_ok=True)
        if template.target.startswith("/"):
            _in_place(path, text.encode(), template.mode)
        else:
            _replaced(path, text.encode(), template.mode)
        kept.texts[index] = text
        return True


def _not_written(fault: ValueError | OSError) -> Fault:
    return Fault(f"template {fault}", permanent=Permanent.BAD_SETTINGS if isinstance(fault, TooMuch) else "")


def _path(place: Path, index: int, template: Template) -> Path:
    return place / BOUND / str(index) if template.target.startswith("/") else place / FILES / template.target


def _in_place(path: Path, data: bytes, mode: int) -> None:
    """Overwrites the file itself: it is bound into a container, which would not see another file of its name."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)


def _replaced(path: Path, data: bytes, mode: int) -> None:
    """Replaces the file in one step: a reader finds the old content or the new."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(data)
    new.chmod(mode)
    new.replace(path)
