"""Conversations that write a journal, with a secret in every field that can hold one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from framework.core.commands import Command
from framework.core.events import Event, ScaleRequested
from framework.core.model import Instant
from framework.core.scheduler import Scheduler
from framework.recorder import Recorder
from specs.model.resources import Resources
from specs.model.stack import CheckKind, Container, HealthCheck, Hook, Template
from specs.states import TaskState
from tests.kit.conversation import SETTINGS, Conversation, Shelf, group, stack

SECRET = "s3cr3t-of-somebody"


class Recorded(Conversation):
    """A conversation that writes a journal."""

    def __init__(self, path: Path, shelf: Shelf | None = None) -> None:
        self.recorder = Recorder(path, SETTINGS)
        super().__init__(shelf=shelf)

    def say(self, *said: Event) -> list[Command]:
        if not isinstance(self.scheduler, _Taped):
            self.scheduler = _Taped(self.scheduler, self.recorder)  # type: ignore[assignment]
        heard = super().say(*said)
        self.recorder.flush()
        return heard


class _Taped:
    """A scheduler whose events and commands are recorded, as in the loop."""

    def __init__(self, scheduler: Scheduler, recorder: Recorder) -> None:
        self._scheduler = scheduler
        self._recorder = recorder

    def handle(self, event: Event, now: Instant) -> tuple[Command, ...]:
        self._recorder.begin(event, now)
        done = self._scheduler.handle(event, now)
        self._recorder.end(done)
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scheduler, name)


def secretive(instances: int = 3, secret: str = SECRET) -> Any:
    container = Container(
        image="acme/web:1",
        command=("run", f"--password={secret}"),
        entrypoint=(secret,),
        environment=(("LOG", "info"), ("PASSWORD", secret)),
        labels=(("key", secret),),
        health=HealthCheck(kind=CheckKind.COMMAND, command=("check", secret)),
        templates=(Template(target="conf", content=f"password={secret}", command=("reload", secret)),),
        post_start=(Hook(command=("hello", secret)),),
        pre_stop=(Hook(command=("bye",), environment=(("PASSWORD", secret),)),),
    )
    small = Resources(cpus_milli=100, mem_mib=16)
    made = group("shop/web", instances=instances, container=container, resources=small)
    return replace(made, metadata=(("token", secret),))


def live(path: Path) -> Recorded:
    """A conversation with launches, a failure, an update and a scale."""
    talk = Recorded(path)
    talk.subscribe()
    talk.submit(stack(secretive()))
    talk.offers()
    talk.run(*talk.tasks)
    talk.status(talk.tasks[0], TaskState.FAILED, message=f"check {SECRET}: exit code 1: {SECRET}")
    talk.wait(5)
    talk.offers()
    talk.submit(stack(secretive(2, "another")))
    talk.wait(5)
    talk.say(ScaleRequested(request_id=900, pattern="shop", instances=4))
    talk.offers()
    return talk
