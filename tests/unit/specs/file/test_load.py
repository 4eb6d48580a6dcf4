"""From the text of a file to the model: names, containers, resources, groups, variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from specs.file.load import Override, load_files, load_stack
from specs.ids import GroupId
from specs.model.errors import StackError
from specs.model.resources import Resources
from specs.model.stack import CheckKind, Container, Group, HealthCheck, Network, Port, Pull, Stack, Stop, Ulimit, Volume
from tests.kit.stack_files import container, load, service, told


def test_a_service_without_more_has_every_default() -> None:
    assert load("services: {web: {image: a}}") == Stack(
        name="s",
        groups=(
            Group(
                id=GroupId("s", "web"),
                instances=1,
                container=Container(image="a"),
                resources=Resources(cpus_milli=100, mem_mib=128),
            ),
        ),
    )


def test_fig_form_reads_as_the_same_stack() -> None:
    fig = "web:\n  image: a\n  links: [db]\n  ports: [80]\ndb:\n  image: b\n"
    ours = "services:\n  web:\n    image: a\n    links: [db]\n    ports: [80]\n  db:\n    image: b\n"
    assert load(fig) == load(ours)


def test_a_fig_file_keeps_its_paths() -> None:
    assert told("web: {imge: a}\ndb: {image: b}\n") == [
        "s.yml:1:7: web.imge: unknown key 'imge' in a service; did you mean image?"
    ]


def test_a_fig_service_may_be_called_like_a_key_of_a_stack_file() -> None:
    stack = load("configs: {image: a}\nweb: {image: b}\nx-more: {image: c}\n")
    assert [group.id.service for group in stack.groups] == ["configs", "web"]


def test_a_service_without_an_image_is_a_plain_process() -> None:
    group = load("services: {job: {command: sleep 1, ports: {http: 0}}}").groups[0]
    assert group.container == Container(
        command=("sleep", "1"), network=Network.HOST, ports=(Port(name="http", container_port=0),)
    )


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("command: sh -c 'a b'", {"command": ("sh", "-c", "a b")}),
        ("command: [sh, 1, true]", {"command": ("sh", "1", "true")}),
        ("command: []", {"command": ()}),
        ("entrypoint: /run me", {"entrypoint": ("/run", "me")}),
        (
            "environment: {B: 1.10, A: true, C: False, D: 'x', E: ''}",
            {"environment": (("A", "true"), ("B", "1.10"), ("C", "false"), ("D", "x"), ("E", ""))},
        ),
        ("environment: [B=1, A=x=y, C=]", {"environment": (("A", "x=y"), ("B", "1"), ("C", ""))}),
        ("environment: {TAG: }", {"environment": (("TAG", "1.10"),)}),
        ("environment: [TAG, EMPTY]", {"environment": (("EMPTY", ""), ("TAG", "1.10"))}),
        ("labels: {a: 1, b: }", {"labels": (("a", "1"), ("b", ""))}),
        ("labels: [a=1, b]", {"labels": (("a", "1"), ("b", ""))}),
        ("network_mode: none", {"network": Network.NONE}),
        ("net: host", {"network": Network.HOST}),
        ("pull_policy: if_not_present", {"pull": Pull.MISSING}),
        ("pull: always, pull_timeout: 1h", {"pull": Pull.ALWAYS, "pull_timeout_seconds": 3600.0}),
        ("user: 1000", {"user": "1000"}),
        ("user: 'me:staff'", {"user": "me:staff"}),
        ("working_dir: /srv", {"working_dir": "/srv"}),
        ("hostname: a.b", {"hostname": "a.b"}),
        (
            "privileged: true, read_only: 'true', init: false, tty: true",
            {"privileged": True, "read_only": True, "tty": True},
        ),
        (
            "cap_add: [NET_ADMIN, CAP_SYS_TIME], cap_drop: [all]",
            {"cap_add": ("NET_ADMIN", "SYS_TIME"), "cap_drop": ("ALL",)},
        ),
        ("devices: ['/dev/a', '/dev/a:/dev/b:rw']", {"devices": ("/dev/a", "/dev/a:/dev/b:rw")}),
        ("dns: 10.0.0.1, dns_search: [a.b, c]", {"dns": ("10.0.0.1",), "dns_search": ("a.b", "c")}),
        ("dns_opt: ['ndots:2', rotate]", {"dns_opt": ("ndots:2", "rotate")}),
        ("extra_hosts: ['a:10.0.0.1', 'b=::1']", {"extra_hosts": ("a:10.0.0.1", "b:::1")}),
        ("extra_hosts: {gw: host-gateway}", {"extra_hosts": ("gw:host-gateway",)}),
        ("sysctls: {net.core.somaxconn: 1024}", {"sysctls": (("net.core.somaxconn", "1024"),)}),
        (
            "ulimits: {nproc: 5, nofile: {soft: 1, hard: 2}}",
            {"ulimits": (Ulimit(name="nofile", soft=1, hard=2), Ulimit(name="nproc", soft=5, hard=5))},
        ),
        (
            "group_add: [1, staff], security_opt: ['no-new-privileges']",
            {"group_add": ("1", "staff"), "security_opt": ("no-new-privileges",)},
        ),
        ("shm_size: 64m, pids_limit: 100", {"shm_size_mib": 64, "pids_limit": 100}),
        ("pids_limit: -1", {}),
        ("tmpfs: /run", {"tmpfs": ("/run",)}),
        ("tmpfs: ['/run:size=1m']", {"tmpfs": ("/run:size=1m",)}),
        (
            "volumes: ['data:/d', '/a:/b:ro', /c]",
            {
                "volumes": (
                    Volume(source="s.data", target="/d"),
                    Volume(source="/a", target="/b", is_read_only=True),
                    Volume(source="", target="/c"),
                )
            },
        ),
        (
            "volumes: [{type: volume, source: data, target: /d, read_only: true},"
            "          {type: bind, source: /a, target: /b}]",
            {
                "volumes": (
                    Volume(source="s.data", target="/d", is_read_only=True),
                    Volume(source="/a", target="/b"),
                )
            },
        ),
        ("volumes: [{type: tmpfs, target: /t, tmpfs: {size: 64m}}]", {"tmpfs": ("/t:size=64m",)}),
        ("stop: {signal: int, grace: 1m30s}", {"stop": Stop(signal="SIGINT", grace_seconds=90.0)}),
        ("stop_signal: 15, stop_grace_period: 500ms", {"stop": Stop(signal="SIGTERM", grace_seconds=0.5)}),
        ("x-anything: {a: b}, attach: false, develop: {watch: []}", {}),
    ],
)
def test_what_a_container_is_given(body: str, wanted: dict[str, object]) -> None:
    assert container(body) == Container(image="a", **wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            "resources: {cpus: 0.5, memory: 256M, disk: 1G, gpus: 2}",
            Resources(cpus_milli=500, mem_mib=256, disk_mib=1024, gpus=2),
        ),
        ("cpus: '1.125', mem_limit: 1.5g", Resources(cpus_milli=1125, mem_mib=1536)),
        ("mem_limit: 64m, mem_reservation: 65536k", Resources(cpus_milli=100, mem_mib=64)),
        (
            "deploy: {resources: {limits: {cpus: '0.5', memory: 64M}, reservations: {memory: 64M}}}",
            Resources(cpus_milli=500, mem_mib=64),
        ),
    ],
)
def test_resources(body: str, wanted: Resources) -> None:
    assert service(body).resources == wanted


def test_a_stop_has_three_parts() -> None:
    found = container("stop: {signal: INT, grace: 20s, drain: 5s}")
    assert found.stop == Stop(signal="SIGINT", grace_seconds=20.0, drain_seconds=5.0)


@pytest.mark.parametrize(
    "body", ["instances: 3", "instances: '3'", "scale: 3", "deploy: {replicas: 3}", "instances: $COUNT"]
)
def test_instances(body: str) -> None:
    assert service(body).instances == 3


def test_deploy_labels_are_metadata() -> None:
    assert service("deploy: {labels: [team=x]}").metadata == (("team", "x"),)


def test_groups_are_laid_over_their_service() -> None:
    stack = load(
        """
