"""From the words of a file to the model: every kind of field, in every form it may be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from specs.file.load import Override, load_files, load_stack
from specs.ids import GroupId
from specs.model.errors import StackError
from specs.model.resources import Resources
from specs.model.stack import (
    CheckKind,
    Condition,
    Container,
    Dependency,
    Group,
    HealthCheck,
    Hook,
    Network,
    OnChange,
    Port,
    Protocol,
    Pull,
    Restart,
    Retry,
    Stack,
    Stop,
    Ulimit,
    Volume,
)

VARIABLES = {"TAG": "1.10", "EMPTY": "", "COUNT": "3"}


def load(text: str, **more: object) -> Stack:
    return load_stack(text, name="s", file="s.yml", variables=VARIABLES, **more)  # type: ignore[arg-type]


def service(body: str) -> Group:
    """The one group of a service `web` with an image and these lines, in flow style."""
    stack = load(f"services:\n  web: {{image: a, {body}}}\n")
    assert len(stack.groups) == 1
    return stack.groups[0]


def container(body: str) -> Container:
    return service(body).container


def told(text: str, **more: object) -> list[str]:
    with pytest.raises(StackError) as caught:
        load(text, **more)
    return [str(fault) for fault in caught.value.faults]


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


@pytest.mark.parametrize(
    ("ports", "wanted"),
    [
        ("[80]", [Port(name="80", container_port=80)]),
        ('["80"]', [Port(name="80", container_port=80)]),
        ('["8080:80"]', [Port(name="80", container_port=80, host_port=8080)]),
        ("[22:22]", [Port(name="22", container_port=22, host_port=22)]),
        ('["0:80"]', [Port(name="80", container_port=80)]),
        ('["53:53/udp"]', [Port(name="53-udp", container_port=53, host_port=53, protocol=Protocol.UDP)]),
        (
            '["9000-9001:90-91"]',
            [Port(name="90", container_port=90, host_port=9000), Port(name="91", container_port=91, host_port=9001)],
        ),
        ('["80-81"]', [Port(name="80", container_port=80), Port(name="81", container_port=81)]),
        (
            '["8080:80", "8081:80"]',
            [
                Port(name="80", container_port=80, host_port=8080),
                Port(name="80-8081", container_port=80, host_port=8081),
            ],
        ),
        (
            "[{target: 80, published: 8080, protocol: udp, name: dns, mode: host}]",
            [Port(name="dns", container_port=80, host_port=8080, protocol=Protocol.UDP)],
        ),
        ("[{target: 80}]", [Port(name="80", container_port=80)]),
        (
            '{http: 8080, admin: "9000:9001/tcp"}',
            [Port(name="http", container_port=8080), Port(name="admin", container_port=9001, host_port=9000)],
        ),
        ("{any: 0}", [Port(name="any", container_port=0)]),
        ("[80], expose: [80, 81]", [Port(name="80", container_port=80), Port(name="81", container_port=81)]),
    ],
)
def test_ports(ports: str, wanted: list[Port]) -> None:
    assert list(container(f"ports: {ports}").ports) == wanted


def test_on_the_agents_own_network_a_port_is_the_hosts() -> None:
    on_host = container("network: host, ports: {http: 8080, any: 0, same: '90:90'}")
    assert [(port.container_port, port.host_port) for port in on_host.ports] == [(0, 8080), (0, None), (0, 90)]


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


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("health: {http: /x}, ports: {web: 80, dns: 53/udp}", HealthCheck(kind=CheckKind.HTTP, path="/x", port="web")),
        ("health: {tcp: b}, ports: {a: 80, b: 81}", HealthCheck(kind=CheckKind.TCP, port="b")),
        ("health: {tcp: true, port: 81}, ports: [80, 81]", HealthCheck(kind=CheckKind.TCP, port="81")),
        (
            "health: {command: test -f x, interval: 1s, timeout: 2s, grace: 0s, failures: 0}",
            HealthCheck(
                kind=CheckKind.COMMAND,
                command=("/bin/sh", "-c", "test -f x"),
                interval_seconds=1.0,
                timeout_seconds=2.0,
                grace_seconds=0.0,
                failures=0,
            ),
        ),
        (
            "health: {https: /x, codes: [401, 200-204], headers: {Host: a.b, X: 1}, method: HEAD, verify: true,"
            " successes: 2, start_interval: 3s}, ports: [80]",
            HealthCheck(
                kind=CheckKind.HTTPS,
                path="/x",
                port="80",
                codes=((200, 204), (401, 401)),
                headers=(("Host", "a.b"), ("X", "1")),
                method="HEAD",
                verifies=True,
                successes=2,
                start_interval_seconds=3.0,
            ),
        ),
        (
            "health: {http: /, codes: 204}, ports: [80]",
            HealthCheck(kind=CheckKind.HTTP, port="80", codes=((204, 204),)),
        ),
        (
            "healthcheck: {test: a, start_period: 1m, start_interval: 2s}",
            HealthCheck(
                kind=CheckKind.COMMAND,
                command=("/bin/sh", "-c", "a"),
                interval_seconds=30.0,
                timeout_seconds=30.0,
                grace_seconds=60.0,
                start_interval_seconds=2.0,
            ),
        ),
        (
            "healthcheck: {test: [CMD, a, b], retries: 5}",
            HealthCheck(
                kind=CheckKind.COMMAND,
                command=("a", "b"),
                interval_seconds=30.0,
                timeout_seconds=30.0,
                grace_seconds=0.0,
                failures=5,
            ),
        ),
        ("healthcheck: {disable: true}", None),
        ("healthcheck: {test: [NONE]}", None),
        ("healthcheck: {test: NONE}", None),
    ],
)
def test_health(body: str, wanted: HealthCheck | None) -> None:
    assert container(body).health == wanted


def test_readiness_has_the_forms_of_health_and_a_port_of_its_own() -> None:
    found = container("ready: {http: /r, failures: 1}, health: {command: x}, ports: {a: 80, b: 81/udp}")
    assert found.ready == HealthCheck(kind=CheckKind.HTTP, path="/r", port="a", failures=1)


def test_a_stop_has_three_parts() -> None:
    found = container("stop: {signal: INT, grace: 20s, drain: 5s}")
    assert found.stop == Stop(signal="SIGINT", grace_seconds=20.0, drain_seconds=5.0)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("./warm up", (Hook(command=("/bin/sh", "-c", "./warm up")),)),
        ("[./warm, up]", (Hook(command=("./warm", "up")),)),
        ("{command: a, timeout: 5s}", (Hook(command=("/bin/sh", "-c", "a"), timeout_seconds=5.0),)),
        (
            "[{command: [a, b], user: root, working_dir: /x, environment: [C=d]}, {command: e}]",
            (
                Hook(command=("a", "b"), user="root", working_dir="/x", environment=(("C", "d"),)),
                Hook(command=("/bin/sh", "-c", "e")),
            ),
        ),
        ("[]", ()),
    ],
)
def test_hooks(written: str, wanted: tuple[Hook, ...]) -> None:
    assert container(f"post_start: {written}").post_start == wanted
    assert container(f"pre_stop: {written}").pre_stop == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("restart: no", Restart.NEVER),
        ("restart: 'no'", Restart.NEVER),
        ("restart: unless-stopped", Restart.ALWAYS),
        ("restart: never", Restart.NEVER),
        ("restart: on-failure", Restart.ON_FAILURE),
        ("restart: on-failure:5", Restart.ON_FAILURE),
        ("restart: {policy: never}", Restart.NEVER),
        ("restart: {delay: 2s}", Restart.ALWAYS),
        ("deploy: {restart_policy: {condition: none}}", Restart.NEVER),
        ("deploy: {restart_policy: {condition: any}}", Restart.ALWAYS),
    ],
)
def test_restart(body: str, wanted: Restart) -> None:
    assert service(body).restart is wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("restart: always", Retry()),
        ("restart: on-failure:5", Retry(attempts=5)),
        ("restart: on-failure:0", Retry()),
        (
            "restart: {policy: on-failure, delay: 2s, factor: 2, max_delay: 1m, attempts: 3, window: 10s}",
            Retry(delay_seconds=2, factor=2, max_delay_seconds=60, attempts=3, window_seconds=10),
        ),
        ("restart: {delay: 10m}", Retry(delay_seconds=600, max_delay_seconds=600)),
        (
            "deploy: {restart_policy: {condition: any, delay: 5s, max_attempts: 3, window: 120s}}",
            Retry(delay_seconds=5, attempts=3, window_seconds=120),
        ),
        ("restart: on-failure:3, deploy: {restart_policy: {max_attempts: 3}}", Retry(attempts=3)),
        ("restart: {factor: '1.5', attempts: $COUNT}", Retry(factor=1.5, attempts=3)),
    ],
)
def test_retry(body: str, wanted: Retry) -> None:
    assert service(body).retry == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("restart: sometimes", "wanted one of always, on-failure, never, no, unless-stopped; got 'sometimes'"),
        ("restart: on-failure:5000", "wanted at most 1000 attempts"),
        ("restart: {policy: maybe}", "wanted one of always"),
        ("restart: {delay: 5}", "without a unit: 5s?"),
        ("restart: {factor: 0.5}", "wanted a number from 1 to 100, as 1.15; got '0.5'"),
        ("restart: {window: 0s}", "wanted more than 0s"),
        ("restart: {delay: 10s, max_delay: 5s}", "the longest wait is shorter than the first"),
        ("restart: {delay: 30d}", "wanted delay from 0 to 604,800 seconds"),
        ("restart: {attempt: 3}", "did you mean attempts?"),
        ("restart: [always]", "wanted a mapping: restart; got a list"),
        ("restart: null", "has no value"),
    ],
)
def test_wrong_restarts(body: str, wanted: str) -> None:
    with pytest.raises(StackError) as caught:
        service(body)
    (fault,) = caught.value.faults
    assert wanted in fault.message, fault.message


@pytest.mark.parametrize(
    "body", ["instances: 3", "instances: '3'", "scale: 3", "deploy: {replicas: 3}", "instances: $COUNT"]
)
def test_instances(body: str) -> None:
    assert service(body).instances == 3


def test_deploy_labels_are_metadata() -> None:
    assert service("deploy: {labels: [team=x]}").metadata == (("team", "x"),)


def test_links_and_depends_on_together() -> None:
    stack = load(
        """
