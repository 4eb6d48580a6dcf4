"""Every stored value comes back as it was."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.adapters import packing, records, spec_records
from framework.adapters.histories import history_node, history_of
from framework.core.commands import PutFramework
from framework.core.model import (
    AgentFailures,
    Backoff,
    GroupSpec,
    History,
    KnownAgent,
    Revision,
    StackSpec,
    Task,
    Version,
)
from specs.ids import AgentId, GroupId
from specs.model.autoscale import Autoscale, MetricTarget
from specs.model.constraints import (
    Constraint,
    Counted,
    GroupByMode,
    Mode,
    Neighbour,
    Preference,
    Rules,
    Selector,
    Spread,
    Strategy,
)
from specs.model.operators import Operator
from specs.model.resources import PortRanges, Resources
from specs.model.routes import Route, RouteMode, Tls
from specs.model.stack import (
    CheckKind,
    Condition,
    Container,
    Dependency,
    HealthCheck,
    KillOrder,
    Network,
    OnChange,
    Port,
    Protocol,
    Restart,
    Retry,
)
from specs.model.stack import Stop as StopSettings
from specs.states import Goal, Health, Readiness, TaskState

TEXT = st.text(max_size=40)
NAMES = st.text(alphabet="abcdefghij0123456789-", min_size=1, max_size=12)
INSTANTS = st.floats(min_value=0, max_value=1e11, allow_nan=False)
COUNTS = st.integers(0, 2**32 - 1)
GROUPS = st.builds(
    GroupId, NAMES, NAMES, st.lists(NAMES, max_size=3, unique=True).map(lambda names: tuple(sorted(names)))
)
PAIRS = st.dictionaries(TEXT, TEXT, max_size=3).map(lambda pairs: tuple(sorted(pairs.items())))
BACKOFFS = st.builds(
    Backoff,
    at=INSTANTS,
    until=INSTANTS,
    delay_seconds=INSTANTS,
    cause=TEXT,
    failures=COUNTS,
    tries=COUNTS,
    agents=st.lists(NAMES.map(AgentId), max_size=3).map(lambda ids: tuple(ids)),
)
TASKS = st.builds(
    Task,
    id=st.builds(lambda name, serial: f"{name}.{serial}", NAMES, st.integers(0, 2**53)),
    group=GROUPS,
    slot=COUNTS,
    attempt=COUNTS,
    version=NAMES,
    generation=st.integers(0, 2**63),
    goal=st.sampled_from(Goal),
    permanent=TEXT,
    failures=COUNTS,
    backoff=st.none() | BACKOFFS,
    state=st.sampled_from(TaskState),
    health=st.sampled_from(Health),
    readiness=st.sampled_from(Readiness),
    agent_id=TEXT,
    hostname=TEXT,
    address=TEXT,
    executor_id=TEXT,
    host_ports=st.lists(st.integers(0, 65535), max_size=4).map(tuple),
    launched_at=INSTANTS,
    state_since=INSTANTS,
    running_since=INSTANTS,
    ended_at=INSTANTS,
    reason=TEXT,
    message=TEXT,
    exit_code=st.none() | st.integers(-(2**31), 2**31 - 1),
    container_id=TEXT,
    sandbox=TEXT,
    addresses=st.lists(TEXT, max_size=3).map(tuple),
    stop_cause=TEXT,
)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
WEIGHTS = st.integers(-100, 100)
PLAIN_CONSTRAINTS = st.builds(
    Constraint,
    operator=st.sampled_from(Operator),
    field=TEXT,
    values=TEXTS,
    mode=st.sampled_from(GroupByMode),
    counts=st.sampled_from(Counted),
)
CONSTRAINTS = st.recursive(
    PLAIN_CONSTRAINTS,
    lambda parts: st.builds(
        Constraint, operator=st.sampled_from(Operator), parts=st.lists(parts, max_size=2).map(tuple)
    ),
    max_leaves=3,
)
NEIGHBOURS = st.lists(
    st.builds(Neighbour, to=st.builds(Selector, stack=TEXT, service=TEXT, labels=TEXTS), field=TEXT, weight=WEIGHTS),
    max_size=2,
).map(tuple)
RULES = st.builds(
    Rules,
    constraints=st.lists(CONSTRAINTS, max_size=2).map(tuple),
    spread=st.lists(
        st.builds(
            Spread,
            over=TEXT,
            within=TEXTS,
            max_skew=st.integers(1, 9),
            min_domains=st.integers(0, 9),
            targets=st.lists(st.tuples(TEXT, st.integers(0, 100)), max_size=2).map(tuple),
            weight=WEIGHTS,
        ),
        max_size=2,
    ).map(tuple),
    near=NEIGHBOURS,
    apart=NEIGHBOURS,
    prefer=st.lists(st.builds(Preference, rule=PLAIN_CONSTRAINTS, weight=WEIGHTS), max_size=2).map(tuple),
    strategy=st.sampled_from(Strategy),
    sticky=st.booleans(),
    sticky_wait_seconds=st.floats(-1, 1e9),
)
AGENTS = st.builds(
    KnownAgent,
    id=TEXT,
    hostname=TEXT,
    region=TEXT,
    zone=TEXT,
    attributes=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    failures=st.lists(st.builds(AgentFailures, group=GROUPS, count=st.floats(0, 1e9), at=INSTANTS), max_size=2).map(
        tuple
    ),
)
SPECS = st.builds(
    GroupSpec,
    id=GROUPS,
    version=NAMES,
    instances=COUNTS,
    is_stopped=st.booleans(),
    generation=st.integers(0, 2**63),
    retry=st.builds(Retry, delay_seconds=INSTANTS, factor=INSTANTS, attempts=COUNTS, window_seconds=INSTANTS),
    restart=st.sampled_from(Restart),
    dependencies=st.lists(
        st.builds(Dependency, service=NAMES, condition=st.sampled_from(Condition), on_change=st.sampled_from(OnChange)),
        max_size=3,
    ).map(tuple),
    metadata=PAIRS,
    mode=st.sampled_from(Mode),
    rules=st.just(Rules()) | RULES,
    kill_order=st.sampled_from(KillOrder),
    routes=st.lists(
        st.builds(
            Route,
            port=NAMES,
            listen=st.integers(0, 65535),
            hosts=st.lists(NAMES, max_size=2).map(tuple),
            path=TEXT,
            mode=st.sampled_from(RouteMode),
            tls=st.sampled_from(Tls),
        ),
        max_size=3,
    ).map(tuple),
    autoscale=st.none()
    | st.builds(
        Autoscale,
        min=COUNTS,
        max=COUNTS,
        cpu_percent=COUNTS,
        metrics=st.lists(st.builds(MetricTarget, name=NAMES, target=INSTANTS), max_size=2).map(tuple),
        cool_down_seconds=INSTANTS,
    ),
)
CONTAINERS = st.builds(
    Container,
    image=TEXT,
    command=st.none() | st.lists(TEXT, max_size=3).map(tuple),
    environment=PAIRS,
    ports=st.lists(
        st.builds(
            Port,
            name=NAMES,
            container_port=st.integers(0, 65535),
            host_port=st.none() | st.integers(1, 65535),
            protocol=st.sampled_from(Protocol),
        ),
        max_size=3,
    ).map(tuple),
    network=st.sampled_from(Network),
    privileged=st.booleans(),
    stop=st.builds(StopSettings, grace_seconds=st.floats(0, 1e6)),
    health=st.none() | st.builds(HealthCheck, kind=st.sampled_from(CheckKind), path=TEXT, command=st.just(("a", "b"))),
)
RESOURCES = st.builds(
    Resources, cpus_milli=COUNTS, mem_mib=COUNTS, disk_mib=COUNTS, gpus=COUNTS, ports=st.just(PortRanges(((1, 5),)))
)


DECODERS = (
    *(records.bucket_of, records.agents_of, spec_records.stack_of),
    *(records.version_of, records.framework_of, history_of),
)


@given(st.lists(TASKS, max_size=80))
def test_tasks_in_a_bucket(tasks: list[Task]) -> None:
    kept = [records.task_bytes(task) for task in tasks]
    assert records.bucket_of(records.bucket_node(kept)) == list(zip(tasks, kept, strict=True))


@given(st.lists(AGENTS, max_size=40))
def test_agents_in_a_bucket(agents: list[KnownAgent]) -> None:
    kept = [records.agent_bytes(agent) for agent in agents]
    assert records.agents_of(records.bucket_node(kept)) == list(zip(agents, kept, strict=True))


@given(st.builds(StackSpec, name=NAMES, groups=st.lists(SPECS, max_size=8).map(tuple), index=COUNTS,
                 submitted_at=INSTANTS, submitted_by=TEXT, message=TEXT, is_removed=st.booleans()))  # fmt: skip
def test_stacks(stack: StackSpec) -> None:
    # A group's stack is not stored with it: it is the stack's own.
    stack = dataclasses.replace(stack, groups=tuple(_with_stack(group, stack.name) for group in stack.groups))
    assert spec_records.stack_of(spec_records.stack_node(stack)) == stack


def _with_stack(group: GroupSpec, stack: str) -> GroupSpec:
    return dataclasses.replace(group, id=GroupId(stack, group.id.service, group.id.labels))


@given(
    name=NAMES,
    numbers=st.lists(COUNTS, max_size=6),
    pool=st.lists(SPECS, min_size=1, max_size=5),
    data=st.data(),
)
def test_histories(name: str, numbers: list[int], pool: list[GroupSpec], data: st.DataObject) -> None:
    pool = [_with_stack(group, name) for group in pool]
    definitions = st.none() | st.lists(st.sampled_from(pool), max_size=8).map(tuple)
    texts = dict.fromkeys(("command", "text", "by", "message"), TEXT)
    revisions = tuple(
        data.draw(st.builds(Revision, number=st.just(number), at=INSTANTS, services=TEXTS, groups=definitions, **texts))
        for number in numbers
    )
    history = History(stack=name, revisions=revisions)
    assert history_of(history_node(history)) == history


@given(st.builds(Version, stack=NAMES, id=NAMES, container=CONTAINERS, resources=RESOURCES))
def test_versions(version: Version) -> None:
    assert records.version_of(records.version_node(version)) == version


@given(st.builds(PutFramework, framework_id=st.none() | NAMES, next_serial=st.integers(1, 2**63)))
def test_the_framework(put: PutFramework) -> None:
    assert records.framework_of(records.framework_node(put)) == put


@given(st.binary(max_size=200))
@pytest.mark.parametrize("decode", DECODERS)
def test_whatever_the_bytes_are_it_is_a_fault_or_a_value(decode: object, data: bytes) -> None:
    assert callable(decode)
    try:
        decode(data)
    except packing.RecordFault as fault:
        assert str(fault)
