"""Which executor a task gets on an agent, and which reservation pays for both."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Accept
from framework.core.state.executor_choice import Reservations, choose_executor
from placement.offer import ReservationPool
from specs.executor_ids import executor_variant, served_from
from specs.ids import ExecutorId, OfferId
from specs.model.resources import PortRanges, Resources
from tests.kit.conversation import SETTINGS, Conversation, cause, group, launched, scale, stack

BASE = SETTINGS.executor_id


def test_the_executor_is_counted_once_for_each_agent() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group(instances=4, resources=Resources(cpus_milli=1000, mem_mib=64))))
    assert len(launched(talk.offers(talk.offer(1, cpus=4)))) == 3, "4 cpus hold the executor's 0.1 and 3 tasks of 1"
    talk.run(*talk.tasks)
    assert len(launched(talk.offers(talk.offer(1, cpus=1)))) == 1, "the executor runs there already"


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
