"""The ids of versions that stores already hold: a program that made others of the same file would replace every task.

The ids were written down by the release before fields were declared (specs.model.declared), and are never changed.
"""

from __future__ import annotations

import pytest

from specs import generate
from specs.file.load import load_files, load_stack
from specs.model.canonical import version_of

EVERYTHING = """
services:
  container:
    image: acme/web:1.4
    command: [run, --fast]
    entrypoint: /init me
    environment: {LOG: info, TOKEN: s3cret}
    ports: {http: 8080, dns: 53/udp, admin: "9000:9000/tcp"}
    volumes: ["data:/d", "/a:/b:ro", /c]
    tmpfs: ["/run", "/tmp:size=64m"]
    user: "1000:100"
    working_dir: /srv
    hostname: box
    labels: {team: shop}
    pull: always
    pull_timeout: 1h
    privileged: true
    read_only: true
    init: true
    tty: true
    cap_add: [NET_ADMIN]
    cap_drop: [all]
    devices: ["/dev/fuse", "/dev/a:/dev/b:r"]
    dns: 10.0.0.1
    dns_search: [example.org]
    dns_opt: ["ndots:2"]
    extra_hosts: ["db:10.0.0.2"]
    security_opt: [no-new-privileges]
    sysctls: {net.core.somaxconn: 1024}
    ulimits: {nofile: {soft: 10, hard: 20}}
    group_add: [audio]
    shm_size: 64m
    pids_limit: 50
    stop: {signal: SIGINT, grace: 20s, drain: 5s}
    health: {http: /healthz, port: http, headers: {Host: shop}, codes: [200-204], interval: 2s}
    ready: {command: [test, -f, /ready]}
    metrics: {path: /own, port: http, interval: 30s}
    post_start: [{command: [migrate], user: root, environment: {A: b}}]
    pre_stop: [{command: [bye], timeout: 3s}]
    templates: [{target: web.conf, content: "x", mode: "0600", on_change: {command: [reload]}}]
    resources: {cpus: 0.5, memory: 256M, disk: 1G, gpus: 1, custom: {lanes: 2, fpga: [a]}}
  process:
    command: sleep 60
    environment: {A: "1"}
    stop: {drain: 1s}
"""
EVERY_ID = {"container": "151492b9d5c2-366d4534", "process": "3a1cd0600e87-ddec44c1"}
EXAMPLES = """
compose.yml examples/redis c2bf86e5eddc-ace8fcb3
compose.yml examples/web 9ae2dc21bab9-0f996e6c
fig.yml examples/redis 838976638f29
fig.yml examples/web fe7982e390e4
hello.yml hello/web 95cc7a8d7322-06469490
placement.yml placement/batch[heavy] f2130ccdf4af-91ad73d8
placement.yml placement/batch[light] f2130ccdf4af-91ad73d8
placement.yml placement/cache f2130ccdf4af-91ad73d8
placement.yml placement/choice f2130ccdf4af-91ad73d8
placement.yml placement/fixed f2130ccdf4af-91ad73d8
placement.yml placement/kernel f2130ccdf4af-91ad73d8
placement.yml placement/quota f2130ccdf4af-91ad73d8
placement.yml placement/redis f2130ccdf4af-91ad73d8
placement.yml placement/shares f2130ccdf4af-91ad73d8
placement.yml placement/spread f2130ccdf4af-91ad73d8
placement.yml placement/together f2130ccdf4af-91ad73d8
placement.yml placement/watcher f2130ccdf4af-91ad73d8
placement.yml placement/web f2130ccdf4af-91ad73d8
placement.yml placement/wide f2130ccdf4af-91ad73d8
process.yml process/clock 460727f7372d
process.yml process/files 9524a262016c-06469490
rollouts.yml rollouts/api 82b2e3a73ec1-5c1dfaa8
rollouts.yml rollouts/classic 82b2e3a73ec1-5c1dfaa8
rollouts.yml rollouts/queue 6d8ff8e32f24-5c1dfaa8
rollouts.yml rollouts/web[dev] 82b2e3a73ec1-5c1dfaa8
rollouts.yml rollouts/web[prod] 82b2e3a73ec1-5c1dfaa8
routes.yml site/web dbf7c418cb57-76e4dd79
shop.yml shop/auth 3b8dce808f44-530f5110
shop.yml shop/catalogue 1a66ad022d57-530f5110
shop.yml shop/pricing 1d97e5d7b947-530f5110
shop.yml shop/redis dae1a37094c0-3fe29350
shop.yml shop/web[dev,frontend] ccf8f7ba1905-530f5110
shop.yml shop/web[frontend,prod] 5742f22c777a-530f5110
"""


def test_every_setting_has_the_version_that_it_had() -> None:
    stack = load_stack(EVERYTHING, name="all", variables={})
    assert {group.id.service: version_of(group) for group in stack.groups} == EVERY_ID


@pytest.mark.parametrize("line", EXAMPLES.split("\n")[1:-1])
def test_the_examples_have_the_versions_that_they_had(line: str) -> None:
    file, group, version = line.split()
    stack = load_files(generate.HERE / "examples" / file, name=None, variables={})
    assert {str(each.id): version_of(each) for each in stack.groups}[group] == version