services:
  web:
    image: a
    environment: [LOG=info, MODE=x]
    ports: {http: 80}
    health: {http: /}
    command: [a, b]
    groups:
      - {labels: [prod, front], instances: 4}
      - labels: [dev]
        environment: {LOG: debug}
        command: [c]
        ports: {admin: 90}
        health: {tcp: http}
"""
    )
    dev, prod = stack.groups
    assert (str(dev.id), dev.instances, str(prod.id), prod.instances) == ("s/web[dev]", 1, "s/web[front,prod]", 4)
    assert dev.container.environment == (("LOG", "debug"), ("MODE", "x"))
    assert prod.container.environment == (("LOG", "info"), ("MODE", "x"))
    assert dev.container.command == ("c",)
    assert [port.name for port in dev.container.ports] == ["http", "admin"]
    assert dev.container.health == HealthCheck(kind=CheckKind.TCP, port="http")
    assert prod.container.health == HealthCheck(kind=CheckKind.HTTP, port="http")


def test_a_mistake_of_the_service_is_told_once_and_one_of_a_group_at_the_group() -> None:
    text = "services:\n  web:\n    image: A\n    groups:\n      - {labels: [a]}\n      - {labels: [b], user: 'x y'}\n"
    faults = told(text)
    assert len(faults) == 2
    assert faults[0].startswith("s.yml:3:12: services.web.image: ")
    assert faults[1].startswith("s.yml:6:29: services.web.groups[1].user: ")


def test_anchors_and_merge_keys() -> None:
    stack = load(
        """
