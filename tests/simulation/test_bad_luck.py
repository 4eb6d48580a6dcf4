"""Changes of a stack that go wrong: each ends as its file says, within its deadline, and says why.

Stories of one simulated world each, without other faults. docs/rollouts.md tells of the same, in the same sentences.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from framework.core.events import StackSubmitted
from framework.core.model import Rollout, RolloutState, Task
from specs.model.resources import Resources
from specs.model.stack import CheckKind, Container, Dependency, Group, HealthCheck, Port
from specs.model.update import OnFailure, Order, Share, Update
from specs.states import Goal
from tests.kit.conversation import group, stack
from tests.simulation.faults import Faults
from tests.simulation.images import Fate, image
from tests.simulation.world import World

DOCS = Path(__file__).parents[2] / "docs" / "rollouts.md"
NAME = "luck"
SLOTS = 3
DEADLINE_SECONDS = 120.0
ONE = Share(count=1)
UPDATE = Update(
    parallelism=ONE, max_surge=ONE, wait_seconds=5.0, deadline_seconds=DEADLINE_SECONDS, max_failures=Share()
)
CHECK = HealthCheck(kind=CheckKind.TCP, port="http", interval_seconds=5.0, grace_seconds=10.0)
PORTS = (Port(name="http", container_port=80),)


class Story:
    """A world in which a stack of one service runs, three times, and is changed."""

    def __init__(self, first: Group) -> None:
        self.world = World(1, Faults((("rollouts", 0.0),)))
        self.world.begin()
        self._requests = 1000
        self.submit(first)
        self.until(lambda: len(self.serving(first.container.image)) == SLOTS, 120)

    def submit(self, *groups: Group) -> None:
        self._requests += 1
        assert self.world.leader is not None
        self.world.leader.post(StackSubmitted(request_id=self._requests, stack=stack(*groups, name=NAME)))

    def until(self, is_so: Callable[[], bool], seconds: float) -> None:
        """Lets time go by until something is so."""
        end = self.world.kernel.now + seconds
        while not is_so():
            assert self.world.kernel.now < end, f"not so after {seconds} s: {self.rollout}, {self.tasks}"
            self.world.kernel.run(0.5)

    @property
    def state(self) -> Any:
        self.until(lambda: self.world.leader is not None and self.world.leader.is_alive, 30)
        assert self.world.leader is not None
        return self.world.leader.scheduler.context.state

    @property
    def rollout(self) -> Rollout | None:
        """The rollout of now."""
        rollouts = self.world.tree.rollouts.get(NAME)
        return rollouts.current if rollouts is not None else None

    @property
    def past(self) -> tuple[Rollout, ...]:
        rollouts = self.world.tree.rollouts.get(NAME)
        return rollouts.past if rollouts is not None else ()

    @property
    def tasks(self) -> list[Task]:
        """The stack's tasks that shall run."""
        found = self.world.tree.tasks.values()
        return [task for task in found if task.group.stack == NAME and task.goal is Goal.RUN]

    def serving(self, name: str) -> list[Task]:
        """The tasks of web of this image that are ready."""
        versions = self.state.versions
        mine = (task for task in self.tasks if task.group.service == "web" and task.is_ready)
        return [task for task in mine if versions[NAME, task.version].container.image == name]

    @property
    def has_begun(self) -> bool:
        """Whether the change is under way: a task of it was launched."""
        return any(task.group.service == "web" and task.beside is not None for task in self.tasks)


def web(number: int = 1, fate: Fate = Fate.WELL, update: Update = UPDATE, **more: Any) -> Group:
    container = Container(image=image(number, fate), ports=PORTS, health=CHECK)
    resources = Resources(cpus_milli=200, mem_mib=64)
    made = group(f"{NAME}/web", instances=SLOTS, container=container, resources=resources)
    return replace(made, update=update, **more)


