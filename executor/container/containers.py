"""Containers, by the Docker Engine API."""

from __future__ import annotations

import logging
import os
import signal as signals
import threading
import time
from datetime import datetime
from typing import Any, NoReturn

from docker.errors import APIError, ImageNotFound, NotFound

from executor.container import container_exec, container_terminal
from executor.container.claims import Claims
from executor.container.engine import AWAY, LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS, Engine, engine_address, words
from executor.container.settings import (
    AGENT_LABEL,
    FRAMEWORK_LABEL,
    SANDBOX_LABEL,
    TASK_LABEL,
    VERSION_LABEL,
    container_settings,
)
from executor.core.events import (
    Adopted,
    Created,
    Exited,
    FoundContainer,
    ImageMissing,
    NothingToAdopt,
    Removed,
    Started,
)
from executor.core.order import Order
from executor.core.permanence import permanence_of
from executor.identity import is_earlier
from executor.logs import Logs
from executor.runtime import CheckOutcome, Fault, Post
from executor.sandbox import Sandbox, is_abandoned
from executor.templates import Templates
from executor.terminal import ExecRequest, Terminal
from specs.ids import TaskId, VersionId, is_same_container
from specs.model.stack import Hook, Network

DRAIN_SECONDS = 5.0
REAP_GRACE_SECONDS = 10
ADOPTION_LOOKS = 5
ADOPTION_LOOK_SECONDS = 0.3
log = logging.getLogger("executor.container.containers")