x-base: &base {image: a, user: me}
services:
  web: {<<: *base, user: you}
  api: *base
  db: {<<: [{image: b}, *base]}
"""
    )
    api, db, web = stack.groups
    assert (api.container.image, api.container.user) == ("a", "me")
    assert (db.container.image, db.container.user) == ("b", "me")
    assert (web.container.image, web.container.user) == ("a", "you")


def test_variables_fill_values_and_not_keys() -> None:
    group = service("user: 'u${TAG}', environment: {'$X': '$$x ${EMPTY:-${TAG}}'}")
    assert group.container.user == "u1.10"
    assert group.container.environment == (("$X", "$x 1.10"),)


def test_a_value_that_is_replaced_needs_no_variable() -> None:
    stack = load("services: {web: {image: '${UNSET}'}}", settings=[("services.web.image", "b")])
    assert stack.groups[0].container.image == "b"


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("shop.yml", "shop"),
        ("My Shop_2.prod.yml", "my-shop-2"),
        ("here/docker-compose.yml", "here"),
        ("a/The Place/stack.yml", "the-place"),
        ("a/compose.override.yml", "a"),
        ("x" * 80 + ".yml", "x" * 63),
    ],
)
def test_the_name_of_a_nameless_stack(file: str, wanted: str) -> None:
    assert load_stack("services: {web: {image: a}}", name=None, file=file, variables={}).name == wanted


def test_the_name_given_wins_over_the_files() -> None:
    text = "name: ${TAG}\nservices: {web: {image: a}}"
    assert load_stack(text, name=None, variables={"TAG": "mine"}).name == "mine"
    assert load_stack(text, name="other", variables={"TAG": "mine"}).groups[0].id.stack == "other"


def test_overrides_and_settings_name_their_file() -> None:
    faults = told(
        "services: {web: {image: a}}",
        overrides=[Override("services:\n  web:\n    user: 'a b'\n", "over.yml")],
        settings=[("services.web.instances", "-3"), ("services.web.ports[0]", "80")],
    )
    assert faults == [
        "over.yml:3:11: services.web.user: wanted a user, or user:group, by name or number; got 'a b'",
        "--set: services.web.ports[0]: wanted a list with an item [0] at services.web.ports; got nothing",
        "--set: services.web.instances: wanted a whole number from 0 to 100,000; got -3",
    ]


def test_files(tmp_path: Path) -> None:
    (tmp_path / "shop.yml").write_text("services: {web: {image: }}")
    (tmp_path / "over.yml").write_text("services: {web: {image: b}}")
    stack = load_files(
        tmp_path / "shop.yml", [tmp_path / "over.yml"], [("services.web.instances", "2")], name=None, variables={}
    )
    assert (stack.name, stack.groups[0].container.image, stack.groups[0].instances) == ("shop", "b", 2)
    with pytest.raises(StackError, match=r"none.yml: cannot be read: no such file or directory"):
        load_files(tmp_path / "none.yml", name=None, variables={})
