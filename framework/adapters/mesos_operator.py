"""Requests of an operator to the Mesos master, over its operator API, with our principal."""

from __future__ import annotations

import base64
import http.client
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from framework.adapters.mesos_config import MesosConfig
from framework.ports import MasterFault
from specs.ids import AgentId, FrameworkId

ANSWER_SECONDS = 10.0
MOST_BYTES = 256 * 1024 * 1024
_HOW_LONG = 300
_TASKS = ("tasks", "pending_tasks", "unreachable_tasks")
_STRANGE = (ValueError, KeyError, TypeError, AttributeError)


class MasterOperator:
    """framework.ports.Operator over HTTP."""

    def __init__(self, config: MesosConfig) -> None:
        self._principal = config.principal
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if config.principal and config.secret:
            pair = base64.b64encode(f"{config.principal}:{config.secret}".encode()).decode("ascii")
            self._headers["Authorization"] = f"Basic {pair}"

    def others_on(self, master: str, agent: AgentId, framework: FrameworkId | None) -> Mapping[str, int]:
        """The names are those that frameworks gave themselves, with their ids."""
        try:
            names = _names(orjson.loads(self._call(master, {"type": "GET_FRAMEWORKS"})))
            told = orjson.loads(self._call(master, {"type": "GET_TASKS"}))["get_tasks"]
            there = [task for kind in _TASKS for task in told.get(kind, ()) if task["agent_id"]["value"] == agent]
            ids = Counter(task["framework_id"]["value"] for task in there)
        except _STRANGE as error:
            raise MasterFault("unavailable", f"the answer of {master} cannot be read ({error!r:.100})") from None
        return {names.get(id, id): count for id, count in sorted(ids.items()) if id != framework}

    def mark_gone(self, master: str, agent: AgentId) -> None:
        """Repeating it does no harm: an agent that is marked already stays so."""
        self._call(master, {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent}}})

    def _call(self, master: str, call: Mapping[str, Any]) -> bytes:
        """The content of the answer; raises MasterFault where it is none of success."""
        host, _, port = master.rpartition(":")
        if not port.isdecimal():
            raise MasterFault("unavailable", "no Mesos master leads, as far as this scheduler knows; try again later")
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", "/api/v1", body=orjson.dumps(call), headers=self._headers)
            answer = connection.getresponse()
            content = answer.read(MOST_BYTES + 1)
        except TimeoutError:
            text = f"the Mesos master at {master} did not answer within {ANSWER_SECONDS:g} s"
            raise MasterFault("unavailable", f"{text}; what was asked may still happen", is_unknown=True) from None
        except (OSError, http.client.HTTPException) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or repr(error)
            raise MasterFault("unavailable", f"the Mesos master at {master} cannot be asked: {why.lower()}") from None
        finally:
            connection.close()
        if answer.status != http.client.OK:
            said = " ".join(content.decode("utf-8", "replace").split())[:_HOW_LONG]
            raise self._refused(master, str(call["type"]), answer.status, said)
        if len(content) > MOST_BYTES:
            raise MasterFault("unavailable", f"the answer of {master} has more than {MOST_BYTES:,} bytes")
        return content

    def _refused(self, master: str, call: str, status: int, said: str) -> MasterFault:
        says = f" ({said})" if said else ""
        if status == http.client.NOT_FOUND:
            return MasterFault("not_found", f"the Mesos master at {master} knows of no such agent{says}")
        if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
            who = f"the principal {self._principal}" if self._principal else "a scheduler without a principal"
            message = (
                f"the Mesos master at {master} does not let {who} do {call}: {status}{says}; allow it in the master's"
                " ACLs (mark_agents_gone), or say so to the master yourself"
            )
            return MasterFault("conflict", message)
        if status in (http.client.TEMPORARY_REDIRECT, http.client.SERVICE_UNAVAILABLE):
            return MasterFault("unavailable", f"the Mesos master at {master} does not lead any more{says}; try again")
        return MasterFault("conflict", f"the Mesos master at {master} refused {call}: {status}{says}")


def _names(told: Any) -> dict[str, str]:
    """Names of frameworks by their ids, of those that have ended too."""
    known = told["get_frameworks"]
    found: dict[str, str] = {}
    for kind in ("frameworks", "completed_frameworks"):
        for each in known.get(kind, ()):
            info = each["framework_info"]
            found[info["id"]["value"]] = f"{info.get('name', '')} ({info['id']['value']})"
    return found
