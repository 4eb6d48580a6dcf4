"""Rules of placement as the scheduler keeps them: through restarts, replacements, scaling and failures."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Accept, Decline, DeleteAgent, PublishEvent, PutAgent, Revive, Save
from framework.core.events import AgentFailed, AgentsReported, OffersReceived, ScaleRequested, StackRemoved, Subscribed
from framework.core.model import Task
from framework.core.state.executor_choice import Reservations, choose_executor
from framework.core.views import AgentView
from placement.offer import ReservationPool
from specs.executor_ids import executor_variant, served_from
from specs.ids import AgentId, ExecutorId, OfferId
from specs.model.constraints import STICKY_ALWAYS, Constraint, Neighbour, Operator, Rules, Selector, Spread
from specs.model.resources import PortRanges, Resources
from specs.model.stack import Container, Port
from specs.model.update import Order, Update
from specs.states import Goal, TaskState
from tests.kit.conversation import FRAMEWORK, SETTINGS, Conversation, announced, group, killed, launched, stack

UNIQUE_HOST = Rules(constraints=(Constraint(operator=Operator.UNIQUE, field="hostname"),))
BY_RACK = Rules(constraints=(Constraint(operator=Operator.GROUP_BY, field="rack"),))
ONE_A_RACK = Rules(constraints=(Constraint(operator=Operator.MAX_PER, field="rack", values=("1",)),))
SPREAD_RACK = Rules(spread=(Spread(over="rack"),))
RACKS = {1: "a", 2: "a", 3: "b", 4: "b", 5: "c", 6: "c"}
BASE = SETTINGS.executor_id


def in_racks(rules: Rules, instances: int, talk: Conversation | None = None) -> Conversation:
    """A group that runs on six agents in three racks."""
    talk = talk or Conversation()
    talk.attributes = {number: {"rack": rack} for number, rack in RACKS.items()}
    talk.subscribe(*(talk.agent(number) for number in RACKS))
    talk.submit(stack(group(instances=instances, rules=rules)))
    talk.run(*launched(talk.offers(*(talk.offer(number) for number in RACKS))))
    return talk


def cause(talk: Conversation) -> str:
    return talk.scheduler.view(talk.now).stacks["shop"].groups[0].waiting[0].cause


def rack_of(task: Task) -> str:
    return RACKS[int(task.hostname.removeprefix("agent"))]


def seen(talk: Conversation, number: int) -> AgentView:
    return talk.scheduler.view(talk.now).agents[f"agent-{number}"]


def scale(talk: Conversation, instances: int) -> None:
    talk.say(ScaleRequested(request_id=99, pattern="shop", instances=instances))


class TestHardRules:
    def test_counts_by_rack_survive_a_restart_without_a_word_of_the_old_agents(self) -> None:
        talk = in_racks(ONE_A_RACK, 2)
        used = {rack_of(task) for task in talk.tasks}
        again = Conversation(shelf=talk.shelf)
        again.attributes = talk.attributes
        again.subscribe(*(again.agent(number) for number in (2, 4, 6)))
        scale(again, 3)
        again.wait(2)
        (new,) = launched(again.offers(*(again.offer(number) for number in (2, 4, 6))))
        assert rack_of(new) not in used

    def test_the_facts_of_an_agent_are_stored_with_the_intent(self) -> None:
        talk = Conversation()
        talk.attributes = {1: {"rack": "r1"}}
        talk.subscribe(talk.agent(1))
        talk.submit(stack(group()))
        talk.holds_saves = True
        talk.offers(talk.offer(1))
        (save,) = talk.held
        assert [write.agent.attributes for write in save.writes if isinstance(write, PutAgent)] == [(("rack", "r1"),)]
        talk.release()
        talk.run(*talk.tasks)
        scale(talk, 2)
        talk.wait(2)
        heard = talk.offers(talk.offer(1))
        assert len(launched(heard)) == 1
        saves = [command for command in heard if isinstance(command, Save)]
        assert not any(isinstance(write, PutAgent) for save in saves for write in save.writes), "nothing is new"

    def test_a_rolling_replacement_with_unique_on_as_many_agents_as_instances(self) -> None:
        talk = Conversation()
        talk.up(group(instances=3, rules=UNIQUE_HOST))
        talk.submit(stack(group(instances=3, rules=UNIQUE_HOST, image="busybox:2")))
        for _ in range(3):
            assert launched(talk.offers()) == [], "no agent may have two"
            talk.wait(6)
            (stopping,) = [task for task in talk.tasks if task.goal is Goal.STOP]
            talk.status(stopping, TaskState.KILLED)
            talk.wait(2)
            (new,) = launched(talk.offers())
            assert new.hostname == stopping.hostname
            talk.run(new)
        assert len({task.hostname for task in talk.tasks}) == 3
        assert not [task for task in talk.tasks if task.goal is Goal.STOP]

    def test_tasks_that_are_stopping_still_count_until_they_have_ended(self) -> None:
        talk = Conversation()
        talk.subscribe(talk.agent(1))
        talk.submit(stack(group("shop/a", rules=Rules()), group(rules=UNIQUE_HOST)))
        talk.run(*launched(talk.offers(talk.offer(1))))
        scale(talk, 0)
        scale(talk, 1)
        talk.wait(2)
        assert launched(talk.offers(talk.offer(1))) == []

    def test_the_replacement_of_a_failed_agents_task_keeps_the_rule(self) -> None:
        talk = in_racks(ONE_A_RACK, 3)
        lost = talk.tasks[0]
        rest = {rack_of(task) for task in talk.tasks[1:]}
        talk.status(lost, TaskState.UNREACHABLE, uuid="")
        talk.wait(2)
        others = [number for number in RACKS if f"agent{number}" != lost.hostname]
        (new,) = launched(talk.offers(*(talk.offer(number) for number in others)))
        assert rack_of(new) not in rest and new.hostname != lost.hostname

    def test_fixed_ports_of_one_accept_never_clash(self) -> None:
        ports = Container(image="a:1", ports=(Port(name="a", container_port=80, host_port=31001),))
        talk = Conversation()
        talk.subscribe(talk.agent(1))
        talk.submit(stack(group("shop/a", container=ports), group("shop/b", container=ports)))
        (accept,) = [command for command in talk.offers(talk.offer(1)) if isinstance(command, Accept)]
        assert [launch.task.host_ports for launch in accept.launches] == [(31001,)]

    def test_a_milder_rule_brings_waiting_slots_to_their_place(self) -> None:
        impossible = Rules(constraints=(Constraint(operator=Operator.EQUAL, field="rack", values=("nowhere",)),))
        talk = in_racks(impossible, instances=2)
        talk.wait(20)  # what was offered is declined
        assert talk.tasks == []
        talk.submit(stack(group(instances=2)))
        assert any(isinstance(command, Revive) for command in talk.wait(2))
        talk.offers(*(talk.offer(agent) for agent in (1, 2)))
        assert len(talk.tasks) == 2

    def test_a_stricter_rule_stops_nobody_who_cannot_go_elsewhere(self) -> None:
        talk = Conversation()
        talk.up(group(instances=4))
        spec = replace(group(instances=4, rules=UNIQUE_HOST), update=Update(order=Order.START_FIRST))
        talk.submit(stack(spec))
        assert killed(talk.wait(30)) == []
        assert all(task.goal is Goal.RUN for task in talk.tasks)

    def test_a_group_that_keeps_others_away_does_so_after_a_restart(self) -> None:
        apart = Rules(apart=(Neighbour(to=Selector(service="loud")),))
        talk = Conversation()
        talk.subscribe(talk.agent(1))
        talk.submit(stack(group("shop/quiet", rules=apart), group("shop/loud", instances=0)))
        talk.run(*launched(talk.offers(talk.offer(1))))
        again = Conversation(shelf=talk.shelf)
        again.subscribe(again.agent(1), again.agent(2))
        again.say(ScaleRequested(request_id=9, pattern="shop/loud", instances=1))
        again.wait(2)
        assert launched(again.offers(again.offer(1))) == []
        assert [task.hostname for task in launched(again.offers(again.offer(2)))] == ["agent2"]

    def test_when_neighbours_move_mesos_is_asked_again(self) -> None:
        near = Rules(near=(Neighbour(to=Selector(service="db"), field="rack"),))
        talk = Conversation()
        talk.attributes = {1: {"rack": "a"}, 2: {"rack": "a"}}
        talk.subscribe(talk.agent(1), talk.agent(2))
        talk.submit(stack(group("shop/web", rules=near), group("shop/db", instances=0)))
        talk.wait(2)
        talk.offers(talk.offer(1), talk.offer(2))
        talk.wait(20)
        assert not talk.scheduler.context.pool.held
        talk.say(ScaleRequested(request_id=9, pattern="shop/db", instances=1))
        talk.wait(2)
        (db,) = launched(talk.offers(talk.offer(1, cpus=0.6)))
        assert db.group.service == "db"
        assert Revive() in talk.wait(11), "agent 2 was declined for an hour, and fits now"

    def test_when_a_place_under_a_limit_becomes_free_mesos_is_asked_again(self) -> None:
        two_a_rack = Rules(constraints=(Constraint(operator=Operator.MAX_PER, field="rack", values=("2",)),))
        talk = Conversation()
        talk.attributes = {1: {"rack": "a"}, 2: {"rack": "a"}, 3: {"rack": "a"}, 4: {"rack": "b"}}
        talk.subscribe(*(talk.agent(number) for number in (1, 2, 3, 4)))
        talk.submit(stack(group(instances=2, rules=two_a_rack)))
        talk.run(*launched(talk.offers(talk.offer(1), talk.offer(4))))
        returns, fails = sorted(talk.tasks, key=lambda task: task.hostname)
        talk.status(returns, TaskState.UNREACHABLE, uuid="")
        talk.wait(2)
        talk.run(*launched(talk.offers(talk.offer(2))))
        talk.status(returns, TaskState.RUNNING, uuid="")  # it is being stopped, and counts until it has ended
        talk.status(fails, TaskState.FAILED)
        talk.wait(2)
        assert launched(talk.offers(talk.offer(3))) == []
        assert Revive() not in talk.wait(60)
        talk.status(returns, TaskState.KILLED)
        assert Revive() in talk.wait(11), "agent 3 was declined for an hour, and fits now"

    def test_the_event_of_waiting_comes_once_and_again_for_other_rules(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group(resources=Resources(cpus_milli=8000, mem_mib=100))))
        told = [c for c in talk.offers() if isinstance(c, PublishEvent) and c.kind == "GroupWaiting"]
        assert [event.text for event in told] == ["shop/web waits: 0/3 agents fit: 3 cpus (wanted 8, best 3.9)"]
        assert told[0].group == "shop/web"
        assert "GroupWaiting" not in announced(talk.offers() + talk.wait(60) + talk.offers())
        talk.wait(6)
        small = [talk.offer(number, mem=80, cpus=16) for number in (1, 2, 3)]
        assert "GroupWaiting" in announced(talk.offers(*small))
        assert "GroupWaiting" not in announced(talk.offers()), "not twice in 30 s"

    def test_a_full_cluster_that_makes_no_offers_is_the_cause_all_the_same(self) -> None:
        talk = Conversation()
        full = Resources(cpus_milli=200, mem_mib=64)
        talk.subscribe(
            talk.agent(1, total=Resources(cpus_milli=4000, mem_mib=512), free=full), talk.agent(2, free=full)
        )
        talk.submit(stack(group()))
        talk.wait(1)
        assert cause(talk) == "waits for offers"
        heard = talk.wait(2)
        assert cause(talk) == "0/2 agents fit: 2 cpus (wanted 0.5, best 0.2)"
        assert "GroupWaiting" in announced(heard)


class TestSlots:
    def test_scaling_down_keeps_the_spread_and_scaling_up_fills_the_gaps(self) -> None:
        talk = in_racks(SPREAD_RACK, 6)
        by_rack = sorted(rack_of(task) for task in talk.tasks)
        assert by_rack == ["a", "a", "b", "b", "c", "c"]
        scale(talk, 3)
        left = [task for task in talk.tasks if task.goal is Goal.RUN]
        assert sorted(rack_of(task) for task in left) == ["a", "b", "c"]
        for task in talk.tasks:
            if task.goal is Goal.STOP:
                talk.status(task, TaskState.KILLED)
        scale(talk, 5)
        talk.wait(2)
        new = launched(talk.offers(*(talk.offer(number) for number in RACKS)))
        assert [task.slot for task in new] == [n for n in range(6) if n not in {task.slot for task in left}][:2]

    def test_gaps_survive_a_restart_as_long_as_their_tasks_run(self) -> None:
        talk = Conversation()
        talk.up(group(instances=4))
        talk.status(talk.tasks[1], TaskState.FAILED)
        scale(talk, 3)
        assert [task.slot for task in talk.tasks] == [0, 2, 3], "the slot without a task is given up first"
        again = Conversation(shelf=talk.shelf)
        again.subscribe()
        assert [task.slot for task in again.tasks] == [0, 2, 3] and killed(again.heard) == []
        scale(again, 4)
        again.wait(2)
        assert [task.slot for task in launched(again.offers())] == [1]

    def test_what_is_not_ready_is_given_up_before_what_is(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group(instances=3)))
        talk.offers()
        talk.run(*talk.tasks[1:])
        scale(talk, 2)
        assert [task.slot for task in talk.tasks if task.goal is Goal.STOP] == [0]


class TestFailures:
    def test_an_agent_that_fails_a_group_is_avoided_also_after_a_restart(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group()))
        (first,) = launched(talk.offers())
        talk.run(first)
        talk.status(first, TaskState.FAILED, message="exit code 1")
        number = int(first.hostname.removeprefix("agent"))
        assert seen(talk, number).penalties == {first.group: 20}
        again = Conversation(shelf=talk.shelf)
        again.subscribe()
        again.wait(3)
        (second,) = launched(again.offers())
        assert second.hostname != first.hostname

    def test_what_others_have_killed_is_no_failure(self) -> None:
        talk = in_racks(Rules(), 1)
        (task,) = talk.tasks
        talk.status(task, TaskState.KILLED, message="killed as asked")
        assert seen(talk, int(task.hostname.removeprefix("agent"))).penalties == {}
        talk.offers(*(talk.offer(number) for number in RACKS))
        assert [each.attempt for each in talk.tasks] == [2]

    def test_failures_are_forgotten_with_time_and_cost_at_least_a_point_before(self) -> None:
        talk = Conversation()
        talk.up(group())
        (task,) = talk.tasks
        number = int(task.hostname.removeprefix("agent"))
        talk.status(task, TaskState.FAILED)
        points = []
        for _ in range(4):
            talk.wait(600)
            talk.report(talk.agent(1), talk.agent(2), talk.agent(3))
            points.append(seen(talk, number).penalties.get(task.group, 0))
        assert points == [10, 5, 2, 0]

    def test_a_launch_that_nobody_answers_is_the_agents_failure(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group()))
        (task,) = launched(talk.offers())
        talk.wait(301)
        assert seen(talk, int(task.hostname.removeprefix("agent"))).penalties == {task.group: 20}


class TestSticky:
    def gone_home(self, rules: Rules) -> tuple[Conversation, Task]:
        """A task that ran, with a better agent free, and has failed."""
        talk = Conversation(settings=replace(SETTINGS, failure_half_life_seconds=1e-3))
        talk.subscribe()
        talk.submit(stack(group(rules=rules)))
        (task,) = launched(talk.offers(talk.offer(2)))
        talk.run(task)
        talk.status(task, TaskState.FAILED)
        talk.wait(1.1)
        return talk, task

    def test_a_slot_goes_back_to_where_it_was(self) -> None:
        talk, old = self.gone_home(Rules(sticky=True))
        (new,) = launched(talk.offers(talk.offer(1, cpus=16), talk.offer(2), talk.offer(3, cpus=16)))
        assert new.hostname == old.hostname

    def test_but_takes_another_agent_where_its_own_is_not_offered(self) -> None:
        talk, _ = self.gone_home(Rules(sticky=True))
        assert launched(talk.offers(talk.offer(1))) == [], "its own may make one in a moment"
        assert [task.hostname for task in launched(talk.wait(1))] == ["agent1"]

    def test_it_waits_for_its_own_as_long_as_is_said_and_then_asks_for_others(self) -> None:
        talk, _ = self.gone_home(Rules(sticky=True, sticky_wait_seconds=60.0))
        assert launched(talk.offers(talk.offer(1))) == []
        assert "home" in cause(talk)
        talk.wait(20)
        heard = talk.wait(45)
        assert Revive() in heard
        assert [task.hostname for task in launched(talk.offers(talk.offer(1)))] == ["agent1"]

    def test_it_does_not_wait_for_an_agent_that_is_gone(self) -> None:
        talk, _ = self.gone_home(Rules(sticky=True, sticky_wait_seconds=60.0))
        talk.say(AgentFailed(agent_id=AgentId("agent-2")))
        assert [task.hostname for task in launched(talk.offers(talk.offer(1)))] == ["agent1"]

    def test_always_means_for_ever(self) -> None:
        talk, _ = self.gone_home(Rules(sticky=True, sticky_wait_seconds=STICKY_ALWAYS))
        talk.wait(100_000)
        assert launched(talk.offers(talk.offer(1), talk.offer(3))) == []
        again = Conversation(shelf=talk.shelf)
        again.subscribe()
        again.wait(2)  # its clock has not gone on, and the back-off is as it was stored
        assert [task.hostname for task in launched(again.offers())] == ["agent2"]

    def test_where_a_slot_was_is_not_forgotten_with_its_groups_history(self) -> None:
        talk = Conversation(settings=replace(SETTINGS, history_per_group=1))
        talk.up(group(instances=3, rules=Rules(sticky=True, sticky_wait_seconds=STICKY_ALWAYS)))
        homes = {task.slot: task.hostname for task in talk.tasks}
        for task in talk.tasks:
            talk.status(task, TaskState.FAILED)
        talk.wait(3)
        assert {task.slot: task.hostname for task in launched(talk.offers())} == homes
        assert sum(task.state.is_terminal for task in talk.shelf.tasks.values()) == 3
        talk.status(talk.tasks[0], TaskState.FAILED)
        assert sum(task.state.is_terminal for task in talk.shelf.tasks.values()) <= 2


class TestOffersAndPools:
    def test_two_offers_of_one_agent_are_used_together(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group(resources=Resources(cpus_milli=5000, mem_mib=64))))
        heard = talk.offers(talk.offer(1, cpus=3), talk.offer(1, cpus=3, ports=(40000, 40001)))
        (accept,) = [command for command in heard if isinstance(command, Accept)]
        assert accept.offer_ids == (OfferId("offer-1"), OfferId("offer-2"))
        assert talk.scheduler.context.pool.held == {}

    def pools(self, talk: Conversation, unreserved_cpus: int, reserved_cpus: int) -> None:
        """Offers an agent some of whose resources are reserved."""
        free = Resources(cpus_milli=unreserved_cpus, mem_mib=64, ports=PortRanges.of([(31000, 31009)]))
        ours = Resources(cpus_milli=reserved_cpus, mem_mib=512)
        held = (ReservationPool(resources=free), ReservationPool(reservation='[{"role":"team"}]', resources=ours))
        talk.offers(talk.offer(1, resources=free + ours, pools=held))

    def test_reserved_resources_are_drawn_first_and_the_executor_is_paid_by_the_unreserved(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group(resources=Resources(cpus_milli=600, mem_mib=100))))
        self.pools(talk, 500, 400)
        (accept,) = [command for command in talk.heard if isinstance(command, Accept)]
        (launch,) = accept.launches
        assert [(pool.reservation, pool.resources.cpus_milli, pool.resources.mem_mib) for pool in launch.pools] == [
            ("", 200, 0),
            ('[{"role":"team"}]', 400, 100),
        ]
        assert (launch.executor_reservation, launch.task.executor_id) == ("", BASE)

    def test_an_executor_that_the_unreserved_cannot_pay_is_paid_by_a_reservation_and_used_again(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group(resources=Resources(cpus_milli=600, mem_mib=100))))
        self.pools(talk, 50, 1000)
        (accept,) = [command for command in talk.heard if isinstance(command, Accept)]
        variant = executor_variant(BASE, '[{"role":"team"}]')
        assert accept.launches[0].executor_reservation == '[{"role":"team"}]'
        assert accept.launches[0].task.executor_id == variant
        scale(talk, 2)
        talk.wait(2)
        (again,) = launched(talk.offers(talk.offer(1, cpus=0.6)))
        assert again.executor_id == variant, "it runs there and costs nothing more"

    def test_an_executor_of_a_reservation_that_is_not_known_is_not_counted_on(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group(resources=Resources(cpus_milli=600, mem_mib=100))))
        stranger = ExecutorId(f"{BASE}-01234567")
        assert launched(talk.offers(talk.offer(1, cpus=0.65, executor_ids=(stranger,)))) == []
        assert [task.executor_id for task in launched(talk.offers(talk.offer(1, executor_ids=(stranger,))))] == [BASE]

    def test_an_executor_that_another_leader_started_is_used_as_it_is(self) -> None:
        ours, theirs = served_from(BASE, "10.0.0.2:8080"), served_from(BASE, "10.0.0.1:8080")
        before = Conversation(settings=replace(SETTINGS, executor_id=theirs))
        before.up(group(instances=2))
        talk = Conversation(settings=replace(SETTINGS, executor_id=ours), shelf=before.shelf)
        talk.subscribe()
        talk.submit(stack(group(instances=3)))
        begun = talk.tasks[0].agent_id
        number = int(begun.rpartition("-")[2])
        (task,) = launched(talk.offers(talk.offer(number, cpus=0.5)))
        assert task.executor_id == theirs, "it runs there, and there is no room for another"
        talk.submit(stack(group(instances=4)))
        (fresh,) = launched(talk.offers(talk.offer(7)))
        assert fresh.executor_id == ours
        talk.submit(stack(group(instances=5)))
        (idle,) = launched(talk.offers(talk.offer(8, cpus=0.5, executor_ids=(theirs,))))
        assert idle.executor_id == theirs, "of one without tasks Mesos tells"

    def test_of_several_executors_ours_is_used_else_the_one_with_most_tasks(self) -> None:
        one, two, three = (served_from(BASE, f"10.0.0.{number}:80") for number in (1, 2, 3))
        offers = [Conversation().offer(1, executor_ids=(one, two))]

        def taken(running: dict[ExecutorId, int], own: ExecutorId) -> ExecutorId:
            choice = choose_executor(offers, running, Reservations(), replace(SETTINGS, executor_id=own))
            assert choice is not None and choice.is_present
            return choice.executor_id

        assert taken({one: 5, two: 1}, three) == one
        assert taken({one: 1, two: 5}, three) == two
        assert taken({one: 1, two: 5, three: 1}, three) == three

    def test_where_no_pool_has_room_for_the_executor_the_agent_is_avoided(self) -> None:
        talk = Conversation()
        talk.subscribe(talk.agent(1))
        talk.submit(stack(group(resources=Resources(cpus_milli=60, mem_mib=10))))
        self.pools(talk, 90, 90)
        assert launched(talk.heard) == []
        assert "no reservation with room for the executor" in cause(talk)


class TestAgents:
    def test_offers_are_held_until_the_agents_are_known(self) -> None:
        talk = Conversation()
        talk.attributes = {1: {"rack": "a"}, 2: {"rack": "b"}}
        talk.say(Subscribed(framework_id=FRAMEWORK, master="m:5050"))
        talk.submit(stack(group()))
        assert launched(talk.offers(talk.offer(1))) == []
        assert cause(talk) == "waits for the master to tell its agents"
        assert not [command for command in talk.heard if isinstance(command, Decline)]
        talk.say(AgentsReported(problem="the master refused: 403"))
        assert len(launched(talk.wait(0.1))) == 1
        assert talk.scheduler.view(talk.now).agents_problem == "the master refused: 403"

    def test_but_not_for_longer_than_is_set(self) -> None:
        talk = Conversation()
        talk.say(Subscribed(framework_id=FRAMEWORK, master="m:5050"))
        talk.submit(stack(group()))
        assert launched(talk.offers(talk.offer(1))) == []
        assert len(launched(talk.wait(SETTINGS.agents_wait_seconds + 0.1))) == 1

    def test_maintenance_is_avoided_from_a_while_before_it_begins_until_it_ends(self) -> None:
        talk = Conversation()
        begin = talk.now + 1000
        window = (begin, begin + 500)
        talk.subscribe(talk.agent(1, window=window))
        assert seen(talk, 1).unavailable == ""
        talk.wait(401)
        assert seen(talk, 1).unavailable == "has maintenance from 1970-01-12 14:03:20Z on"
        talk.submit(stack(group()))
        assert launched(talk.offers(talk.offer(1, window=window))) == []
        assert "has maintenance" in cause(talk)
        talk.wait(600)
        assert seen(talk, 1).unavailable == "is in maintenance until 1970-01-12 14:11:40Z"
        assert Revive() in talk.wait(500)
        assert len(launched(talk.offers(talk.offer(1)))) == 1

    def test_remote_regions_are_only_for_those_that_ask(self) -> None:
        talk = Conversation()
        talk.subscribe(talk.agent(1, region="far"), region="here")
        talk.submit(stack(group()))
        assert launched(talk.offers(talk.offer(1, region="far"))) == []
        assert talk.scheduler.view(talk.now).region == "here"
        rules = Rules(constraints=(Constraint(operator=Operator.EQUAL, field="@region", values=("far",)),))
        talk.submit(stack(group(rules=rules)))
        assert len(launched(talk.wait(0.1))) == 1, "on the offer that is still held"

    def test_an_agent_is_forgotten_when_nothing_is_left_of_it(self) -> None:
        talk = Conversation(settings=replace(SETTINGS, history_per_group=0))
        talk.subscribe(talk.agent(1))
        talk.submit(stack(group()))
        talk.run(*launched(talk.offers(talk.offer(1))))
        talk.report(talk.agent(2))
        assert list(talk.shelf.agents) == ["agent-1"], "its task is not known to be lost"
        assert seen(talk, 1).unavailable == "is not registered with the master"
        talk.status(talk.tasks[0], TaskState.LOST)
        talk.report(talk.agent(2))
        assert list(talk.shelf.agents) == ["agent-1"], "it has failed the group lately"
        talk.remove()
        assert list(talk.shelf.agents) == ["agent-1"]
        talk.wait(10_000)
        heard = talk.report(talk.agent(2))
        assert [w for c in heard if isinstance(c, Save) for w in c.writes] == [DeleteAgent(id=AgentId("agent-1"))]
        assert talk.shelf.agents == {}
        assert list(talk.scheduler.view(talk.now).agents) == ["agent-2"]

    def test_an_agent_that_an_offer_spoke_of_first_outlives_a_report_that_is_older(self) -> None:
        talk = Conversation()
        talk.subscribe(talk.agent(1))
        talk.say(OffersReceived(offers=(talk.offer(2),)))
        talk.report(talk.agent(1))
        assert list(talk.scheduler.view(talk.now).agents) == ["agent-1", "agent-2"]
        talk.report(talk.agent(1))
        assert list(talk.scheduler.view(talk.now).agents) == ["agent-1"]

    def test_a_report_that_failed_changes_nothing(self) -> None:
        talk = Conversation()
        talk.subscribe()
        before = talk.scheduler.view(talk.now).agents
        talk.say(AgentsReported(problem="no answer within 5 s"))
        assert talk.scheduler.view(talk.now).agents is before, "nothing is copied where nothing changed"

    def test_changed_attributes_are_stored_for_agents_with_tasks(self) -> None:
        talk = Conversation()
        talk.up(group())
        number = int(talk.tasks[0].hostname.removeprefix("agent"))
        talk.attributes = {number: {"rack": "new"}}
        talk.report(talk.agent(1), talk.agent(2), talk.agent(3))
        assert talk.shelf.agents[talk.tasks[0].agent_id].attributes == (("rack", "new"),)

    def test_an_older_store_that_knows_no_agents_is_completed_at_the_start(self) -> None:
        talk = Conversation()
        talk.up(group())
        talk.shelf.agents.clear()
        Conversation(shelf=talk.shelf)
        (agent,) = talk.shelf.agents.values()
        assert agent.hostname == talk.tasks[0].hostname

    def test_what_launches_take_is_not_shown_as_free_until_the_master_tells_again(self) -> None:
        talk = Conversation()
        four = Resources(cpus_milli=4000, mem_mib=4096)
        one = replace(talk.agent(1), total=four, free=four)
        talk.subscribe(one)
        talk.submit(stack(group(instances=2, resources=Resources(cpus_milli=500, mem_mib=64))))
        talk.offers(talk.offer(1))
        free = seen(talk, 1).agent.free
        assert free is not None and (free.cpus_milli, free.mem_mib) == (4000 - 2 * 500 - 100, 4096 - 2 * 64 - 32)
        talk.say(AgentsReported(agents=(one,)))
        assert seen(talk, 1).agent.free == four

    def test_offers_are_seen_with_their_agent(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group(resources=Resources(cpus_milli=16000, mem_mib=64))))
        talk.offers(talk.offer(1, cpus=2), talk.offer(1, cpus=1))
        offered = seen(talk, 1).offered
        assert offered is not None and offered.cpus_milli == 3000
        talk.wait(10)
        assert seen(talk, 1).offered is None

    def test_a_stack_that_is_removed_takes_its_failures_with_it_in_time(self) -> None:
        talk = Conversation()
        talk.up(group())
        talk.status(talk.tasks[0], TaskState.FAILED)
        talk.say(StackRemoved(request_id=5, name="shop"))
        talk.wait(10_000)
        talk.report(talk.agent(7))
        assert talk.shelf.agents == {}
