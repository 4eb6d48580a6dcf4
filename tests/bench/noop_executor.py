"""An executor that starts nothing: says RUNNING to each LAUNCH and KILLED to each KILL. Python's own library only.

Statuses are sent on one kept connection without waiting for the answers. It is for tests and benchmarks of what
stands before an executor.
"""

import base64
import json
import os
import socket
import sys
import threading
import time
import uuid
from typing import Any, NoReturn

FRAMEWORK = {"framework_id": {"value": os.environ["MESOS_FRAMEWORK_ID"]}}
EXECUTOR = {"executor_id": {"value": os.environ["MESOS_EXECUTOR_ID"]}}
HOST, PORT = os.environ["MESOS_AGENT_ENDPOINT"].rsplit(":", 1)


def request(body: dict[str, Any]) -> bytes:
    data = json.dumps({**FRAMEWORK, **EXECUTOR, **body}).encode()
    head = f"POST /api/v1/executor HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    return f"{head}Accept: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def status(task_id: dict[str, str], state: str) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "state": state,
        "source": "SOURCE_EXECUTOR",
        "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
        "timestamp": time.time(),
        "message": os.environ.get("NOOP_MESSAGE", ""),
    }


def drain(sock: socket.socket) -> NoReturn:
    while sock.recv(65536):
        pass
    os._exit(1)


def serve() -> None:
    """Reads events until SHUTDOWN; an event's chunk holds its length, a line feed, and the JSON."""
    updates = socket.create_connection((HOST, int(PORT)))
    threading.Thread(target=drain, args=(updates,), daemon=True).start()
    stream = socket.create_connection((HOST, int(PORT)))
    stream.sendall(
        request({"type": "SUBSCRIBE", "subscribe": {"unacknowledged_tasks": [], "unacknowledged_updates": []}})
    )
    file = stream.makefile("rb", 262144)
    while file.readline().strip():
        pass
    content = b""
    while line := file.readline():
        content += file.read(int(line, 16))
        file.readline()
        out = []
        while b"\n" in content:
            size, _, rest = content.partition(b"\n")
            if len(rest) < int(size):
                break
            event, content = json.loads(rest[: int(size)]), rest[int(size) :]
            if event["type"] == "LAUNCH":
                out.append(status(event["launch"]["task"]["task_id"], "TASK_RUNNING"))
            elif event["type"] == "KILL":
                out.append(status(event["kill"]["task_id"], "TASK_KILLED"))
            elif event["type"] == "SHUTDOWN":
                return
        updates.sendall(b"".join(request({"type": "UPDATE", "update": {"status": each}}) for each in out))


if __name__ == "__main__":
    serve()
    sys.exit(0)
