"""Generated files are fresh, the tables of the pages are complete, and the JSON Schema says what the loader says."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from specs import generate
from specs.file.load import load_files, load_stack
from specs.file.schema import schema_text, stack_schema
from specs.file.sections import DEPLOY
from specs.file.source import Mapping, Node, Scalar, Sequence, read_yaml
from specs.file.tables import with_tables
from specs.file.vocabulary import SERVICE
from specs.model import limits
from specs.model.errors import StackError

EXAMPLES = sorted((generate.HERE / "examples").glob("*.yml"))
WRONG = generate.HERE.parent / "tests" / "golden" / "specs" / "wrong"
jsonschema = import_module("jsonschema")  # it has no types
REMAKE = "run: python -m specs.generate"

COMPOSE_SERVICE_KEYS = """
annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name cpu_count
cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on deploy
develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file environment expose extends
external_links extra_hosts gpus group_add healthcheck hostname image init ipc isolation label_file labels links logging
mac_address mem_limit mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable
oom_score_adj pid pids_limit platform ports post_start pre_stop privileged profiles provider pull_policy
pull_refresh_after read_only restart runtime scale secrets security_opt shm_size stdin_open stop_grace_period
stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes volumes_from working_dir
"""
FIG_KEYS = """
build command dns domainname entrypoint environment expose external_links hostname image links mem_limit net ports
privileged user volumes volumes_from working_dir
"""
DEPLOY_KEYS = """
endpoint_mode labels mode placement replicas resources restart_policy rollback_config update_config
"""
LIMITS = """
MAX_FILE_BYTES MAX_NODES MAX_TEXT MAX_DEPTH MAX_GROUP_NODES MAX_SERVICES MAX_GROUPS MAX_INSTANCES MAX_PORTS
MAX_TASK_ID_LENGTH MAX_SETTINGS_BYTES MAX_VALUE_BYTES MAX_GPUS MAX_FAULTS
"""
WRONG_SHAPES = """
unknown_keys wrong_shapes later compose_keys resources services_misspelt nulls words
"""


def test_the_schema_is_fresh() -> None:
    assert generate.SCHEMA.read_text(encoding="utf-8") == schema_text(), REMAKE


@pytest.mark.parametrize("page", generate.PAGES, ids=lambda page: page.name)
def test_the_pages_are_fresh(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert with_tables(text) == text, REMAKE


def test_the_records_are_fresh(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    (tmp_path / "specs").mkdir()
    generate.records(tmp_path)
    for name in ("records_pb2.py", "records_pb2.pyi"):
        made = (tmp_path / "specs" / name).read_text(encoding="utf-8")
        assert (generate.HERE / name).read_text(encoding="utf-8") == made, REMAKE


@pytest.mark.parametrize("key", sorted({*COMPOSE_SERVICE_KEYS.split(), *FIG_KEYS.split()}))
def test_every_compose_and_fig_key_means_something_or_is_refused(key: str) -> None:
    assert (key in {field.name for field in SERVICE.fields}) != (key in SERVICE.refused)
    assert f"| `{key}` | " in generate.PAGES[1].read_text(encoding="utf-8")


@pytest.mark.parametrize("key", DEPLOY_KEYS.split())
def test_every_deploy_key_means_something_or_is_refused(key: str) -> None:
    assert (key in {field.name for field in DEPLOY.fields}) != (key in DEPLOY.refused)
    assert f"| `deploy.{key}` | " in generate.PAGES[1].read_text(encoding="utf-8")


@pytest.mark.parametrize(("key", "sentence"), sorted(SERVICE.refused.items()))
def test_a_refused_key_is_refused_with_its_sentence(key: str, sentence: str) -> None:
    assert sentence.startswith((f"{key} is refused: ", f"{key} is not supported yet: "))
    with pytest.raises(StackError) as caught:
        load_stack(f"services: {{web: {{image: a, {key}: 1}}}}", name="s", variables={})
    assert [(fault.path, fault.message) for fault in caught.value.faults] == [(f"services.web.{key}", sentence)]


def test_every_limit_stands_in_the_page() -> None:
    page = generate.PAGES[0].read_text(encoding="utf-8")
    for name in [
        "MAX_FILE_BYTES",
        "MAX_NODES",
        "MAX_TEXT",
        "MAX_DEPTH",
        "MAX_GROUP_NODES",
        "MAX_SERVICES",
        "MAX_GROUPS",
        "MAX_INSTANCES",
        "MAX_PORTS",
        "MAX_TASK_ID_LENGTH",
        "MAX_SETTINGS_BYTES",
        "MAX_VALUE_BYTES",
        "MAX_GPUS",
        "MAX_FAULTS",
        "MAX_CONSTRAINTS",
        "MAX_SPREADS",
        "MAX_NEIGHBOURS",
        "MAX_PREFERENCES",
        "MAX_RULE_DEPTH",
        "MAX_RULE_VALUES",
        "MAX_FIELD_LENGTH",
        "MAX_PATTERN_LENGTH",
        "MAX_STEPS",
        "MAX_CUSTOM_RESOURCES",
        "MAX_CUSTOM_ITEMS",
    ]:
        assert f"| {getattr(limits, name):,}" in page, name


def plain(node: Node) -> Any:
    """The document as JSON values, its texts understood as an editor understands them."""
    if isinstance(node, Mapping):
        return {key: plain(value) for key, value in node.values.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    assert isinstance(node, Scalar)
    if node.is_null:
        return None
    if node.is_boolean:
        return node.text.lower() == "true"
    if node.is_plain:
        for kind in (int, float):
            try:
                return kind(node.text)
            except ValueError:
                continue
    return node.text


def schema_faults(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(stack_schema())
    document = plain(read_yaml(text, "")[0])
    return [str(error.json_path) for error in validator.iter_errors(document)]


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_load_and_the_schema_takes_them(path: Path) -> None:
    stack = load_files(path, name=None, variables={})
    assert stack.groups
    assert schema_faults(path.read_text(encoding="utf-8")) == []


def test_the_shop_has_its_five_services_and_eight_containers_or_more() -> None:
    shop = load_files(generate.HERE / "examples" / "shop.yml", name=None, variables={})
    assert {group.id.service for group in shop.groups} == {"web", "auth", "catalogue", "pricing", "redis"}
    assert sum(group.instances for group in shop.groups) >= 8
    needs = {group.id.service: [need.service for need in group.dependencies] for group in shop.groups}
    assert needs == {
        "web": ["auth", "catalogue"],
        "auth": ["redis"],
        "catalogue": ["pricing", "redis"],
        "pricing": [],
        "redis": [],
    }


@pytest.mark.parametrize(
    "name",
    [
        "unknown_keys",
        "wrong_shapes",
        "later",
        "compose_keys",
        "resources",
        "services_misspelt",
        "nulls",
        "words",
        "rules",
        "update",
    ],
)
def test_the_schema_refuses_what_is_wrong_in_shape(name: str) -> None:
    assert schema_faults((WRONG / f"{name}.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "body",
    [
        "instances: '${N}'",
        "resources: {cpus: '0.5', memory: '${M}'}",
        "restart: 'no'",
        "restart: no",
        "ports: ['8080:80', 81, {target: 82}]",
        "stop_signal: 15",
        "pids_limit: -1",
        "environment: {A: null, B: 1, C: true}",
        "depends_on: {db: {condition: service_started}}",
        "health: {tcp: 80}, ports: [80]",
        "ready: {https: /x, codes: [200, 300-302], headers: {a: b}, method: HEAD, verify: false}, ports: [80]",
        "stop: {drain: 5s}, post_start: [a, b], pre_stop: [{command: a, timeout: 3s}, {command: [b], user: root}]",
        "groups: [{labels: [a], environment: {B: x}}]",
        "constraints: [hostname UNIQUE, [rack, GROUP_BY, 3], {not: {any: [a == 1, {all: [b IS_SET]}]}}]",
        "constraints: {field: rack, operator: IN, values: [a, 1]}",
        "constraints: [rack, IS, true]",
        "spread: [zone, {over: rack, max_skew: 2}, {over: row, targets: {a: 70%, '*': 30}, weight: 5}]",
        "near: db, apart: [{service: db, labels: x, stack: o}, 'x/y[a]'], prefer: [a == 1, {rule: b == 2, weight: -5}]",
        "strategy: pack, sticky: 5m, mode: replicated",
        "sticky: true, prefer: {rule: [a, IS, b]}",
        "resources: {custom: {lanes: 2, fpga: [a, 1]}}",
        "deploy: {mode: replicated, placement: {constraints: [a == b], preferences: [{spread: node.labels.z}]}}",
        "deploy: {resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: a, value: 2}}]}}}",
        "volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m}}]",
        "update: {parallelism: 1, min_healthy: 50%, max_surge: '25%', order: start-first, on_failure: pause}",
        "update: {steps: [1, pause, pause 10m, {pause: 5m}, {pause: }, 25%, 100%], deadline: 0s}",
        "update: {canary: 10%, max_failures: 0}, rollback: {parallelism: 0, on_failure: continue}",
        "deploy: {update_config: {parallelism: 0, delay: 5s, max_failure_ratio: 0.25}, rollback_config: {delay: 1s}}",
    ],
)
def test_the_schema_takes_what_the_loader_takes(body: str) -> None:
    text = f"services: {{web: {{image: a, {body}}}, db: {{image: b}}}}"
    load_stack(text, name="s", variables={"N": "3", "M": "64M", "A": "a"})
    assert schema_faults(text) == []