services:
  web:
    image: a
    links: [db, "api:api"]
    depends_on: {db: {condition: service_healthy}, job: completed}
  db: {image: a, health: {command: "true"}}
  api: {image: a}
  job: {image: a, restart: on-failure}
"""
    )
    web = next(group for group in stack.groups if group.id.service == "web")
    assert web.dependencies == (
        Dependency(service="api"),
        Dependency(service="db", condition=Condition.HEALTHY),
        Dependency(service="job", condition=Condition.COMPLETED),
    )


@pytest.mark.parametrize(
    ("words", "follows"),
    [
        ("{condition: healthy, on_change: signal hup}", OnChange.SIGNAL),
        ("{condition: healthy, on_change: {signal: SIGHUP}}", OnChange.SIGNAL),
        ("{condition: healthy, on_change: {signal: 1}}", OnChange.SIGNAL),
        ("{condition: healthy, on_change: restart}", OnChange.RESTART),
        ("{condition: service_healthy, restart: true}", OnChange.RESTART),
        ("{condition: service_healthy, restart: false}", OnChange.NONE),
        ("{condition: healthy, on_change: none}", OnChange.NONE),
        ("healthy", OnChange.NONE),
    ],
)
def test_what_follows_a_change_of_a_dependency(words: str, follows: OnChange) -> None:
    text = f"""
services:
  web:
    image: a
    links: [db]
    depends_on:
      db: {words}
  db: {{image: a, health: {{command: "true"}}}}
"""
    web = next(group for group in load(text).groups if group.id.service == "web")
    signal = "SIGHUP" if follows is OnChange.SIGNAL else ""
    assert web.dependencies == (
        Dependency(service="db", condition=Condition.HEALTHY, on_change=follows, signal=signal),
    )


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
