from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FrameworkRecord(_message.Message):
    __slots__ = ("schema", "framework_id", "next_serial")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    NEXT_SERIAL_FIELD_NUMBER: _ClassVar[int]
    schema: int
    framework_id: str
    next_serial: int
    def __init__(self, schema: _Optional[int] = ..., framework_id: _Optional[str] = ..., next_serial: _Optional[int] = ...) -> None: ...

class GroupRecord(_message.Message):
    __slots__ = ("service", "labels", "version", "instances", "stopped", "generation", "restart", "dependencies", "metadata", "mode", "rules_json", "replace_after_seconds", "keep", "update_json", "rollback_json", "retry", "kill_order", "routes_json", "autoscale_json", "signals")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    RESTART_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    RULES_JSON_FIELD_NUMBER: _ClassVar[int]
    REPLACE_AFTER_SECONDS_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    UPDATE_JSON_FIELD_NUMBER: _ClassVar[int]
    ROLLBACK_JSON_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    KILL_ORDER_FIELD_NUMBER: _ClassVar[int]
    ROUTES_JSON_FIELD_NUMBER: _ClassVar[int]
    AUTOSCALE_JSON_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    service: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    version: str
    instances: int
    stopped: bool
    generation: int
    restart: str
    dependencies: _containers.RepeatedCompositeFieldContainer[DependencyRecord]
    metadata: _containers.ScalarMap[str, str]
    mode: str
    rules_json: bytes
    replace_after_seconds: float
    keep: str
    update_json: bytes
    rollback_json: bytes
    retry: RetryRecord
    kill_order: str
    routes_json: bytes
    autoscale_json: bytes
    signals: int
    def __init__(self, service: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., version: _Optional[str] = ..., instances: _Optional[int] = ..., stopped: _Optional[bool] = ..., generation: _Optional[int] = ..., restart: _Optional[str] = ..., dependencies: _Optional[_Iterable[_Union[DependencyRecord, _Mapping]]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., mode: _Optional[str] = ..., rules_json: _Optional[bytes] = ..., replace_after_seconds: _Optional[float] = ..., keep: _Optional[str] = ..., update_json: _Optional[bytes] = ..., rollback_json: _Optional[bytes] = ..., retry: _Optional[_Union[RetryRecord, _Mapping]] = ..., kill_order: _Optional[str] = ..., routes_json: _Optional[bytes] = ..., autoscale_json: _Optional[bytes] = ..., signals: _Optional[int] = ...) -> None: ...

class RetryRecord(_message.Message):
    __slots__ = ("delay_seconds", "factor", "max_delay_seconds", "attempts", "window_seconds")
    DELAY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    MAX_DELAY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_SECONDS_FIELD_NUMBER: _ClassVar[int]
    delay_seconds: float
    factor: float
    max_delay_seconds: float
    attempts: int
    window_seconds: float
    def __init__(self, delay_seconds: _Optional[float] = ..., factor: _Optional[float] = ..., max_delay_seconds: _Optional[float] = ..., attempts: _Optional[int] = ..., window_seconds: _Optional[float] = ...) -> None: ...

class DependencyRecord(_message.Message):
    __slots__ = ("service", "condition", "on_change", "signal")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    ON_CHANGE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    service: str
    condition: str
    on_change: str
    signal: str
    def __init__(self, service: _Optional[str] = ..., condition: _Optional[str] = ..., on_change: _Optional[str] = ..., signal: _Optional[str] = ...) -> None: ...

class StackRecord(_message.Message):
    __slots__ = ("schema", "name", "groups", "index", "submitted_at", "message", "submitted_by", "removed")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_BY_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    schema: int
    name: str
    groups: _containers.RepeatedCompositeFieldContainer[GroupRecord]
    index: int
    submitted_at: float
    message: str
    submitted_by: str
    removed: bool
    def __init__(self, schema: _Optional[int] = ..., name: _Optional[str] = ..., groups: _Optional[_Iterable[_Union[GroupRecord, _Mapping]]] = ..., index: _Optional[int] = ..., submitted_at: _Optional[float] = ..., message: _Optional[str] = ..., submitted_by: _Optional[str] = ..., removed: _Optional[bool] = ...) -> None: ...

class RolloutsRecord(_message.Message):
    __slots__ = ("schema", "stack", "json")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    schema: int
    stack: str
    json: bytes
    def __init__(self, schema: _Optional[int] = ..., stack: _Optional[str] = ..., json: _Optional[bytes] = ...) -> None: ...

class HistoryRecord(_message.Message):
    __slots__ = ("schema", "stack", "groups", "revisions")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    schema: int
    stack: str
    groups: _containers.RepeatedCompositeFieldContainer[GroupRecord]
    revisions: _containers.RepeatedCompositeFieldContainer[RevisionRecord]
    def __init__(self, schema: _Optional[int] = ..., stack: _Optional[str] = ..., groups: _Optional[_Iterable[_Union[GroupRecord, _Mapping]]] = ..., revisions: _Optional[_Iterable[_Union[RevisionRecord, _Mapping]]] = ...) -> None: ...

class RevisionRecord(_message.Message):
    __slots__ = ("number", "at", "command", "text", "by", "message", "services", "has_definition", "groups")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    HAS_DEFINITION_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    number: int
    at: float
    command: str
    text: str
    by: str
    message: str
    services: _containers.RepeatedScalarFieldContainer[str]
    has_definition: bool
    groups: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, number: _Optional[int] = ..., at: _Optional[float] = ..., command: _Optional[str] = ..., text: _Optional[str] = ..., by: _Optional[str] = ..., message: _Optional[str] = ..., services: _Optional[_Iterable[str]] = ..., has_definition: _Optional[bool] = ..., groups: _Optional[_Iterable[int]] = ...) -> None: ...

