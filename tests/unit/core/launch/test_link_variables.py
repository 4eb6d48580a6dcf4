"""Variables that a task gets at its launch about the tasks it is linked to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from framework.core.commands import Accept, Command
from specs.model.stack import CheckKind, Container, Dependency, Group, HealthCheck, Network, Port
from specs.states import TaskState
from tests.kit.conversation import Conversation, group, stack

AUTH = Container(
    image="busybox:1",
    ports=(Port(name="http", container_port=80), Port(name="db-admin", container_port=81)),
)
PLAIN = Container(image="busybox:1", ports=(Port(name="", container_port=80),))
LINK = (Dependency(service="auth"),)


def told(commands: list[Command]) -> dict[int, dict[str, str]]:
    """The variables of what is launched, by slot."""
    return {
        launch.task.slot: dict(launch.environment)
        for command in commands
        if isinstance(command, Accept)
        for launch in command.launches
    }


def launched_after(talk: Conversation, *groups: Group) -> dict[int, dict[str, str]]:
    """Submits the groups as one stack, `auth` first, and returns what the tasks of the last one are told."""
    talk.up(*groups)
    heard: list[Command] = []
    for _ in range(3):
        heard += talk.offers()
        talk.run(*(task for task in talk.tasks if task.state is not TaskState.RUNNING))
    launches = [each for command in heard if isinstance(command, Accept) for each in command.launches]
    return {each.task.slot: dict(each.environment) for each in launches if each.task.group == groups[-1].id}


def where(talk: Conversation, service: str, index: int = 0, labels: tuple[str, ...] = ()) -> list[str]:
    tasks = [task for task in talk.tasks if task.group.service == service and task.group.labels == labels]
    return [f"{task.address}:{task.host_ports[index]}" for task in sorted(tasks, key=lambda task: task.slot)]


def test_a_link_gives_host_port_and_all_endpoints_by_name_too() -> None:
    talk = Conversation()
    auth = group("shop/auth", instances=2, container=AUTH)
    given = launched_after(talk, auth, group("shop/web", instances=2, container=PLAIN, dependencies=LINK))
    first, second = where(talk, "auth")
    assert given[0]["AUTH_ENDPOINTS"] == given[0]["AUTH_ENDPOINTS_HTTP"] == f"{first},{second}"
    assert given[0]["AUTH_ENDPOINTS_DB_ADMIN"] == ",".join(where(talk, "auth", 1))
    # Each slot is told another of them, so that not all go to the first.
    assert [f"{given[slot]['AUTH_HOST']}:{given[slot]['AUTH_PORT']}" for slot in (0, 1)] == [first, second]
    assert given[1]["AUTH_PORT_DB_ADMIN"] == where(talk, "auth", 1)[1].rpartition(":")[2]


def test_what_only_had_to_run_is_told_of_before_it_is_healthy_and_what_is_healthy_alone_once_there_is_such() -> None:
    talk = Conversation()
    auth = group("shop/auth", instances=2, container=replace(AUTH, health=HealthCheck(kind=CheckKind.TCP)))
    talk.up(auth, group("shop/web", container=PLAIN, dependencies=LINK))
    (given,) = told(talk.offers()).values()
    first, second = where(talk, "auth")
    assert given["AUTH_ENDPOINTS"] == f"{first},{second}"

    _, late, web = talk.tasks
    talk.status(late, TaskState.RUNNING, is_healthy=True)
    talk.status(web, TaskState.FAILED)
    talk.wait(10)
    (given,) = told(talk.offers()).values()
    assert given["AUTH_ENDPOINTS"] == second


def test_a_group_is_told_of_those_with_its_own_labels_where_there_are_such() -> None:
    talk = Conversation()
    groups = [group("shop/auth", labels=[label], container=AUTH) for label in ("dev", "prod")]
    web = group("shop/web", labels=["eu", "prod"], container=PLAIN, dependencies=LINK)
    given = launched_after(talk, *groups, web)
    assert given[0]["AUTH_ENDPOINTS"] == where(talk, "auth", labels=("prod",))[0]


def test_where_none_has_its_labels_it_is_told_of_all() -> None:
    talk = Conversation()
    groups = [group("shop/auth", labels=[label], container=AUTH) for label in ("dev", "prod")]
    given = launched_after(talk, *groups, group("shop/web", labels=["test"], container=PLAIN, dependencies=LINK))
    found = where(talk, "auth", labels=("dev",)) + where(talk, "auth", labels=("prod",))
    assert given[0]["AUTH_ENDPOINTS"] == ",".join(found)


def test_what_has_no_port_gives_no_variables() -> None:
    talk = Conversation()
    given = launched_after(talk, group("shop/auth"), group("shop/web", container=PLAIN, dependencies=LINK))
    assert [name for name in given[0] if name.startswith("AUTH")] == []


def test_the_leader_is_the_lowest_slot_that_is_ready_or_the_task_itself() -> None:
    talk = Conversation()
    web = group(instances=2, container=PLAIN)
    talk.subscribe()
    talk.submit(stack(web))
    given = told(talk.offers())
    talk.run(*talk.tasks)
    own = where(talk, "web")
    assert [given[slot]["FRAMEWORK_LEADER"] for slot in (0, 1)] == own
    (second,) = [task for task in talk.tasks if task.slot == 1]
    talk.status(second, TaskState.FAILED)
    talk.wait(10)
    assert told(talk.offers())[1]["FRAMEWORK_LEADER"] == own[0]


OWN = {0: ("172.17.0.8",), 1: ("172.17.0.9",)}
"""The addresses of the containers of `auth`, by slot."""


def launched_beside(
    client: Container, server: Container = AUTH, own: Mapping[int, tuple[str, ...]] = OWN
) -> dict[str, str]:
    """The variables of a task of a client, linked to two ready tasks of `auth`; agents are at loopback addresses."""
    talk = Conversation()
    talk.subscribe()
    web = group("shop/web", container=client, dependencies=LINK)
    talk.submit(stack(group("shop/auth", instances=2, container=server), web))
    talk.offers()
    for task in talk.tasks:
        talk.status(task, TaskState.RUNNING, addresses=own[task.slot])
    (given,) = told(talk.offers()).values()
    return given


def test_a_container_reaches_others_on_agents_at_loopback_addresses_by_their_own_addresses() -> None:
    given = launched_beside(PLAIN)
    assert (given["AUTH_HOST"], given["AUTH_PORT"], given["AUTH_PORT_DB_ADMIN"]) == ("172.17.0.8", "80", "81")
    assert given["AUTH_ENDPOINTS"] == "172.17.0.8:80,172.17.0.9:80"
    assert given["AUTH_ENDPOINTS_DB_ADMIN"] == "172.17.0.8:81,172.17.0.9:81"


def test_who_is_on_the_network_of_its_agent_reaches_them_at_the_agent() -> None:
    given = launched_beside(replace(PLAIN, network=Network.HOST))
    assert given["AUTH_HOST"].startswith("127.0.1.")
    assert given["AUTH_ENDPOINTS"].count("127.0.1.") == 2


def test_what_has_no_address_of_its_own_is_reached_at_the_agent() -> None:
    server = replace(AUTH, network=Network.HOST)
    given = launched_beside(PLAIN, server, {0: ("127.0.1.1",), 1: ("127.0.1.2",)})
    assert given["AUTH_ENDPOINTS"].count("127.0.1.") == 2
