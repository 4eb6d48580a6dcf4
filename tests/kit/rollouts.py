"""A cluster that plays along while a stack is changed. Launched tasks run, unless the test lets them fail, and killed
tasks end. The number of tasks is counted after every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from framework.core.commands import Accept, Command, Done, Kill, Refused
from framework.core.events import RolloutAction, RolloutActionRequested
from framework.core.model import Rollout, RolloutState, Task
from framework.core.views import Waiting
from specs.ids import TaskId
from specs.model.stack import Container, Group, Port
from specs.model.update import Order, Share, Step, Update
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, group, outcome, stack

ONE = Share(count=1)
TWO = Share(count=2)
ALL = Share(percent=100)
PROMPT = Update(parallelism=ONE, max_surge=ONE, monitor_seconds=0.0, max_failures=Share())
STOP_FIRST = replace(PROMPT, order=Order.STOP_FIRST)
STEPS = replace(PROMPT, steps=(Step(until=ONE), Step(hold_seconds=30), Step(until=Share(count=2)), Step()))


def fine(_task: Task) -> str:
    """Every task starts and runs."""
    return ""


@dataclass(slots=True)
class Play:
    """Plays a conversation on. `fault` returns how a launched task fails: "" if it runs, "hangs" if it never sends a
    status. `most` is the largest number of tasks seen, `least` the smallest number of ready tasks."""

    talk: Conversation
    fault: Callable[[Task], str] = fine
    offered: int = 3
    cpus: float = 4.0
    stubborn: bool = False
    """Killed tasks do not end."""
    most: int = 0
    least: int = 1_000_000
    launched: list[Task] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    """The course of the rollout, one word a task: +slot when it is ready, -slot when it is stopped."""

    def on(self, seconds: float = 60.0, *heard: Command, until: Callable[[], bool] | None = None) -> None:
        """Lets time go by, playing along; no longer than `until` holds."""
        talk = self.talk
        end = talk.now + seconds
        todo = list(heard)
        self._count()
        while talk.now < end and not (until is not None and until()):
            todo += talk.offers(*(talk.offer(n + 1, cpus=self._free(n + 1)) for n in range(self.offered)))
            todo += talk.wait(0.4)
            while todo:
                todo += self._answer(todo.pop(0))
                self._count()

    def _free(self, number: int) -> float:
        """The free cpus of an agent: each task takes half a cpu, the executor as much once."""
        mine = [task for task in self.talk.tasks if task.agent_id == f"agent-{number}"]
        return max(self.cpus - 0.5 * len(mine), 0.0)

    def _answer(self, command: Command) -> list[Command]:
        if isinstance(command, Accept):
            return [each for launch in command.launches for each in self._launch(launch.task)]
        if isinstance(command, Kill) and not self.stubborn and self._lives(command.task_id):
            self.order.append(f"-{self._task(command.task_id).slot}")
            return self.talk.status(command.task_id, TaskState.KILLED)
        return []

    def _launch(self, task: Task) -> list[Command]:
        self.launched.append(task)
        fault = self.fault(task)
        if fault == "hangs" or not self._lives(task.id) or self._task(task.id).goal is Goal.STOP:
            return []
        if fault:
            return self.talk.status(task, TaskState.FAILED, message=fault)
        self.order.append(f"+{task.slot}")
        return self.talk.run(task)

    def _lives(self, id: TaskId) -> bool:
        task = self.talk.scheduler.context.state.tasks.get(id)
        return task is not None and task.state.is_lively

    def _task(self, id: TaskId) -> Task:
        return self.talk.scheduler.context.state.tasks[id]

    def _count(self) -> None:
        tasks = self.talk.tasks
        self.most = max(self.most, len(tasks))
        self.least = min(self.least, sum(task.is_ready and task.goal is Goal.RUN for task in tasks))

    # ---- looking ------------------------------------------------------------------

    @property
    def rollout(self) -> Rollout | None:
        """The rollout of now."""
        rollouts = self.talk.scheduler.context.state.rollouts.get("shop")
        return rollouts.current if rollouts else None

    @property
    def past(self) -> list[RolloutState]:
        """How the rollouts before ended, newest first."""
        rollouts = self.talk.scheduler.context.state.rollouts.get("shop")
        return [each.state for each in rollouts.past] if rollouts else []

    def images(self) -> list[str]:
        """The images of the living tasks, by slot."""
        versions = self.talk.scheduler.context.state.versions
        return [versions[task.group.stack, task.version].container.image for task in self.talk.tasks]

    def facts(self) -> dict[str, Any]:
        """For messages of failed tests."""
        return {"order": self.order, "images": self.images(), "rollout": self.rollout, "past": self.past}


def web(
    instances: int = 3,
    image: str = "busybox:1",
    update: Update = PROMPT,
    ports: tuple[Port, ...] = (),
    **more: Any,
) -> Group:
    container = Container(image=image, ports=ports)
    return replace(group(instances=instances, container=container, **more), update=update)


def playing(instances: int = 3, update: Update = PROMPT, **more: Any) -> Play:
    """A stack whose tasks all run."""
    talk = Conversation()
    play = Play(talk)
    talk.subscribe()
    assert isinstance(talk.submit(stack(web(instances, update=update, **more))), Done)
    play.on(2)
    assert play.images() == ["busybox:1"] * instances
    play.order.clear()
    play.launched.clear()
    play.most, play.least = 0, 1_000_000
    return play


def change(play: Play, seconds: float = 60, **more: Any) -> Play:
    """Submits the next image, and lets it be rolled out."""
    play.talk.heard.clear()
    assert isinstance(play.talk.submit(stack(web(**{"image": "busybox:2", **more}))), Done)
    play.on(seconds, *play.talk.heard)
    return play


def ask(play: Play, action: RolloutAction, service: str = "", number: int = 0) -> Done | Refused:
    heard = play.talk.say(
        RolloutActionRequested(
            request_id=77, stack="shop", action=action, service=service, number=number, asked_by="ann"
        )
    )
    answer = outcome(heard, 77)
    play.on(0.1, *heard)
    return answer


def waiting(play: Play) -> tuple[Waiting, ...]:
    (view,) = play.talk.scheduler.view(play.talk.now).stacks["shop"].groups
    return view.waiting


def is_new(task: Task) -> bool:
    return int(task.id.rpartition(".")[2]) > 3