class VersionRecord(_message.Message):
    __slots__ = ("schema", "stack", "version", "json", "compressed")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    COMPRESSED_FIELD_NUMBER: _ClassVar[int]
    schema: int
    stack: str
    version: str
    json: bytes
    compressed: bool
    def __init__(self, schema: _Optional[int] = ..., stack: _Optional[str] = ..., version: _Optional[str] = ..., json: _Optional[bytes] = ..., compressed: _Optional[bool] = ...) -> None: ...

class TaskRecord(_message.Message):
    __slots__ = ("id", "stack", "service", "labels", "slot", "attempt", "version", "generation", "goal", "state", "health", "agent_id", "hostname", "address", "executor_id", "host_ports", "launched_at", "state_since", "running_since", "ended_at", "reason", "message", "exit_code", "has_exit_code", "container_id", "sandbox", "addresses", "stop_cause", "predecessors", "adopts", "orphaned", "replaced_at", "beside", "ready_since", "readiness", "permanent", "failures", "backoff", "left", "sweeps", "makes_way", "signals", "on_probation")
    ID_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_PORTS_FIELD_NUMBER: _ClassVar[int]
    LAUNCHED_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_SINCE_FIELD_NUMBER: _ClassVar[int]
    RUNNING_SINCE_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    HAS_EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    STOP_CAUSE_FIELD_NUMBER: _ClassVar[int]
    PREDECESSORS_FIELD_NUMBER: _ClassVar[int]
    ADOPTS_FIELD_NUMBER: _ClassVar[int]
    ORPHANED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_AT_FIELD_NUMBER: _ClassVar[int]
    BESIDE_FIELD_NUMBER: _ClassVar[int]
    READY_SINCE_FIELD_NUMBER: _ClassVar[int]
    READINESS_FIELD_NUMBER: _ClassVar[int]
    PERMANENT_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    SWEEPS_FIELD_NUMBER: _ClassVar[int]
    MAKES_WAY_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    ON_PROBATION_FIELD_NUMBER: _ClassVar[int]
    id: str
    stack: str
    service: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    slot: int
    attempt: int
    version: str
    generation: int
    goal: str
    state: str
    health: str
    agent_id: str
    hostname: str
    address: str
    executor_id: str
    host_ports: _containers.RepeatedScalarFieldContainer[int]
    launched_at: float
    state_since: float
    running_since: float
    ended_at: float
    reason: str
    message: str
    exit_code: int
    has_exit_code: bool
    container_id: str
    sandbox: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    stop_cause: str
    predecessors: _containers.RepeatedScalarFieldContainer[str]
    adopts: bool
    orphaned: bool
    replaced_at: float
    beside: str
    ready_since: float
    readiness: str
    permanent: str
    failures: int
    backoff: BackoffRecord
    left: bool
    sweeps: bool
    makes_way: bool
    signals: int
    on_probation: bool
    def __init__(self, id: _Optional[str] = ..., stack: _Optional[str] = ..., service: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., slot: _Optional[int] = ..., attempt: _Optional[int] = ..., version: _Optional[str] = ..., generation: _Optional[int] = ..., goal: _Optional[str] = ..., state: _Optional[str] = ..., health: _Optional[str] = ..., agent_id: _Optional[str] = ..., hostname: _Optional[str] = ..., address: _Optional[str] = ..., executor_id: _Optional[str] = ..., host_ports: _Optional[_Iterable[int]] = ..., launched_at: _Optional[float] = ..., state_since: _Optional[float] = ..., running_since: _Optional[float] = ..., ended_at: _Optional[float] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., exit_code: _Optional[int] = ..., has_exit_code: _Optional[bool] = ..., container_id: _Optional[str] = ..., sandbox: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., stop_cause: _Optional[str] = ..., predecessors: _Optional[_Iterable[str]] = ..., adopts: _Optional[bool] = ..., orphaned: _Optional[bool] = ..., replaced_at: _Optional[float] = ..., beside: _Optional[str] = ..., ready_since: _Optional[float] = ..., readiness: _Optional[str] = ..., permanent: _Optional[str] = ..., failures: _Optional[int] = ..., backoff: _Optional[_Union[BackoffRecord, _Mapping]] = ..., left: _Optional[bool] = ..., sweeps: _Optional[bool] = ..., makes_way: _Optional[bool] = ..., signals: _Optional[int] = ..., on_probation: _Optional[bool] = ...) -> None: ...