OLD, NEW = web(), web(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """A stack, its change, the event in the middle, the end of the change, and the version that serves then."""

    name: str
    first: Group = OLD
    change: tuple[Group, ...] = (NEW,)
    meddle: Callable[[Story], None] | None = None
    ends: RolloutState = RolloutState.DONE
    within_seconds: float = DEADLINE_SECONDS
    serves: str = image(2)


def _agent_dies(story: Story) -> None:
    world = story.world
    coming = next(task for task in story.tasks if task.beside is not None)
    agent = world.agents[coming.agent_id]
    agent.lose()
    world.kernel.after(30.0, lambda: world.master.mark_gone(agent.id))


def _leader_dies(story: Story) -> None:
    assert story.world.leader is not None
    story.world._crash(story.world.leader)


def _second_submit(story: Story) -> None:
    story.submit(web(3))


BACK = replace(UPDATE, on_failure=OnFailure.ROLLBACK)
BIG = Resources(cpus_milli=64_000, mem_mib=64)
NEVER = replace(UPDATE, min_healthy=Share(percent=100), order=Order.STOP_FIRST)
FAILED, BEFORE = RolloutState.FAILED, image(1)
ROWS = (
    Luck(name="its image does not exist", change=(web(2, Fate.ABSENT),), ends=FAILED, serves=BEFORE),
    Luck(name="it crashes at once", change=(web(2, Fate.CRASHES),), ends=FAILED, serves=BEFORE),
    Luck(
        name="it crashes after 20 s",
        change=(web(2, Fate.LATE, replace(BACK, wait_seconds=30.0)),),
        ends=RolloutState.ROLLED_BACK,
        serves=BEFORE,
    ),
    Luck(name="it never gets healthy", change=(web(2, Fate.SICK, BACK),), ends=RolloutState.ROLLED_BACK, serves=BEFORE),
    Luck(name="the old one does not hear TERM", first=web(1, Fate.DEAF), within_seconds=300.0),
    Luck(name="it exits with 0", change=(web(2, Fate.ENDS),), ends=FAILED, serves=BEFORE),
    Luck(name="it fits nowhere", change=(web(2, resources=BIG),), ends=FAILED, serves=BEFORE),
    Luck(name="an agent dies in the middle", meddle=_agent_dies, within_seconds=300.0),
    Luck(name="the leader dies in the middle", meddle=_leader_dies),
    Luck(name="another submit comes in the middle", meddle=_second_submit, serves=image(3)),
    Luck(
        name="what it depends on does not run",
        change=(
            web(2, dependencies=(Dependency(service="cache"),)),
            group(f"{NAME}/cache", container=Container(image=image(2, Fate.ABSENT))),
        ),
        ends=FAILED,
        serves=BEFORE,
    ),
    Luck(name="`min_healthy` lets nothing move", change=(web(2, update=NEVER),), ends=FAILED, serves=BEFORE),
)


@pytest.mark.parametrize("luck", ROWS, ids=lambda luck: luck.name.replace(" ", "-"))
def test_it_ends_as_the_file_says(luck: Luck) -> None:
    story = Story(luck.first)
    story.submit(*luck.change)
    if luck.meddle is not None:
        story.until(lambda: story.has_begun, 30)
        luck.meddle(story)
    story.until(lambda: _is_over(story, luck), luck.within_seconds + 5)
    assert len(story.serving(luck.serves)) == SLOTS, story.tasks
    assert sentence(story) == documented(luck.name)


def _is_over(story: Story, luck: Luck) -> bool:
    rollout = story.rollout
    if luck.ends is FAILED:
        return rollout is not None and rollout.state is FAILED
    is_as_meant = rollout is None and len(story.serving(luck.serves)) == SLOTS
    return is_as_meant and any(each.state is luck.ends for each in story.past)


def sentence(story: Story) -> str:
    """Why the change did not come to its end, with ids and times left out; "" where it did."""
    rollout = story.rollout
    if rollout is not None:
        said = next((part.problem for part in rollout.groups if part.problem), "")
    else:
        said = next((each.cause for each in story.past if each.cause), "")
    for pattern, word in LEFT_OUT:
        said = re.sub(pattern, word, said)
    return said


LEFT_OUT = (
    (rf"{NAME}\.[a-z]+\.\d+\.\d+", "TASK"),
    (rf"\b{NAME}/", "shop/"),
    (r"acme/web:\S+", "IMAGE"),
    (r"(could not be pulled|the last): [^;]*", r"\1: …"),
    (r"after \d+(\.\d+)? (s|ms)\b", "after N s"),
)


def documented(name: str) -> str:
    """The sentence that the documents say for what has gone wrong; "" where they say none."""
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith(f"| {name} |")]
    assert len(rows) == 1, f"{DOCS.name}: wanted one row for {name!r}, got {len(rows)}"
    return rows[0][3].strip("`") if rows[0][3] != "-" else ""
