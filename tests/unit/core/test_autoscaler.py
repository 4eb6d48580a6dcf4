"""Groups that are scaled by their load, as conversations with the core; and the arithmetic by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from framework.core.commands import Command, Done, PublishEvent, Refused
from framework.core.events import KillRequested, ScaleRequested, StopRequested, UsageMeasured
from framework.core.model import TaskUsage
from framework.core.state.load_window import MOST_AT_ONCE, Scaler, Window, reading
from framework.core.views import GroupView
from specs.model.autoscale import Autoscale, MetricTarget
from specs.model.stack import Container
from specs.model.update import Step, Update
from specs.states import TaskState
from tests.kit.conversation import Conversation, group, outcome, stack

BOUNDS = Autoscale(min=2, max=10, cpu_percent=60, up_after_seconds=30, cool_down_seconds=180)
EVERY = 10.0


class Load:
    """A group under load: it is measured every ten seconds, and what it launches runs at once."""

    def __init__(self, bounds: Autoscale = BOUNDS, instances: int = 4) -> None:
        self.talk = Conversation()
        self.desired = replace(group("shop/web", instances=instances), autoscale=bounds)
        self.talk.up(self.desired)
        self.talk.wait(20)

    def measure(self, times: int = 1, *, cpu: float | None = None, silent: int = 0, **metrics: float) -> list[Command]:
        """Says `times`, ten seconds apart, that each task uses `cpu` per cent of what it asks for; `silent` of them say
        nothing."""
        heard: list[Command] = []
        for _ in range(times):
            heard += self.talk.wait(EVERY)
            telling = self.talk.tasks[: len(self.talk.tasks) - silent]
            cpus = None if cpu is None else round(self.desired.resources.cpus_milli * cpu / 100)
            usages = (
                TaskUsage(task_id=task.id, cpus_milli=cpus, metrics=tuple(sorted(metrics.items()))) for task in telling
            )
            heard += self.talk.say(UsageMeasured(tasks=tuple(usages)))
            heard += self.talk.offers()
            self.talk.run(*[task for task in self.talk.tasks if task.state is TaskState.INTENT])
        return heard

    @property
    def instances(self) -> int:
        return self.view.spec.instances

    @property
    def view(self) -> GroupView:
        return self.talk.scheduler.view(self.talk.now).stacks["shop"].groups[0]

    @property
    def sentence(self) -> str:
        assert self.view.scaling is not None
        return self.view.scaling.sentence


# ---- the arithmetic -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uses", "instances", "wants"),
    [
        ([90, 90, 90, 90], 4, 6),  # 360 / 60
        ([65, 65, 65, 65], 4, 4),  # 8 % more than the target
        ([55, 55, 55, 55], 4, 4),
        ([30, 30, 30, 30], 4, 2),
        ([1], 1, 1),
        ([300], 1, 5),
        ([90, 90], 4, 4),  # of two that are silent nothing is known: they may idle
        ([200, 200], 4, 7),  # even then
        ([30, 30], 4, 3),  # the silent ones are taken to be at the target
        ([10], 4, 4),  # 0.2 + 3, rounded up
        ([120, 120, 120], 3, 6),
        ([40, 40, 40, 40, 40], 4, 4),  # five while one is replaced: 3.3, rounded up
        ([70, 70, 70, 70, 70], 4, 6),
    ],
)
def test_what_a_load_wants(uses: list[float], instances: int, wants: int) -> None:
    assert reading("cpu", uses, 60, instances).wants == wants


def test_figures_are_short() -> None:
    texts = [str(reading("cpu", [use], 60, 1)) for use in (1234.56, 99.5, 3.14159)]
    assert texts == ["cpu 1235 % (target 60 %)", "cpu 99.5 % (target 60 %)", "cpu 3.14 % (target 60 %)"]


def test_a_window_remembers_the_extreme() -> None:
    window = Window(is_highest=True)
    assert [window.add(at, wanted, 30) for at, wanted in ((0, 5), (10, 8), (20, 3), (39, 4), (40, 4), (71, 2))] == [
        *(5, 8, 8, 8, 4, 2)
    ]
    assert [Window(is_highest=False).add(0, wanted, 0) for wanted in (7,)] == [7]


def test_no_more_than_twice_as_many_at_a_time() -> None:
    bounds = replace(BOUNDS, max=100, up_after_seconds=0)
    assert Scaler().settle(bounds, 2, 100, 1000.0) == 2 + MOST_AT_ONCE
    assert Scaler().settle(bounds, 20, 100, 1000.0) == 40


# ---- up and down ----------------------------------------------------------------------


def test_more_once_that_was_wanted_for_a_while() -> None:
    load = Load()
    load.measure(3, cpu=90)
    assert load.instances == 4
    assert load.sentence == "6 are wanted, which has to hold for 30 s: cpu 90 % (target 60 %)"
    heard = load.measure(cpu=90)
    assert load.instances == 6
    scaled = [one.text for one in heard if isinstance(one, PublishEvent) and one.kind == "GroupScaled"]
    assert scaled == ["shop/web is scaled from 4 to 6 by autoscale: cpu 90 % (target 60 %)"]
    revision = load.talk.shelf.histories["shop"].revisions[-1]
    assert (revision.command, revision.by, revision.text) == ("scale", "autoscale", "scaled web 4 → 6")


def test_a_peak_is_no_load() -> None:
    load = Load()
    for _ in range(5):
        load.measure(2, cpu=90)
        load.measure(cpu=60)
    assert load.instances == 4


def test_fewer_after_the_cool_down_and_never_below_min() -> None:
    load = Load()
    load.measure(18, cpu=15)
    assert load.instances == 4
    assert load.sentence == "1 would do, which has to hold for 180 s: cpu 15 % (target 60 %)"
    load.measure(cpu=15)
    assert load.instances == 2
    load.measure(30, cpu=1)
    assert (load.instances, load.sentence) == (2, "1 would do, and min is 2: cpu 1 % (target 60 %)")


def test_never_above_max() -> None:
    load = Load(replace(BOUNDS, up_after_seconds=0))
    load.measure(12, cpu=500)
    assert load.instances == 10
    assert "are wanted, and max is 10" in load.sentence


def test_the_highest_of_a_cool_down_counts() -> None:
    load = Load()
    for _ in range(4):
        load.measure(8, cpu=30)
        load.measure(cpu=45)  # three tasks of it
    assert load.instances == 3


def test_the_target_that_wants_the_most_counts() -> None:
    load = Load(replace(BOUNDS, metrics=(MetricTarget(name="queued", target=20),), up_after_seconds=0))
    load.measure(cpu=30, queued=35)
    assert load.instances == 7
    assert load.sentence == "from 4 to 7: cpu 30 % (target 60 %), queued 35 (target 20)"


def test_a_new_task_counts_once_it_has_been_ready_for_a_while() -> None:
    load = Load(replace(BOUNDS, up_after_seconds=0))
    load.measure(cpu=90)
    assert load.instances == 6
    load.measure(cpu=90)  # the two new ones burn while they start: 4 × 90 of 6 × 60
    assert (load.instances, "4 of 6 tasks measured" in load.sentence) == (6, True)


def test_without_news_nothing_changes() -> None:
    load = Load()
    load.measure(30)
    assert load.instances == 4
    assert load.sentence == "waits for what its tasks use: none that has been ready for long enough has told it"
    load.measure(30, cpu=10, silent=3)  # 3.2 of 4
    assert load.instances == 4


def test_after_a_time_without_news_the_cool_down_begins_anew() -> None:
    load = Load()
    load.measure(10, cpu=60)
    load.talk.wait(600)
    load.measure(2, cpu=15)
    assert load.instances == 4


# ---- with people, rollouts and other leaders -----------------------------------------


def test_a_number_that_somebody_sets_stays_for_a_cool_down() -> None:
    load = Load()
    load.measure(30, cpu=60)
    assert isinstance(outcome(load.talk.say(ScaleRequested(request_id=90, pattern="shop", instances=8)), 90), Done)
    load.talk.offers()
    load.talk.run(*load.talk.tasks)
    load.measure(18, cpu=30)
    assert load.instances == 8
    load.measure(3, cpu=30)
    assert load.instances == 4


def test_numbers_outside_the_bounds_are_refused() -> None:
    load = Load()
    for ask in (
        ScaleRequested(request_id=90, pattern="shop/web", instances=11),
        ScaleRequested(request_id=90, pattern="shop/web", delta=-3),
    ):
        refused = outcome(load.talk.say(ask), 90)
        assert isinstance(refused, Refused)
        assert "shop/web is scaled by its load, from 2 to 10; wanted a number of these" in refused.message
    ids = tuple(task.id for task in load.talk.tasks[:3])
    assert isinstance(outcome(load.talk.say(KillRequested(request_id=91, tasks=ids, scale=True)), 91), Refused)
    assert load.instances == 4


def test_the_same_file_again_keeps_the_number() -> None:
    load = Load()
    load.measure(4, cpu=90)
    done = load.talk.submit(stack(load.desired))
    assert isinstance(done, Done)
    assert (load.instances, done.message) == (6, "unchanged")
    narrower = replace(load.desired, autoscale=replace(BOUNDS, max=5))
    load.talk.submit(stack(narrower))
    assert load.instances == 5


def test_nothing_is_scaled_while_it_is_stopped() -> None:
    load = Load()
    load.talk.say(StopRequested(request_id=90, pattern="shop"))
    load.measure(10, cpu=300)
    assert (load.instances, load.view.scaling) == (4, None)


def test_a_rollout_may_grow_and_not_shrink() -> None:
    load = Load(replace(BOUNDS, cool_down_seconds=30))
    update = Update(steps=(Step(),))
    load.talk.submit(stack(replace(load.desired, container=Container(image="other"), update=update)))
    load.measure(8, cpu=20)
    assert load.instances == 4
    assert "is under way, and until it is done there are not fewer" in load.sentence
    load.measure(4, cpu=90)
    assert load.instances == 6


def test_another_leader_begins_the_cool_down_anew() -> None:
    load = Load()
    load.measure(18, cpu=15)
    now = load.talk.now
    load.talk = Conversation(shelf=load.talk.shelf)
    load.talk.now = now
    load.talk.subscribe()
    load.measure(18, cpu=15)
    assert load.instances == 4
    load.measure(cpu=15)
    assert load.instances == 2


def test_only_the_group_itself_is_scaled() -> None:
    talk = Conversation()
    one = replace(group("shop/web", instances=2), autoscale=replace(BOUNDS, up_after_seconds=0))
    other = group("shop/web", ("dev",), instances=2)
    talk.up(one, other)
    talk.wait(20)
    usages = tuple(TaskUsage(task_id=task.id, cpus_milli=10_000) for task in talk.tasks)
    talk.say(UsageMeasured(tasks=usages))
    specs = talk.scheduler.context.state.specs
    assert [(str(id), spec.instances) for id, spec in specs.items()] == [("shop/web", 6), ("shop/web[dev]", 2)]
