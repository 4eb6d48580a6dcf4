"""The scheduler's own metrics: what is counted while the core works, and the page that Prometheus reads."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from framework.core.commands import Command
from framework.core.events import Event, OfferRescinded
from framework.core.views import Waiting
from framework.meter import Meter, gauge, view_metrics
from specs.ids import GroupId
from specs.states import TaskState
from tests.kit.conversation import Conversation, group, stack
from tests.kit.front import a_group, a_stack, a_task, a_view


class MeteredConversation(Conversation):
    """A conversation that is listened to, as the loop has it."""

    def __init__(self) -> None:
        self.meter = Meter()
        super().__init__()
        handle = self.scheduler.handle

        def metered(event: Event, now: float) -> tuple[Command, ...]:
            self.meter.begin(event, now)
            commands = handle(event, now)
            self.meter.end(commands)
            return commands

        self.scheduler.handle = metered  # type: ignore[method-assign]


def samples(meter: Meter) -> dict[str, float]:
    """The page as Prometheus's own parser reads it, by `name{label=value}` without the prefix."""
    found = {}
    for family in text_string_to_metric_families(meter.page().decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            found[key.removeprefix("framework_scheduler_")] = sample.value
    return found


def test_what_passes_is_counted() -> None:
    talk = MeteredConversation()
    talk.subscribe()
    talk.submit(stack(group(instances=2)))
    offers = (talk.offer(1), talk.offer(2), talk.offer(3))
    talk.offers(*offers)
    talk.wait(1.0)
    talk.run(*talk.tasks)
    talk.say(OfferRescinded(offer_id=offers[2].id))
    told = samples(talk.meter)
    assert told["offers_total{fate=received}"] == 3
    assert told["launches_total"] == 2
    assert told["reconciliations_total"] == 1
    assert told["events_total{kind=StackSubmitted}"] == 1
    assert told["happenings_total{kind=TaskRunning}"] == 2
    assert [told[f"task_wait_seconds_count{{phase={phase}}}"] for phase in ("placed", "running", "ready")] == [2, 2, 2]
    assert 1.0 <= told["task_wait_seconds_sum{phase=ready}"] <= 3.0
    assert told["save_seconds_count"] > 2
    assert told["save_writes_total"] >= told["save_seconds_count"]
    assert talk.meter.saves_waiting == 0
    assert told["process_resident_memory_bytes"] > 0


def test_what_becomes_of_offers_adds_up() -> None:
    talk = MeteredConversation()
    talk.subscribe()
    talk.submit(stack(group(instances=1)))
    talk.offers()
    talk.wait(10.0)
    told = samples(talk.meter)
    fates = [told.get(f"offers_total{{fate={fate}}}", 0.0) for fate in ("accepted", "declined", "rescinded")]
    assert told["offers_total{fate=received}"] == sum(fates) + talk.meter.offers_held


def test_a_task_that_follows_a_failed_one_is_not_timed() -> None:
    talk = MeteredConversation()
    talk.up(group())
    talk.status(talk.tasks[0], TaskState.FAILED)
    talk.wait(60)
    talk.offers()
    assert [task.attempt for task in talk.tasks] == [2]
    assert samples(talk.meter)["task_wait_seconds_count{phase=placed}"] == 1


def test_what_the_view_shows() -> None:
    web = GroupId("shop", "web", ())
    waiting = [Waiting(slot=1, cause="0/3 agents fit"), Waiting(slot=2, cause="given up", is_final=True)]
    one = a_group(web, instances=3, tasks=[a_task(web)], waiting=waiting)
    view = a_view([a_stack("shop", [replace(one, refused_by=("cpus", "hostname"))])])
    meter = Meter()
    meter.watch(lambda: iter([gauge("is_leader", "Whether it leads.", 1), *view_metrics(view)]))
    told = samples(meter)
    assert (told["is_leader"], told["stacks"], told["subscribed"]) == (1, 1, 1)
    assert told["tasks{state=RUNNING}"] == 1
    assert [told[f"slots{{of={of}}}"] for of in ("wanted", "ready", "waiting", "given_up")] == [3, 1, 1, 1]
    assert told["refused_slots{rule=hostname}"] == 2
