"""The output of commands, to the letter. With GOLDEN=write in the environment it is written anew: read it then."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from framework.core.views import AgentView, GroupState, Waiting
from framework.core.volatile import Connection, Progress
from placement.agent import AgentState
from specs.ids import group_id
from specs.model.constraints import Constraint, Neighbour, Preference, Rules, Selector, Spread
from specs.model.operators import Operator
from specs.model.resources import Resources
from specs.model.stack import Container, Dependency, Restart
from specs.states import Goal, Health, TaskState
from tests.kit.front import AGENT, NOW, FakeFront, a_group, a_stack, a_task, a_view, an_agent
from tests.unit.cli.conftest import Run, Serve

GOLDEN = Path(__file__).parents[2] / "golden" / "cli"
PROD = group_id("shop", "web", ["prod", "frontend"])
DEV = group_id("shop", "web", ["dev", "frontend"])
AUTH = group_id("shop", "auth")
BIG = group_id("shop", "analytics")
JOB = group_id("batch", "import")
RULES = Rules(
    constraints=(
        Constraint(operator=Operator.LIKE, field="zone", values=("us-.*",)),
        Constraint(operator=Operator.MAX_PER, field="rack", values=("1",)),
    ),
    spread=(Spread(over="rack", weight=10),),
    apart=(Neighbour(to=Selector(service="web", labels=("prod",))),),
    prefer=(Preference(rule=Constraint(operator=Operator.EQUAL, field="disk", values=("ssd",))),),
)
UNPLACED = "0/4 agents fit: 2 cpus (wanted 3, best 1.4), 1 apart (wanted no shop/web[prod]), 1 zone (wanted LIKE us-.*)"
BANDWIDTH = replace(AGENT, scalars=(("bandwidth", 100_000),))
PROCESS = Container(command=("python3", "import.py"))


def _scene() -> FakeFront:
    pulling = a_task(AUTH, 0, 31, state=TaskState.STARTING, health=Health.UNKNOWN, agent=3)
    shop = [
        a_group(
            PROD,
            instances=3,
            tasks=[a_task(PROD, slot, 10 + slot, agent=slot + 1, state_since=NOW - 10**slot) for slot in range(3)],
        ),
        a_group(
            DEV,
            state=GroupState.WAITING,
            tasks=[
                a_task(DEV, 0, 14, health=Health.UNHEALTHY, agent=2, message="GET /healthz: HTTP 500\n2 of 3 failures")
            ],
        ),
        a_group(
            AUTH,
            instances=2,
            state=GroupState.WAITING,
            tasks=[pulling],
            waiting=[Waiting(slot=1, cause="its last task failed; it is started again after a pause", until=NOW + 42)],
            ended=[
                a_task(
                    AUTH, 1, 21, state=TaskState.FAILED, message="the container exited", exit_code=1, ended_at=NOW - 8
                )
            ],
            dependencies=(Dependency(service="web"),),
        ),
        a_group(
            BIG,
            instances=40,
            state=GroupState.WAITING,
            resources=Resources(cpus_milli=3000, mem_mib=512, scalars=(("bandwidth", 50_000),)),
            rules=RULES,
            waiting=[Waiting(slot=slot, cause=UNPLACED, is_unplaced=True) for slot in range(40)],
        ),
    ]
    ended = a_task(
        JOB,
        0,
        3,
        state=TaskState.FINISHED,
        health=Health.NONE,
        container=PROCESS,
        exit_code=0,
        ended_at=NOW - 500,
        state_since=NOW - 500,
    )
    stopping = a_task(
        JOB,
        1,
        4,
        state=TaskState.KILLING,
        health=Health.NONE,
        container=PROCESS,
        goal=Goal.STOP,
        stop_cause="the group is scaled down",
    )
    batch = a_group(
        JOB, state=GroupState.FINISHED, restart=Restart.NEVER, container=PROCESS, tasks=[stopping], ended=[ended]
    )
    front = FakeFront(
        a_view(
            [a_stack("shop", shop, index=7), a_stack("batch", [batch], submitted_by="", message="")],
            agents=_agents(),
            progress={pulling.id: Progress(stage="pulling", done_bytes=12_500_000, total_bytes=41_000_000)},
        )
    )
    front.happen("Subscribed", "to the master at 10.0.0.1:5050")
    front.happen("StackSubmitted", "index 7, by anna@desk", stack="shop")
    front.happen("TaskRunning", "on agent1", group=str(PROD), task="shop.web.frontend-prod.0.10")
    return front


def _agents() -> list[AgentView]:
    free = (3600, 1500, 700, 3900)
    return [
        an_agent(
            number,
            total=BANDWIDTH,
            free=replace(BANDWIDTH, cpus_milli=cpus_milli),
            attributes=(
                ("disk", "ssd" if number == 2 else "hdd"),
                ("rack", f"r{1 + number % 2}"),
                ("zone", "eu-1" if number == 4 else "us-1"),
            ),
            state=AgentState.DRAINING if number == 3 else AgentState.ACTIVE,
            unavailable="is draining" if number == 3 else "",
        )
        for number, cpus_milli in enumerate(free, 1)
    ]


@pytest.fixture
def front() -> FakeFront:
    return _scene()


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("ls", "ls"),
        ("ps", "ps"),
        ("endpoints", "endpoints"),
        ("ps-all", "ps -a"),
        ("ps-labels", "ps shop -l dev"),
        ("ps-nothing", "ps shop/wbe"),
        ("info-group", "info shop/auth"),
        ("info-stack", "info shop/web"),
        ("info-task", "info 14"),
        ("info-ended", "info batch.import.0.3"),
        ("info-nothing", "info nope"),
        ("info-rules", "info shop/analytics"),
        ("explain-waiting", "explain shop/analytics"),
        ("explain-some", "explain shop/analytics/7 --limit 1"),
        ("explain-glob", "explain shop/analytics --agent nobody*"),
        ("explain-placed", "explain 11"),
        ("explain-back-off", "explain shop/auth/1"),
        ("explain-more", "explain shop/web[prod]"),
        ("explain-several", "explain shop/web"),
        ("explain-no-slot", "explain shop/auth/5"),
        ("agents", "agents"),
        ("events", "events"),
        ("events-pattern", "events shop/web"),
    ],
)
def test_golden(serve: Serve, run: Run, name: str, command: str) -> None:
    serve()
    result = run(*command.split())
    text = f"$ framework {command}\n{result.stdout}"
    text += f"-- standard error\n{result.stderr}" if result.stderr else ""
    text += f"-- exit code {result.exit_code}\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_a_problem_of_the_scheduler_is_said_beside_the_list(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    front.view = a_view(connection=Connection.CONNECTING, problem="No master at 10.0.0.1:5050; trying again.")
    for command in ("ls", "ps"):
        result = run(command)
        assert result.stderr.startswith("No master at 10.0.0.1:5050; trying again.\n")
        assert result.exit_code == 0
