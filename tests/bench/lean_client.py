"""The leanest scheduler that real Mesos allows: the yardstick for ours.

Raw sockets; events read in large pieces; acknowledgements pipelined from a thread of their own; ACCEPT on a connection
of its own, with many tasks each; nothing is built per task but bytes put into a template.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from typing import Any, NoReturn

import orjson

READ_BYTES = 262144
TASK_ID, AGENT_ID = b"@TASK@", b"@AGENT@"


class Connection:
    """A kept connection on which calls are written without waiting; the answers are only counted as they come."""

    def __init__(self, address: str, stream_id: str) -> None:
        host, _, port = address.partition(":")
        self._head = (
            f"POST /api/v1/scheduler HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json\r\nMesos-Stream-Id: {stream_id}\r\nContent-Length: "
        ).encode()
        self._sock = socket.create_connection((host, int(port)))
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._drain, daemon=True).start()

    def request(self, body: bytes) -> bytes:
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)

    def send(self, bodies: list[bytes]) -> None:
        self._sock.sendall(b"".join(map(self.request, bodies)))

    def _drain(self) -> None:
        while data := self._sock.recv(READ_BYTES):
            if b"HTTP/1.1 4" in data or b"HTTP/1.1 5" in data:
                raise RuntimeError(f"the master refused a call: {data[:500]!r}")


class LeanClient:
    """`template` is a TaskInfo as JSON with TASK_ID and AGENT_ID where those belong."""

    def __init__(self, address: str, framework_info: dict[str, Any], template: bytes) -> None:
        self.framework_id = ""
        self._address = address
        self._template = template
        self._offers: dict[str, str] = {}
        self._agents: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._changed = threading.Condition()
        self._acks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        host, _, port = address.partition(":")
        body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": framework_info}})
        self._stream = socket.create_connection((host, int(port)))
        self._stream.sendall(
            f"POST /api/v1/scheduler HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        threading.Thread(target=self._read, daemon=True).start()
        self._until(lambda: bool(self.framework_id), 20)

    def launch(self, prefix: str, count: int, agents: int) -> float:
        """Spreads `count` tasks over offers of that many agents; returns the seconds until all run."""
        self._until(lambda: len(self._offers) >= agents, 30)
        with self._changed:
            offers, self._offers = self._offers, {}
        self._counts.clear()
        begin = time.perf_counter()
        bodies, number = [], 0
        for position, (agent, offer) in enumerate(offers.items()):
            share = count // len(offers) + (position < count % len(offers))
            ids = [f"{prefix}-{number + index}" for index in range(share)]
            number += share
            self._agents |= dict.fromkeys(ids, agent)
            bodies.append(self._accept(offer, agent, ids))
        self._accepts.send(bodies)
        self._until(lambda: self._counts.get("TASK_RUNNING", 0) >= count, 120)
        return time.perf_counter() - begin

    def kill(self) -> float:
        """Kills all tasks; returns the seconds until all are killed."""
        begin, count = time.perf_counter(), len(self._agents)
        self._counts.clear()
        head = b'{"type":"KILL","framework_id":{"value":"%b"},"kill":' % self.framework_id.encode()
        self._rest.send(
            [
                b'%b{"task_id":{"value":"%b"},"agent_id":{"value":"%b"}}}' % (head, task.encode(), agent.encode())
                for task, agent in self._agents.items()
            ]
        )
        self._until(lambda: self._counts.get("TASK_KILLED", 0) >= count, 120)
        self._agents.clear()
        return time.perf_counter() - begin

    def close(self) -> None:
        self._stream.close()

    def _accept(self, offer: str, agent: str, ids: list[str]) -> bytes:
        mine = self._template.replace(AGENT_ID, agent.encode())
        infos = b",".join(mine.replace(TASK_ID, id.encode()) for id in ids)
        return (
            b'{"type":"ACCEPT","framework_id":{"value":"%b"},"accept":{"offer_ids":[{"value":"%b"}],'
            b'"operations":[{"type":"LAUNCH","launch":{"task_infos":[%b]}}],"filters":{"refuse_seconds":0}}}'
            % (self.framework_id.encode(), offer.encode(), infos)
        )

    def _until(self, condition: Any, seconds: float) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                raise TimeoutError(f"not within {seconds} s: {len(self._offers)} offers, statuses {self._counts}")

    def _read(self) -> None:
        file = self._stream.makefile("rb", READ_BYTES)
        stream_id = ""
        while line := file.readline().strip():
            if line.lower().startswith(b"mesos-stream-id:"):
                stream_id = line.partition(b":")[2].strip().decode()
        self._accepts, self._rest = Connection(self._address, stream_id), Connection(self._address, stream_id)
        threading.Thread(target=self._acknowledge, daemon=True).start()
        content = b""
        while int(line := file.readline() or b"0", 16):
            content += file.read(int(line, 16))
            file.readline()
            size, _, rest = content.partition(b"\n")
            if len(rest) >= int(size):
                self._take(orjson.loads(rest[: int(size)]))
                content = rest[int(size) :]

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "UPDATE":
            status = event["update"]["status"]
            if uuid := status.get("uuid"):
                agent, task = status["agent_id"]["value"].encode(), status["task_id"]["value"].encode()
                self._acks.put(
                    b'{"type":"ACKNOWLEDGE","framework_id":{"value":"%b"},"acknowledge":'
                    b'{"agent_id":{"value":"%b"},"task_id":{"value":"%b"},"uuid":"%b"}}'
                    % (self.framework_id.encode(), agent, task, uuid.encode())
                )
            with self._changed:
                self._counts[status["state"]] = self._counts.get(status["state"], 0) + 1
                self._changed.notify()
        elif kind == "OFFERS":
            with self._changed:
                for offer in event["offers"]["offers"]:
                    self._offers[offer["agent_id"]["value"]] = offer["id"]["value"]
                self._changed.notify()
        elif kind == "SUBSCRIBED":
            with self._changed:
                self.framework_id = event["subscribed"]["framework_id"]["value"]
                self._changed.notify()
        elif kind == "ERROR":
            raise RuntimeError(event["error"]["message"])

    def _acknowledge(self) -> NoReturn:
        while True:
            bodies = [self._acks.get()]
            while not self._acks.empty():
                bodies.append(self._acks.get())
            self._rest.send(bodies)
