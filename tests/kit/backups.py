"""The nodes of a store, as a backup holds them; without ZooKeeper."""

from __future__ import annotations

from collections.abc import Mapping

from framework.adapters import marks, nodes, records, spec_records
from framework.adapters.backup_file import Backup, manifest_of
from framework.adapters.checking import check
from framework.adapters.marks import Epoch
from framework.core.commands import PutFramework
from framework.core.model import StackSpec, Task
from specs.ids import FrameworkId
from tests.kit.stored import VERSION, stored_agent, stored_stack, stored_task, stored_version

AGENT = stored_agent(1, id=stored_task(1).agent_id)


def tree(
    *tasks: Task,
    stacks: tuple[StackSpec, ...] = (stored_stack(),),
    framework_id: str = "f-1",
    next_serial: int = 100,
    more: Mapping[str, bytes | None] | None = None,
) -> dict[str, bytes]:
    """A store's nodes; `more` are put in, or taken out where they are None."""
    buckets: dict[int, list[bytes]] = {}
    for task in tasks:
        buckets.setdefault(nodes.bucket_of(task.id), []).append(records.task_bytes(task))
    version = stored_version(id=VERSION)
    found: dict[str, bytes | None] = {
        "/schema": marks.schema_node(),
        "/epoch": marks.epoch_node(Epoch(number=3, transaction=8, holder="a:1")),
        "/framework": records.framework_node(
            PutFramework(framework_id=FrameworkId(framework_id), next_serial=next_serial)
        ),
        **dict.fromkeys(nodes.DIRECTORIES, b""),
        **{f"/stacks/{stack.name}": spec_records.stack_node(stack) for stack in stacks},
        "/versions/shop": b"",
        f"/versions/shop/{VERSION}": records.version_node(version),
        **{f"/tasks/{bucket}": records.bucket_node(content) for bucket, content in buckets.items()},
        f"/agents/{nodes.bucket_of_agent(AGENT.id)}": records.bucket_node([records.agent_bytes(AGENT)]),
        **(more or {}),
    }
    return {path: data for path, data in found.items() if data is not None}


def backup(found: Mapping[str, bytes] | None = None) -> Backup:
    kept = tree(stored_task(1), stored_task(70)) if found is None else found
    return Backup(manifest=manifest_of("/framework", 1.7e9, check(kept)), nodes=kept)
