"""All tasks that can be reached, ready or not, as the scheduler tells of them."""

from __future__ import annotations

from discovery.dns.names import Groups
from discovery.endpoints import Endpoint, EndpointPort
from framework.cli.server import Answer
from specs.ids import GroupId, TaskId, VersionId, group_id


def all_tasks(answer: Answer) -> Groups:
    """The answer of /v1/tasks by group. Raises KeyError for what is none."""
    groups: dict[GroupId, tuple[Endpoint, ...]] = {}
    for line in answer["tasks"]:
        if line["state"] == "RUNNING" and line["goal"] == "RUN":
            endpoint = _endpoint(line)
            groups[endpoint.group] = (*groups.get(endpoint.group, ()), endpoint)
    return groups


def _endpoint(line: Answer) -> Endpoint:
    return Endpoint(
        group=group_id(line["stack"], line["service"], line["labels"]),
        slot=line["slot"],
        task_id=TaskId(line["id"]),
        version=VersionId(line["version"]),
        hostname=line["agent"],
        address=line["address"],
        ports=tuple(
            EndpointPort(
                name=port["name"],
                number=port["host_port"],
                container_port=port["container_port"] or port["host_port"],
                protocol=port["protocol"] or "tcp",
            )
            for port in line["ports"]
        ),
        addresses=tuple(line["addresses"]),
        since=line["since"],
    )