class Docker:
    """A Runtime of containers. Container name = task id; labels say whose it is.

    An adopted container gets its new task's name, while its labels still say the old: claims tell which are whose.
    """

    def __init__(self, sandbox: Sandbox, logs: Logs, post: Post, endpoints: str = "") -> None:
        """`endpoints`: where they are published, for templates; URLs with spaces between."""
        self._sandbox = sandbox
        self._logs = logs
        self._post = post
        self._lock = threading.Lock()
        self._engine = Engine()
        self._started: dict[TaskId, Order] = {}
        self._claims = Claims()
        self._templates = Templates(sandbox.root, endpoints, post)

    # ---- the operations -----------------------------------------------------------

    def adopt(self, order: Order) -> Adopted | NothingToAdopt:
        try:
            left, heir = self._heir(order)
            for row in left:
                if row is not heir:
                    self.reap(row["Id"])
            if heir is None or not self._claims.take(heir["Id"], order.task_id):
                return NothingToAdopt(task_id=order.task_id)
            return self._take_over(order, heir["Id"])
        except APIError as error:
            raise Fault(f"the container of {order.predecessors[0]} cannot be adopted: {words(error)}") from error

    def create(self, order: Order) -> Created | ImageMissing:
        directory = self._sandbox.prepare(order.task_id)
        files = self._templates.prepare(order)
        settings = container_settings(order, str(self._sandbox.root), str(directory), files)
        try:
            answer = self._engine.ask(lambda engine: engine.create_container_from_config(settings, order.task_id))
        except ImageNotFound:
            return ImageMissing(task_id=order.task_id)
        except APIError as error:
            if error.status_code == 409:
                return Created(task_id=order.task_id, container_id=self._claim(order, error))
            # An image that is missing is told by its words alone, and not by all versions in the same ones.
            if error.status_code == 404 and "no such image" in words(error).lower():
                return ImageMissing(task_id=order.task_id)
            raise _fault("created", error, order) from error
        return Created(task_id=order.task_id, container_id=answer["Id"])

    def cancel_templates(self, order: Order) -> None:
        """Breaks off the writing of the order's first files. Any thread may call; nothing is waited for."""
        self._templates.cancel(order.task_id)

    def start(self, order: Order) -> Started:
        try:
            self._follow(order)
            with self._lock:
                self._started[order.task_id] = order
            self._engine.ask(lambda engine: engine.start(order.task_id))
            return Started(task_id=order.task_id, addresses=self._addresses(order))
        except APIError as error:
            self._forget(order.task_id)
            raise _fault("started", error, order) from error

    def signal(self, order: Order, signal: str) -> None:
        try:
            self._engine.ask(lambda engine: engine.kill(order.task_id, signal))
        except NotFound:
            self._post(Exited(task_id=order.task_id, exit_code=None))
        except APIError as error:
            if error.status_code != 409:  # 409: it does not run (any more), and the watcher says so
                raise Fault(f"{signal} could not be sent: {words(error)}") from error

    def remove(self, order: Order) -> Removed:
        self._forget(order.task_id)
        try:
            found = self._engine.ask(lambda engine: engine.inspect_container(order.task_id))
            if not _is_of(found, order.framework_id):  # other frameworks have tasks of the same id
                return self._removed(order, None, False)
            id, state = found["Id"], found["State"]
            if state.get("Running"):
                self._engine.ask(lambda engine: engine.remove_container(id, v=True, force=True))
                self._claims.release(id)
                return self._removed(order, 128 + signals.SIGKILL, False)
            was_started = not str(state.get("StartedAt", "")).startswith("0001-")
            removed = self._removed(
                order, int(state["ExitCode"]) if was_started else None, bool(state.get("OOMKilled"))
            )
            self._engine.ask(lambda engine: engine.remove_container(id, v=True, force=True))
            self._claims.release(id)
            return removed
        except NotFound:
            return self._removed(order, None, False)
        except APIError as error:
            if error.status_code == 409:  # somebody else is removing it
                return self._removed(order, None, False)
            raise Fault(f"the container could not be removed: {words(error)}") from error

    def execute(self, order: Order, hook: Hook) -> CheckOutcome:
        """Runs a command in the container."""
        return container_exec.execute(self._engine, order.task_id, hook)

    def attach(self, order: Order, wanted: ExecRequest) -> Terminal:
        """Starts a command in the container."""
        return container_terminal.start(self._engine, order.task_id, wanted)

    # ---- what goes on -------------------------------------------------------------

    def watch(self) -> NoReturn:
        """Posts Exited for every container of ours that ends, for ever, even if the engine comes and goes."""
        pause = LEAST_PAUSE_SECONDS
        while True:
            try:
                engine = self._engine.connected()
                filters = {"type": "container", "event": "die", "label": SANDBOX_LABEL}
                stream = engine.events(decode=True, filters=filters)
                self._examine(engine)
                pause = LEAST_PAUSE_SECONDS
                for event in stream:
                    self._died(event)
                reason = "it ended the stream of its events"
            except AWAY as error:
                reason = str(error)
            log.warning("Docker at %s: %s; asking again", engine_address(), reason)
            time.sleep(pause)
            pause = min(pause * 2, MOST_PAUSE_SECONDS)

    def find(self, framework_id: str, agent_id: str) -> tuple[FoundContainer, ...]:
        """The containers of this framework on this agent, whoever created them, and abandoned ones of other agent ids
        on this machine."""
        filters = {"label": f"{FRAMEWORK_LABEL}={framework_id}"}
        try:
            rows = self._engine.ask(lambda engine: engine.containers(all=True, filters=filters))
        except APIError as error:
            raise Fault(f"the containers cannot be listed: {words(error)}") from error
        found = []
        for row in rows:
            task_id = self._task_of(row["Id"], row["Labels"])
            is_abandoned = task_id is None and self._is_abandoned(row)
            is_foreign = task_id is None and self._is_foreign(row, agent_id)
            if is_foreign and not is_abandoned:
                continue
            found.append(
                FoundContainer(
                    container_id=row["Id"],
                    task_id=task_id or (_newest_task(row) if is_foreign else _first_task(row)),
                    is_ours=task_id is not None,
                    is_abandoned=is_abandoned,
                    is_foreign=is_foreign,
                )
            )
        return tuple(found)

    def reap(self, container_id: str) -> None:
        """Stops and removes a container that nobody claims."""
        try:
            self._engine.ask(lambda engine: engine.stop(container_id, timeout=REAP_GRACE_SECONDS))
            self._engine.ask(lambda engine: engine.remove_container(container_id, v=True, force=True))
            self._claims.release(container_id)
        except NotFound:
            self._claims.release(container_id)
        except APIError as error:
            raise Fault(f"container {container_id[:12]} could not be removed: {words(error)}") from error

    # ---- inside ---------------------------------------------------------------------

    def _claim(self, order: Order, conflict: APIError) -> str:
        """The id of the container that already has the order's name, if it is the order's own."""
        try:
            found = self._engine.ask(lambda engine: engine.inspect_container(order.task_id))
        except APIError as error:
            raise Fault(f"the container could not be created: {words(conflict)}; {words(error)}") from error
        has = found["Config"].get("Labels") or {}
        if has.get(TASK_LABEL) != order.task_id or not _is_of(found, order.framework_id):
            raise Fault(
                f"a container named {order.task_id} is already on this agent, and it is not this framework's:"
                f" remove or rename it (docker rm {found['Id'][:12]})"
            )
        return str(found["Id"])

    def _heir(self, order: Order) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """The containers that predecessors have left, and the one of them that the order adopts.

        The engine's list can omit a container while others are renamed, as several adoptions at a time do. So a
        container that is missing is looked for again before it counts as gone.
        """
        for look in range(ADOPTION_LOOKS):
            if look:
                time.sleep(ADOPTION_LOOK_SECONDS)
            left = self._left_by(order)
            heir = next((row for row in left if order.adopts and self._may_adopt(row, order)), None)
            if heir is not None or not order.adopts:
                break
        return left, heir

    def _left_by(self, order: Order) -> list[dict[str, Any]]:
        """The containers of the order's predecessors that no living executor has, the newest task's first. They can
        have an earlier id of this machine's agent: the scheduler names them only if that agent cannot come back."""
        filters = {"label": f"{FRAMEWORK_LABEL}={order.framework_id}"}
        rows = self._engine.ask(lambda engine: engine.containers(all=True, filters=filters))
        places = {id: place for place, id in enumerate(order.predecessors)}
        found = []
        for row in rows:
            # By name where one was adopted before, by label where it was about to be.
            named = (_newest_task(row), _first_task(row))
            place = min((places[id] for id in named if id in places), default=None)
            if place is not None and self._may_have(row, order):
                found.append((place, row["Id"], row))
        return [row for _, _, row in sorted(found, key=lambda each: each[:2])]

    def _may_have(self, row: dict[str, Any], order: Order) -> bool:
        """Whether no other living task has it, neither of another executor nor one of ours."""
        adopted = self._claims.task_of(row["Id"])
        if adopted is not None:
            return adopted == order.task_id or adopted in order.predecessors
        return self._task_of(row["Id"], row["Labels"]) is not None or self._is_abandoned(row)

    @staticmethod
    def _may_adopt(row: dict[str, Any], order: Order) -> bool:
        """Whether it is what the order wants and was started. If it has ended since, that is reported as its end."""
        is_same = is_same_container(VersionId(row["Labels"].get(VERSION_LABEL, "")), order.version)
        return is_same and row["State"] in ("running", "paused", "exited")

    def _take_over(self, order: Order, container_id: str) -> Adopted:
        self._sandbox.prepare(order.task_id)
        self._engine.ask(lambda engine: engine.rename(container_id, order.task_id))
        with self._lock:
            self._started[order.task_id] = order
        found = self._engine.ask(lambda engine: engine.inspect_container(container_id))
        state = found["State"]
        if state.get("Running"):
            self._follow(order)
            self._templates.resume(order, found.get("Mounts") or [])
        else:
            self._post(
                Exited(
                    task_id=order.task_id,
                    exit_code=int(state["ExitCode"]),
                    is_out_of_memory=bool(state.get("OOMKilled")),
                )
            )
        return Adopted(
            task_id=order.task_id,
            container_id=container_id,
            addresses=self._addresses(order),
            started_at=datetime.fromisoformat(state["StartedAt"]).timestamp(),
        )

    def _task_of(self, container_id: str, labels: dict[str, str]) -> TaskId | None:
        """Which task of this executor's a container is, None where it is another's."""
        adopted = self._claims.task_of(container_id)
        if adopted is not None:
            return adopted
        return TaskId(labels.get(TASK_LABEL, "")) if labels.get(SANDBOX_LABEL) == str(self._sandbox.root) else None

    def _is_foreign(self, row: dict[str, Any], agent_id: str) -> bool:
        """Whether it was made for an agent id that this agent neither has nor had."""
        labels = row["Labels"]
        return labels.get(AGENT_LABEL) != agent_id and not is_earlier(
            labels.get(SANDBOX_LABEL, ""), str(self._sandbox.root)
        )

    def _is_abandoned(self, row: dict[str, Any]) -> bool:
        maker = row["Labels"].get(SANDBOX_LABEL, "")
        return bool(maker) and is_abandoned(maker) and not self._claims.is_taken(row["Id"])

    def _follow(self, order: Order) -> None:
        params = {"stdout": 1, "stderr": 1, "stream": 1}
        stream = self._engine.ask(lambda engine: engine.attach_socket(order.task_id, params))
        descriptor = os.dup(stream.fileno())
        _close(stream)
        self._logs.follow(order.task_id, descriptor, "stdout" if order.container.tty else "")

    def _addresses(self, order: Order) -> tuple[str, ...]:
        if order.container.network is Network.HOST:
            return (order.address,) if order.address else ()
        if order.container.network is Network.NONE:
            return ()
        found = self._engine.ask(lambda engine: engine.inspect_container(order.task_id))
        networks = found["NetworkSettings"]["Networks"]
        return tuple(network["IPAddress"] for network in networks.values() if network.get("IPAddress"))

    def _removed(self, order: Order, exit_code: int | None, is_out_of_memory: bool) -> Removed:
        last_words = self._logs.finish(order.task_id, DRAIN_SECONDS)
        self._templates.end(order.task_id)
        return Removed(
            task_id=order.task_id, exit_code=exit_code, is_out_of_memory=is_out_of_memory, last_words=last_words
        )

    def _forget(self, task_id: TaskId) -> None:
        with self._lock:
            self._started.pop(task_id, None)

    def _died(self, event: dict[str, Any]) -> None:
        attributes = event["Actor"]["Attributes"]
        task_id = self._task_of(event["Actor"]["ID"], attributes)
        if task_id is not None:
            code = attributes.get("exitCode", "")
            self._post(Exited(task_id=task_id, exit_code=int(code) if code else None))

    def _examine(self, engine: Any) -> None:
        """Posts Exited for the containers that ended unobserved, and copies the output of the others again."""
        with self._lock:
            started = dict(self._started)
        rows = engine.containers(all=True, filters={"label": SANDBOX_LABEL})
        alive = {self._task_of(row["Id"], row["Labels"]) for row in rows if row["State"] not in ("exited", "dead")}
        for task_id, order in sorted(started.items()):
            if task_id not in alive:
                self._post(Exited(task_id=task_id, exit_code=None))
            elif not self._logs.is_following(task_id):
                try:
                    self._follow(order)
                except (APIError, Fault) as error:
                    log.warning("the output of %s is lost from now on: %s", task_id, error)


def _first_task(row: dict[str, Any]) -> TaskId:
    """The task for which a container was created."""
    return TaskId(row["Labels"].get(TASK_LABEL, ""))


def _newest_task(row: dict[str, Any]) -> TaskId:
    """The task that had it last: an adopted container gets the task's name, and its labels cannot change."""
    names = row.get("Names") or ()
    return TaskId(names[0].removeprefix("/")) if names else _first_task(row)


def _close(stream: Any) -> None:
    response = getattr(stream, "_response", None)
    if response is not None:
        response.close()


def _is_of(found: dict[str, Any], framework_id: str) -> bool:
    """Whether a container, as it was inspected, is the framework's."""
    return bool((found["Config"].get("Labels") or {}).get(FRAMEWORK_LABEL) == framework_id)


def _fault(what: str, error: APIError, order: Order) -> Fault:
    said, container = words(error), order.container
    given = (container.image, container.working_dir, *(container.entrypoint or ()), *(container.command or ()))
    about = (*given, *(path for volume in container.volumes for path in (volume.source, volume.target)))
    return Fault(f"the container could not be {what}: {said}", permanent=permanence_of(said, error.status_code, about))
