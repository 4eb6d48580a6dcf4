"""Documents laid over one another, and single values set."""

from __future__ import annotations

import pytest

from specs.file.load import Override, load_stack
from specs.model.errors import StackError
from specs.model.stack import Stack

PATHS = "services.web.instances=3 or services.web.groups[0].instances=3"
BASE = """
services:
  web:
    image: a
    command: [x, y]
    environment: {A: 1, B: 2}
    health: {http: /, interval: 3s}
    ports: {http: 80}
    groups: [{labels: [p]}, {labels: [q], instances: 2}]
"""


def load(*overrides: str, settings: tuple[tuple[str, str], ...] = (), base: str = BASE) -> Stack:
    files = [Override(text, f"o{number}.yml") for number, text in enumerate(overrides)]
    return load_stack(base, name="s", file="s.yml", variables={"V": "v"}, overrides=files, settings=settings)


def told(*overrides: str, settings: tuple[tuple[str, str], ...] = (), base: str = BASE) -> list[str]:
    with pytest.raises(StackError) as caught:
        load(*overrides, settings=settings, base=base)
    return [str(fault) for fault in caught.value.faults]


def test_mappings_merge_and_the_rest_replaces() -> None:
    stack = load("services: {web: {image: b, command: [z], environment: {B: 3, C: 4}}, api: {image: c}}")
    assert [group.id.service for group in stack.groups] == ["api", "web", "web"]
    web = stack.groups[1].container
    assert (web.image, web.command) == ("b", ("z",))
    assert web.environment == (("A", "1"), ("B", "3"), ("C", "4"))


def test_later_files_lie_on_earlier_ones_and_settings_on_all() -> None:
    stack = load("services: {web: {image: b}}", "services: {web: {image: c}}", settings=(("services.web.user", "d"),))
    assert (stack.groups[0].container.image, stack.groups[0].container.user) == ("c", "d")


@pytest.mark.parametrize("base_is_list", [True, False])
@pytest.mark.parametrize("over_is_list", [True, False])
def test_a_list_of_pairs_counts_as_a_mapping(base_is_list: bool, over_is_list: bool) -> None:
    base = "[A=1, V]" if base_is_list else "{A: 1, V: }"
    over = "[A=2, C=3]" if over_is_list else "{A: 2, C: 3}"
    stack = load(
        f"services: {{web: {{environment: {over}}}}}", base=f"services: {{web: {{image: a, environment: {base}}}}}"
    )
    assert stack.groups[0].container.environment == (("A", "2"), ("C", "3"), ("V", "v"))


def test_an_interval_alone_keeps_the_kind_of_a_health_check_and_another_kind_replaces_it() -> None:
    health = load("services: {web: {health: {interval: 9s}}}").groups[0].container.health
    assert health is not None
    assert (health.kind, health.interval_seconds) == ("http", 9.0)
    health = load("services: {web: {health: {command: 'true'}}}").groups[0].container.health
    assert health is not None
    assert (health.kind, health.interval_seconds) == ("command", 3.0)


def test_a_fig_file_over_a_fig_file() -> None:
    stack = load("web: {mem_limit: 64m}", base="web: {image: a}")
    assert stack.groups[0].resources.mem_mib == 64


def test_variables_are_filled_in_in_overrides_and_not_in_settings() -> None:
    stack = load("services: {web: {environment: {A: '$V'}}}", settings=(("services.web.environment.B", "$V"),))
    assert stack.groups[0].container.environment == (("A", "v"), ("B", "$V"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("services.web.groups[1].instances", "7"),
        ("web.groups[1].instances", "7"),
        ("services.web.groups[1]", "{labels: [q], instances: 7}"),
    ],
)
def test_settings_reach_into_lists(path: str, value: str) -> None:
    assert [group.instances for group in load(settings=((path, value),)).groups] == [1, 7]


def test_settings_take_yaml() -> None:
    stack = load(
        settings=(
            ("services.web.ports", "[81, 82]"),
            ("services.web.health.http", "/x"),
            ("services.web.health.port", "82"),
        )
    )
    assert [port.name for port in stack.groups[0].container.ports] == ["81", "82"]


def test_a_setting_makes_the_mappings_it_needs() -> None:
    assert load(settings=(("services.web.resources.memory", "64M"),)).groups[0].resources.mem_mib == 64
    base = "services: {web: {image: a, resources: , environment: [A=1]}}"
    stack = load(settings=(("services.web.resources.memory", "64M"), ("services.web.environment.B", "2")), base=base)
    assert stack.groups[0].resources.mem_mib == 64
    assert stack.groups[0].container.environment == (("A", "1"), ("B", "2"))


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        ("services.web.imgae", "b", "--set: services.web.imgae: unknown key 'imgae' in a service; did you mean image?"),
        (
            "services.web.image.tag",
            "b",
            "--set: services.web.image.tag: wanted a mapping at services.web.image; got 'a'",
        ),
        (
            "services.web.groups[2].instances",
            "1",
            "--set: services.web.groups[2].instances: "
            "wanted a list with an item [2] at services.web.groups; got 2 items",
        ),
        (
            "services..web",
            "1",
            f"--set: wanted a path and a value, as {PATHS}; got 'services..web'",
        ),
        (
            "",
            "1",
            f"--set: wanted a path and a value, as {PATHS}; got ''",
        ),
        (
            "services.web.instances",
            "many",
            "--set: services.web.instances: wanted a whole number from 0 to 100,000; got 'many'",
        ),
        ("services.web.command", "[a", "--set: services.web.command: not YAML: wanted ',' or ']' in the list"),
    ],
)
def test_a_wrong_setting(path: str, value: str, wanted: str) -> None:
    assert told(settings=((path, value),)) == [wanted]


def test_mistakes_name_their_file() -> None:
    assert told("services: {web: {image: B}}", "services: {web: {usr: b}}") == [
        "o0.yml:1:25: services.web.image: "
        "wanted an image as [registry[:port]/]name[:tag][@digest], the name in lower case; got 'B'",
        "o1.yml:1:18: services.web.usr: unknown key 'usr' in a service; did you mean user?",
    ]


def test_an_override_that_is_not_yaml() -> None:
    assert told("services: [") == ["o0.yml:1:12: not YAML: wanted a value, ',' or a closing bracket"]
