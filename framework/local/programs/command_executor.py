#!/usr/bin/env python3
"""Runs the command of one task: Mesos' command executor, over the v1 HTTP API.

Does what a plain task needs (its environment, shell or not, kill with a grace period, recovery with the agent),
and no health checks, images or limits: our own tasks run under our own executor.
"""

import base64
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

GRACE_SECONDS = 3.0
CALL_SECONDS = 10.0
RETRY_SECONDS = 0.5
LINGER_SECONDS = 1.0  # For the last status to be acknowledged before the agent takes the end for a failure.
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "secs": 1.0, "mins": 60.0, "hrs": 3600.0}
ACCEPTED = (200, 202)
LIVE_STATES = (None, "TASK_STARTING", "TASK_RUNNING")

Json = dict[str, Any]


def seconds(text: str) -> float:
    """The seconds in a duration as Mesos writes it, such as 15mins."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return float(digits) * UNITS[text[len(digits) :]]


class CommandExecutor:
    """One task, from LAUNCH to the acknowledgement of its last status."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.agent = environment["MESOS_AGENT_ENDPOINT"]
        self.ids: Json = {
            "framework_id": {"value": environment["MESOS_FRAMEWORK_ID"]},
            "executor_id": {"value": environment["MESOS_EXECUTOR_ID"]},
        }
        self.recovers = environment.get("MESOS_CHECKPOINT") == "1"
        self.recovery_seconds = seconds(environment.get("MESOS_RECOVERY_TIMEOUT", "15mins"))
        self.task: Json = {}
        self.is_acknowledged = False
        self.is_killed = False
        self.unacknowledged: dict[str, Json] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = threading.RLock()

    def run(self) -> None:
        """Subscribes and handles events, again and again if the agent restarts."""
        gone_at: float | None = None
        while True:
            try:
                response = self.subscribe()
                gone_at = None
                while True:
                    self.handle(json.loads(response.read(int(response.readline()))))
            except (OSError, ValueError, http.client.HTTPException) as error:
                log(f"{self.agent}: {error!r}")
                gone_at = gone_at or time.monotonic()
                if not self.recovers or time.monotonic() > gone_at + self.recovery_seconds:
                    self.shut_down()
                time.sleep(RETRY_SECONDS)

    def subscribe(self) -> http.client.HTTPResponse:
        with self.lock:
            subscribe = {
                "unacknowledged_tasks": [self.task] if self.task and not self.is_acknowledged else [],
                "unacknowledged_updates": [{"status": status} for status in self.unacknowledged.values()],
            }
            return self.call({"type": "SUBSCRIBE", "subscribe": subscribe}, None)

    def call(self, body: Json, timeout: float | None = CALL_SECONDS) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.agent, timeout=timeout)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        connection.request("POST", "/api/v1/executor", json.dumps({**self.ids, **body}), headers)
        response = connection.getresponse()
        if response.status not in ACCEPTED:
            raise OSError(f"{response.status} {response.read()[:200]!r}")
        return response

    def handle(self, event: Json) -> None:
        kind = event["type"]
        if kind == "LAUNCH":
            self.launch(event["launch"]["task"])
        elif kind == "ACKNOWLEDGED":
            self.acknowledge(event["acknowledged"]["uuid"])
        elif kind == "KILL":
            self.kill(event["kill"])
        elif kind == "SHUTDOWN":
            self.shut_down()
        elif kind == "ERROR":
            log(str(event))

    def launch(self, task: Json) -> None:
        self.task = task
        self.update("TASK_STARTING")
        command = task["command"]
        is_shell = command.get("shell", True)
        try:
            self.process = subprocess.Popen(
                command["value"] if is_shell else command.get("arguments") or [command["value"]],
                shell=is_shell,
                executable=None if is_shell else command["value"],
                env=self.task_environment(command),
                start_new_session=True,
            )
        except OSError as error:
            self.update("TASK_FAILED", message=f"Failed to launch: {error}")
            return
        self.update("TASK_RUNNING")
        threading.Thread(target=self.await_end, args=(self.process,), daemon=True).start()

    def task_environment(self, command: Json) -> dict[str, str]:
        kept = ("MESOS_SANDBOX", "MESOS_DIRECTORY")
        found = {k: v for k, v in self.environment.items() if not k.startswith("MESOS_") or k in kept}
        variables = command.get("environment", {}).get("variables", [])
        return found | {variable["name"]: variable["value"] for variable in variables}

    def await_end(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if code < 0:
            message = f"Command terminated with signal {signal.strsignal(-code)}"
        else:
            message = f"Command exited with status {code}"
        self.update("TASK_KILLED" if self.is_killed else "TASK_FAILED" if code else "TASK_FINISHED", message=message)

    def update(self, state: str, **more: str) -> None:
        with self.lock:
            identifier = base64.b64encode(uuid.uuid4().bytes).decode()
            self.unacknowledged[identifier] = {
                "task_id": self.task["task_id"],
                "state": state,
                "source": "SOURCE_EXECUTOR",
                "executor_id": self.ids["executor_id"],
                "timestamp": time.time(),
                "uuid": identifier,
                **more,
            }
            try:
                self.call({"type": "UPDATE", "update": {"status": self.unacknowledged[identifier]}}).read()
            except (OSError, http.client.HTTPException) as error:  # The next subscription sends it again.
                log(f"{state}: {error!r}")

    def acknowledge(self, identifier: str) -> None:
        with self.lock:
            self.is_acknowledged = True
            status = self.unacknowledged.pop(identifier, {})
        if status.get("state") not in LIVE_STATES:
            sys.exit(0)

    def kill(self, kill: Json) -> None:
        self.is_killed = True
        policy = kill.get("kill_policy") or self.task.get("kill_policy") or {}
        grace = policy.get("grace_period", {}).get("nanoseconds", GRACE_SECONDS * 1e9) / 1e9
        threading.Thread(target=self.terminate, args=(grace,), daemon=True).start()

    def terminate(self, grace_seconds: float) -> None:
        """TERM to the task's process group, and KILL after the grace period."""
        if self.process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(self.process.pid, number)
                self.process.wait(grace_seconds)

    def shut_down(self) -> None:
        self.is_killed = True
        self.terminate(GRACE_SECONDS)
        time.sleep(LINGER_SECONDS)
        sys.exit(0)


def log(message: str) -> None:
    """Says a line in the sandbox's stderr."""
    sys.stderr.write(f"mesos-executor: {message}\n")


if __name__ == "__main__":
    CommandExecutor(os.environ).run()
