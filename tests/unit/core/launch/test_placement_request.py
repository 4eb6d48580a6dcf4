"""Rules of placement as the scheduler keeps them: through restarts, replacements, scaling and failures."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Accept, PublishEvent, PutAgent, Revive, Save
from framework.core.events import AgentRemoved, ScaleRequested
from framework.core.model import Task
from specs.ids import AgentId
from specs.model.constraints import STICKY_ALWAYS, Constraint, Neighbour, Rules, Selector
from specs.model.operators import Operator
from specs.model.resources import Resources
from specs.model.stack import Container, Port
from specs.model.update import Order, Update
from specs.states import Goal, TaskState
from tests.kit.conversation import SETTINGS, Conversation, announced, cause, group, killed, launched, scale, stack
from tests.kit.racks import RACKS, in_racks, rack_of

UNIQUE_HOST = Rules(constraints=(Constraint(operator=Operator.UNIQUE, field="hostname"),))
ONE_A_RACK = Rules(constraints=(Constraint(operator=Operator.MAX_PER, field="rack", values=("1",)),))


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
        talk.say(AgentRemoved(agent_id=AgentId("agent-2")))
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