class BackoffRecord(_message.Message):
    __slots__ = ("at", "until", "delay_seconds", "cause", "failures", "tries", "agents")
    AT_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    DELAY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    TRIES_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    at: float
    until: float
    delay_seconds: float
    cause: str
    failures: int
    tries: int
    agents: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, at: _Optional[float] = ..., until: _Optional[float] = ..., delay_seconds: _Optional[float] = ..., cause: _Optional[str] = ..., failures: _Optional[int] = ..., tries: _Optional[int] = ..., agents: _Optional[_Iterable[str]] = ...) -> None: ...

class TaskBucket(_message.Message):
    __slots__ = ("schema", "tasks")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    schema: int
    tasks: _containers.RepeatedCompositeFieldContainer[TaskRecord]
    def __init__(self, schema: _Optional[int] = ..., tasks: _Optional[_Iterable[_Union[TaskRecord, _Mapping]]] = ...) -> None: ...

class AgentRecord(_message.Message):
    __slots__ = ("id", "hostname", "region", "zone", "attributes", "failures")
    ID_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    id: str
    hostname: str
    region: str
    zone: str
    attributes: _containers.RepeatedCompositeFieldContainer[AttributeRecord]
    failures: _containers.RepeatedCompositeFieldContainer[FailuresRecord]
    def __init__(self, id: _Optional[str] = ..., hostname: _Optional[str] = ..., region: _Optional[str] = ..., zone: _Optional[str] = ..., attributes: _Optional[_Iterable[_Union[AttributeRecord, _Mapping]]] = ..., failures: _Optional[_Iterable[_Union[FailuresRecord, _Mapping]]] = ...) -> None: ...

