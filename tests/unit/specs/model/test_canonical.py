"""The canonical form: what makes another version, what does not, and what it looks like."""

from __future__ import annotations

import dataclasses
import re

import pytest

from specs.ids import group_id, is_same_container
from specs.model.canonical import (
    container_from_json,
    container_json,
    from_plain,
    in_place_from_json,
    in_place_json,
    to_plain,
    version_from_json,
    version_json,
    version_of,
)
from specs.model.constraints import Mode, Rules, Spread
from specs.model.in_place import DEFAULT_SETTINGS, in_place_settings, with_settings
from specs.model.resources import PortRanges, Resources
from specs.model.stack import (
    Condition,
    Container,
    Dependency,
    Group,
    HealthCheck,
    Hook,
    MetricsPage,
    Port,
    Pull,
    Restart,
    Stop,
)

GROUP = Group(
    id=group_id("s", "web", ["prod"]),
    instances=2,
    container=Container(image="a", ports=(Port(name="http", container_port=80),)),
)


def test_what_has_its_default_is_left_out() -> None:
    assert container_json(Container(image="a")) == b'{"image":"a"}'
    assert container_json(Container(image="é", command=())) == '{"command":[],"image":"é"}'.encode()
    assert (
        container_json(Container(image="a", stop=Stop(grace_seconds=3.0)))
        == b'{"image":"a","stop":{"grace_seconds":3.0}}'
    )


def test_the_version_is_known_for_ever() -> None:
    """A version that changes with the program would replace every running task on an upgrade."""
    assert version_json(GROUP.container, GROUP.resources) == (
        b'{"container":{"image":"a","ports":[{"container_port":80,"name":"http"}]},'
        b'"resources":{"cpus_milli":100,"mem_mib":128}}'
    )
    assert version_of(GROUP) == "f449b0c6b162"


@pytest.mark.parametrize(
    "change",
    [
        {"instances": 9},
        {"id": group_id("t", "api")},
        {"restart": Restart.NEVER},
        {"dependencies": (Dependency(service="db", condition=Condition.HEALTHY),)},
        {"metadata": (("team", "x"),)},
        {"mode": Mode.GLOBAL},
        {"rules": Rules(spread=(Spread(over="zone"),), sticky=True)},
    ],
)
def test_scale_and_metadata_keep_the_version(change: dict[str, object]) -> None:
    assert version_of(dataclasses.replace(GROUP, **change)) == version_of(GROUP)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "container",
    [
        {"image": "b"},
        {"command": ()},
        {"environment": (("A", "1"),)},
        {"ports": ()},
        {"health": HealthCheck(kind="tcp", port="http")},  # type: ignore[arg-type]
        {"stop": Stop(signal="SIGINT")},
        {"stop": Stop(drain_seconds=1.0)},
        {"pre_stop": (Hook(command=("a",)),)},
    ],
)
def test_what_runs_makes_the_version(container: dict[str, object]) -> None:
    other = dataclasses.replace(GROUP.container, **container)  # type: ignore[arg-type]
    assert version_of(dataclasses.replace(GROUP, container=other)) != version_of(GROUP)


@pytest.mark.parametrize(
    "settings",
    [
        {"health": HealthCheck(kind="tcp", port="http")},  # type: ignore[arg-type]
        {"ready": HealthCheck(kind="tcp", port="http")},  # type: ignore[arg-type]
        {"stop": Stop(grace_seconds=1.0)},
        {"pre_stop": (Hook(command=("a",)),)},
        {"metrics": MetricsPage(port="http")},
        {"pull": Pull.ALWAYS},
        {"pull_timeout_seconds": 1.0},
    ],
)
def test_other_in_place_settings_make_another_version_with_the_same_container_hash(settings: dict[str, object]) -> None:
    """And what has none of it has the version that it had before there was such a thing."""
    container = dataclasses.replace(GROUP.container, **settings)  # type: ignore[arg-type]
    version = version_of(dataclasses.replace(GROUP, container=container))
    assert re.fullmatch("f449b0c6b162-[0-9a-f]{8}", version) and is_same_container(version, version_of(GROUP))
    assert with_settings(container, DEFAULT_SETTINGS) == GROUP.container
    assert with_settings(GROUP.container, in_place_from_json(in_place_json(in_place_settings(container)))) == container


@pytest.mark.parametrize("change", [{"post_start": (Hook(command=("a",)),)}, {"labels": (("a", "b"),)}])
def test_what_was_done_when_it_began_makes_another_container(change: dict[str, object]) -> None:
    container = dataclasses.replace(GROUP.container, **change)  # type: ignore[arg-type]
    assert not is_same_container(version_of(dataclasses.replace(GROUP, container=container)), version_of(GROUP))


def test_custom_resources_make_the_version() -> None:
    amounts = dataclasses.replace(GROUP.resources, scalars=(("lanes", 2000),), sets=(("fpga", ("a",)),))
    assert version_of(dataclasses.replace(GROUP, resources=amounts)) != version_of(GROUP)
    assert version_from_json(version_json(GROUP.container, amounts)) == (GROUP.container, amounts)


def test_there_and_back() -> None:
    assert container_from_json(container_json(GROUP.container)) == GROUP.container
    assert version_from_json(version_json(GROUP.container, GROUP.resources)) == (GROUP.container, GROUP.resources)
    assert from_plain(Group, to_plain(GROUP)) == GROUP
    amounts = Resources(cpus_milli=1, ports=PortRanges.of([(1, 3), (9, 9)]))
    assert from_plain(Resources, to_plain(amounts)) == amounts


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Container: wanted keys among image, .*; got later"):
        container_from_json(b'{"image":"a","later":1}')
