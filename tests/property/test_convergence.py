"""After any history of users, Mesos and crashes: once they are kind again, exactly the spec runs, each slot once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import run_state_machine_as_test

from framework.core.commands import Accept, Kill
from framework.core.events import StopRequested
from framework.core.model import RolloutState
from specs.model.constraints import Constraint, Mode, Neighbour, Rules, Selector
from specs.model.operators import Operator
from specs.model.resources import Resources
from specs.model.stack import Dependency, Group, Restart
from specs.states import TaskState
from tests.kit.conversation import Conversation, group, stack
from tests.kit.random_history import KEEPING, RACKS, UNIQUE, World, groups_with


def test_every_history_ends_in_peace() -> None:
    run_state_machine_as_test(
        World,
        settings=settings(
            max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@given(desired=groups_with(*KEEPING))
@settings(max_examples=40)
def test_a_converged_stack_stays_so(desired: list[Group]) -> None:
    talk = Conversation()
    talk.attributes = {number: {"rack": rack} for number, rack in RACKS.items()}
    talk.subscribe(*(talk.agent(number) for number in RACKS))
    talk.submit(stack(*desired))
    for _ in range(4):
        talk.offers(*(talk.offer(number, cpus=16) for number in RACKS))
        talk.run(*(task for task in talk.tasks if task.state is TaskState.INTENT))
    before = {task.id for task in talk.tasks}
    assert len(before) == sum(len(RACKS) if group.mode is Mode.GLOBAL else group.instances for group in desired)
    heard = talk.wait(550) + talk.offers() + talk.report(*(talk.agent(number) for number in RACKS))
    assert not [command for command in heard if isinstance(command, Accept | Kill)]
    assert {task.id for task in talk.tasks} == before


def test_there_is_peace_once_what_a_lost_agent_may_have_left_is_removed() -> None:
    world = World()
    world.begin([group("shop/web", mode=Mode.GLOBAL, resources=Resources(cpus_milli=100, mem_mib=32))])
    world.lose(1)
    world.teardown()
    assert len(world.running) == len(RACKS)


def test_what_groups_that_are_desired_no_longer_left_is_removed_before_there_is_peace() -> None:
    world = World()
    world.begin([group("shop/web", mode=Mode.GLOBAL, resources=Resources(cpus_milli=100, mem_mib=32))])
    world.lose(1)
    world.submit([group("shop/db")])
    world.teardown()
    assert len(world.running) == 1


def test_the_next_leader_ends_no_rollout_of_a_global_group_before_it_knows_the_agents() -> None:
    """One agent is kept from the group by another, and so the rollout still runs when there is peace."""
    world = World()
    job = group("shop/job", rules=Rules(apart=(Neighbour(to=Selector(service="logs")),)))
    logs = group("shop/logs", mode=Mode.GLOBAL, resources=Resources(cpus_milli=100, mem_mib=32))
    world.begin([job])
    world.submit([job, logs])
    world.thrive()
    in_racks = Rules(constraints=(Constraint(operator=Operator.IS_SET, field="rack"),))
    world.submit([job, replace(logs, rules=in_racks)])
    world.teardown()
    (rollouts,) = world.shelf.rollouts.values()
    assert rollouts.current is not None
    assert rollouts.current.state is RolloutState.RUNNING


def test_a_group_that_is_stopped_while_it_was_to_move_has_its_rollout_over() -> None:
    """The next leader would have called it over, and stored that."""
    world = World()
    world.begin([group("shop/job", ("dev",))])
    world.submit([group("shop/web", ("prod",), instances=2, rules=Rules(constraints=(UNIQUE,)))])
    world.thrive()
    near = Rules(near=(Neighbour(to=Selector(service="db"), field="rack"),))
    changed = group("shop/web", ("prod",), instances=2, image="a:2", restart=Restart.ON_FAILURE, rules=near)
    world.submit([changed])
    world.ask(StopRequested, "shop/web")
    world.teardown()
    (rollouts,) = world.shelf.rollouts.values()
    assert rollouts.current is None and rollouts.past[0].state is RolloutState.DONE


def test_dependencies_are_part_of_peace() -> None:
    world = World()
    desired = [group("shop/web", dependencies=(Dependency(service="db"),), instances=2), group("shop/db")]
    world.submit(desired)
    world.teardown()
    assert len(world.running) == 3