class AttributeRecord(_message.Message):
    __slots__ = ("name", "text")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    text: str
    def __init__(self, name: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class FailuresRecord(_message.Message):
    __slots__ = ("stack", "service", "labels", "count", "at")
    STACK_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    stack: str
    service: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    count: float
    at: float
    def __init__(self, stack: _Optional[str] = ..., service: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., count: _Optional[float] = ..., at: _Optional[float] = ...) -> None: ...

class AgentBucket(_message.Message):
    __slots__ = ("schema", "agents")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    schema: int
    agents: _containers.RepeatedCompositeFieldContainer[AgentRecord]
    def __init__(self, schema: _Optional[int] = ..., agents: _Optional[_Iterable[_Union[AgentRecord, _Mapping]]] = ...) -> None: ...

class AnswerRecord(_message.Message):
    __slots__ = ("key", "digest", "number", "at", "changed", "index", "message")
    KEY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    key: str
    digest: str
    number: int
    at: float
    changed: _containers.RepeatedScalarFieldContainer[str]
    index: int
    message: str
    def __init__(self, key: _Optional[str] = ..., digest: _Optional[str] = ..., number: _Optional[int] = ..., at: _Optional[float] = ..., changed: _Optional[_Iterable[str]] = ..., index: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class AnswerBucket(_message.Message):
    __slots__ = ("schema", "answers")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    schema: int
    answers: _containers.RepeatedCompositeFieldContainer[AnswerRecord]
    def __init__(self, schema: _Optional[int] = ..., answers: _Optional[_Iterable[_Union[AnswerRecord, _Mapping]]] = ...) -> None: ...

class LaunchOrder(_message.Message):
    __slots__ = ("schema", "task_id", "stack", "service", "labels", "slot", "attempt", "version", "container_json", "cpus_milli", "mem_mib", "host_ports", "address", "hostname", "framework_id", "agent_id", "disk_mib", "gpus", "custom", "predecessors", "adopts", "prepared", "environment", "dns", "dns_search", "signals", "sweeps")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STACK_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_JSON_FIELD_NUMBER: _ClassVar[int]
    CPUS_MILLI_FIELD_NUMBER: _ClassVar[int]
    MEM_MIB_FIELD_NUMBER: _ClassVar[int]
    HOST_PORTS_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    DISK_MIB_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FIELD_NUMBER: _ClassVar[int]
    PREDECESSORS_FIELD_NUMBER: _ClassVar[int]
    ADOPTS_FIELD_NUMBER: _ClassVar[int]
    PREPARED_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    DNS_FIELD_NUMBER: _ClassVar[int]
    DNS_SEARCH_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    SWEEPS_FIELD_NUMBER: _ClassVar[int]
    schema: int
    task_id: str
    stack: str
    service: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    slot: int
    attempt: int
    version: str
    container_json: bytes
    cpus_milli: int
    mem_mib: int
    host_ports: _containers.RepeatedScalarFieldContainer[int]
    address: str
    hostname: str
    framework_id: str
    agent_id: str
    disk_mib: int
    gpus: int
    custom: _containers.RepeatedCompositeFieldContainer[CustomResource]
    predecessors: _containers.RepeatedScalarFieldContainer[str]
    adopts: bool
    prepared: bool
    environment: _containers.RepeatedCompositeFieldContainer[Variable]
    dns: _containers.RepeatedScalarFieldContainer[str]
    dns_search: _containers.RepeatedScalarFieldContainer[str]
    signals: int
    sweeps: bool
    def __init__(self, schema: _Optional[int] = ..., task_id: _Optional[str] = ..., stack: _Optional[str] = ..., service: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., slot: _Optional[int] = ..., attempt: _Optional[int] = ..., version: _Optional[str] = ..., container_json: _Optional[bytes] = ..., cpus_milli: _Optional[int] = ..., mem_mib: _Optional[int] = ..., host_ports: _Optional[_Iterable[int]] = ..., address: _Optional[str] = ..., hostname: _Optional[str] = ..., framework_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., disk_mib: _Optional[int] = ..., gpus: _Optional[int] = ..., custom: _Optional[_Iterable[_Union[CustomResource, _Mapping]]] = ..., predecessors: _Optional[_Iterable[str]] = ..., adopts: _Optional[bool] = ..., prepared: _Optional[bool] = ..., environment: _Optional[_Iterable[_Union[Variable, _Mapping]]] = ..., dns: _Optional[_Iterable[str]] = ..., dns_search: _Optional[_Iterable[str]] = ..., signals: _Optional[int] = ..., sweeps: _Optional[bool] = ...) -> None: ...

class Variable(_message.Message):
    __slots__ = ("name", "text")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    text: str
    def __init__(self, name: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class CustomResource(_message.Message):
    __slots__ = ("name", "amount_milli", "items")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MILLI_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    name: str
    amount_milli: int
    items: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., amount_milli: _Optional[int] = ..., items: _Optional[_Iterable[str]] = ...) -> None: ...

class StatusDetail(_message.Message):
    __slots__ = ("container_id", "sandbox", "has_exit_code", "exit_code", "out_of_memory", "running_since", "has_ready", "ready", "permanent", "version", "signals", "on_probation")
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    HAS_EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_MEMORY_FIELD_NUMBER: _ClassVar[int]
    RUNNING_SINCE_FIELD_NUMBER: _ClassVar[int]
    HAS_READY_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    PERMANENT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    ON_PROBATION_FIELD_NUMBER: _ClassVar[int]
    container_id: str
    sandbox: str
    has_exit_code: bool
    exit_code: int
    out_of_memory: bool
    running_since: float
    has_ready: bool
    ready: bool
    permanent: str
    version: str
    signals: int
    on_probation: bool
    def __init__(self, container_id: _Optional[str] = ..., sandbox: _Optional[str] = ..., has_exit_code: _Optional[bool] = ..., exit_code: _Optional[int] = ..., out_of_memory: _Optional[bool] = ..., running_since: _Optional[float] = ..., has_ready: _Optional[bool] = ..., ready: _Optional[bool] = ..., permanent: _Optional[str] = ..., version: _Optional[str] = ..., signals: _Optional[int] = ..., on_probation: _Optional[bool] = ...) -> None: ...

class SchedulerMessage(_message.Message):
    __slots__ = ("retire", "attach", "apply", "unwanted")
    RETIRE_FIELD_NUMBER: _ClassVar[int]
    ATTACH_FIELD_NUMBER: _ClassVar[int]
    APPLY_FIELD_NUMBER: _ClassVar[int]
    UNWANTED_FIELD_NUMBER: _ClassVar[int]
    retire: Retire
    attach: Attach
    apply: Apply
    unwanted: Unwanted
    def __init__(self, retire: _Optional[_Union[Retire, _Mapping]] = ..., attach: _Optional[_Union[Attach, _Mapping]] = ..., apply: _Optional[_Union[Apply, _Mapping]] = ..., unwanted: _Optional[_Union[Unwanted, _Mapping]] = ...) -> None: ...

class Unwanted(_message.Message):
    __slots__ = ("task_ids",)
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, task_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Retire(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Attach(_message.Message):
    __slots__ = ("task_id", "url", "key")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    url: str
    key: str
    def __init__(self, task_id: _Optional[str] = ..., url: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class Apply(_message.Message):
    __slots__ = ("task_ids", "version", "in_place_json", "signals", "signal")
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    IN_PLACE_JSON_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    version: str
    in_place_json: bytes
    signals: int
    signal: str
    def __init__(self, task_ids: _Optional[_Iterable[str]] = ..., version: _Optional[str] = ..., in_place_json: _Optional[bytes] = ..., signals: _Optional[int] = ..., signal: _Optional[str] = ...) -> None: ...

class ExecutorMessage(_message.Message):
    __slots__ = ("progress", "orphan_containers")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ORPHAN_CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    orphan_containers: OrphanContainers
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ..., orphan_containers: _Optional[_Union[OrphanContainers, _Mapping]] = ...) -> None: ...

class OrphanContainers(_message.Message):
    __slots__ = ("task_ids",)
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, task_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("task_id", "stage", "done_bytes", "total_bytes")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    stage: str
    done_bytes: int
    total_bytes: int
    def __init__(self, task_id: _Optional[str] = ..., stage: _Optional[str] = ..., done_bytes: _Optional[int] = ..., total_bytes: _Optional[int] = ...) -> None: ...
