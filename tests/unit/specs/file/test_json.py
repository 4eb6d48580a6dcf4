"""Submissions as they arrive over HTTP: both forms, and everything that may be wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import specs
from specs.file.load import load_files, load_stack, stack_from_json, stack_to_json
from specs.model.errors import StackError

EXAMPLES = sorted((Path(specs.__path__[0]) / "examples").glob("*.yml"))
GROUP: dict[str, Any] = {"id": {"stack": "s", "service": "web"}, "instances": 1, "container": {"image": "a"}}


def told(plain: object) -> list[tuple[str, str]]:
    with pytest.raises(StackError) as caught:
        stack_from_json(plain, name="s")
    assert all((fault.file, fault.line) == ("", 0) for fault in caught.value.faults)
    return [(fault.path, fault.message) for fault in caught.value.faults]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_normalised_form_is_the_stack(path: Path) -> None:
    stack = load_files(path, name="s", variables={})
    sent = json.loads(json.dumps(stack_to_json(stack)))
    assert stack_from_json(sent, name="s") == stack


def test_the_words_of_a_file_do_as_json() -> None:
    body = {"name": "s", "services": {"web": {"image": "a", "instances": 2, "ports": {"http": 80}, "init": True}}}
    text = "services: {web: {image: a, instances: 2, ports: {http: 80}, init: true}}"
    assert stack_from_json(body, name="s") == load_stack(text, name="s", variables={})


def test_nothing_is_interpolated() -> None:
    stack = stack_from_json({"services": {"web": {"image": "a", "environment": {"A": "$$ ${B}"}}}}, name="s")
    assert stack.groups[0].container.environment == (("A", "$$ ${B}"),)


def test_groups_may_come_in_any_order() -> None:
    other = {**GROUP, "id": {"stack": "s", "service": "api"}}
    stack = stack_from_json({"groups": [GROUP, other]}, name="s")
    assert [group.id.service for group in stack.groups] == ["api", "web"]


@pytest.mark.parametrize("plain", [None, [], "x", 3, True])
def test_what_is_no_object(plain: object) -> None:
    assert told(plain) == [("", "wanted an object with services or groups")]


def test_words_of_a_file_have_the_path_of_the_file() -> None:
    assert told({"services": {"web": {"imgae": "a", "instances": "many"}, "api": 3}}) == [
        ("services.api", "wanted a service: a mapping with image or command; got 3"),
        ("services.web.imgae", "unknown key 'imgae' in a service; did you mean image?"),
        ("services.web.instances", "wanted a whole number from 0 to 100,000; got 'many'"),
    ]


def test_another_name_than_in_the_address() -> None:
    wanted = [("name", "wanted 's', the name in the address, or no name; got 'x'")]
    assert told({"name": "x", "services": {}}) == wanted
    assert told({"name": "x", "groups": []}) == [("name", "wanted 's', the name in the address; got 'x'")]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"instances": "3"}, [("groups[0].instances", "wanted a whole number; got '3'")]),
        ({"instances": True}, [("groups[0].instances", "wanted a whole number; got true")]),
        ({"instances": 1.5}, [("groups[0].instances", "wanted a whole number; got 1.5")]),
        ({"instances": 10**30}, [("groups[0].instances", f"wanted a number of sensible size; got {10**30}")]),
        ({"instances": -1}, [("groups[0].instances", "wanted instances from 0 to 100,000; got -1")]),
        ({"container": []}, [("groups[0].container", "wanted an object; got a list")]),
        ({"container": {"imgae": "a"}}, [("groups[0].container.imgae", "unknown key 'imgae'; did you mean image?")]),
        ({"container": {"image": None}}, [("groups[0].container.image", "wanted a text; got null")]),
        (
            {"container": {"image": "a\ud800"}},
            [("groups[0].container.image", "wanted a text in Unicode; got a lone surrogate")],
        ),
        ({"container": {"image": "a", "command": "x"}}, [("groups[0].container.command", "wanted a list; got 'x'")]),
        (
            {"container": {"image": "a", "environment": [["A"], ["B", 1]]}},
            [
                ("groups[0].container.environment[0]", "wanted a list of 2; got one of 1"),
                ("groups[0].container.environment[1][1]", "wanted a text; got 1"),
            ],
        ),
        (
            {"container": {"image": "a", "network": "weave"}},
            [("groups[0].container.network", "wanted one of bridge, host, none; got 'weave'")],
        ),
        (
            {"container": {"image": "a", "ports": [{}]}},
            [
                ("groups[0].container.ports[0].name", "is missing"),
                ("groups[0].container.ports[0].container_port", "is missing"),
            ],
        ),
        (
            {"container": {"image": "a", "health": {"kind": "tcp", "port": "x", "interval_seconds": float("inf")}}},
            [("groups[0].container.health.interval_seconds", "wanted a number of sensible size; got inf")],
        ),
        (
            {"container": {"image": "a", "ports": [{"name": "a", "container_port": 80, "host_port": 0}]}},
            [("groups[0].container.ports[0]", "wanted a port from 1 to 65535; got 0")],
        ),
        ({"id": {"stack": "t", "service": "web"}}, [("groups[0].id.stack", "belongs to the stack 't'; wanted 's'")]),
        (
            {"id": {"stack": "s", "service": "web", "labels": ["b", "a"]}},
            [("groups[0].id.labels", "wanted labels in order, each once")],
        ),
        (
            {"resources": {"cpus_milli": 0, "mem_mib": 64}},
            [
                ("groups[0].resources.cpus_milli", "wanted cpus from 0.001 to 10000; got 0"),
            ],
        ),
        (
            {"resources": {"cpus_milli": 1, "mem_mib": 64, "ports": [[80, 80]]}},
            [
                ("groups[0].resources.ports", "wanted no ports here; they stand in container.ports"),
            ],
        ),
        (
            {"dependencies": [{"service": "db"}]},
            [("groups[0].dependencies['db']", "web needs the service db, which does not exist; there are web")],
        ),
    ],
)
def test_a_wrong_group_is_told_with_its_path(change: dict[str, object], wanted: list[tuple[str, str]]) -> None:
    assert told({"groups": [{**GROUP, **change}]}) == wanted


def test_the_same_group_twice_names_both_places() -> None:
    assert told({"groups": [GROUP, GROUP]}) == [
        (
            "groups[1].id.labels",
            "web has a second group with no labels; give it others. The first is at groups[0].id.labels",
        )
    ]


def test_groups_of_another_shape() -> None:
    assert told({"groups": {}}) == [("groups", "wanted a list; got an object")]
    assert told({"groups": [3]}) == [("groups[0]", "wanted an object; got 3")]
    assert told({"groups": [{}]})[0] == ("groups[0].id", "is missing")
    assert told({"groups": [], "more": 1}) == [("more", "unknown key 'more'; known are name, groups")]


def test_a_hundred_mistakes_are_enough() -> None:
    faults = told({"groups": [3] * 500})
    assert len(faults) == 101
    assert faults[-1] == ("", "there are more mistakes; these are 100 of them")
