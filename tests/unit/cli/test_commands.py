"""Commands: what they ask of the scheduler, and what they answer to people who err."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import click
import pytest

from framework.cli import options
from framework.cli.agents import agents
from framework.cli.main import COMMANDS, framework
from framework.core.commands import Done, Refused
from framework.core.events import (
    BackoffResetRequested,
    RestartRequested,
    ScaleRequested,
    StackRemoved,
    StackSubmitted,
    StartRequested,
    StopRequested,
)
from framework.core.views import GroupState, Waiting
from specs.file.load import load_stack, stack_from_json
from specs.ids import group_id
from specs.model.stack import KillOrder
from tests.kit.front import FakeFront, a_group, a_stack, a_task, a_view, an_agent, running, runs_at_once
from tests.unit.cli.conftest import STACK, Run, Serve

SHOP = load_stack(STACK, name=None, variables={})
WEB = "shop/web[dev,frontend]"


def test_submit(serve: Serve, run: Run, front: FakeFront, stack_file: str) -> None:
    serve()
    front.answer = lambda _request: Done(changed=(WEB, "shop/auth"), index=3, message="")
    result = run("submit", stack_file, "-m", "the first")
    assert (result.exit_code, result.stdout) == (0, f"shop: 2 groups changed\n  {WEB}\n  shop/auth\n")
    (asked,) = front.requests
    assert isinstance(asked, StackSubmitted)
    assert asked.stack == SHOP
    assert (asked.message, asked.if_index) == ("the first", None)
    assert "@" in asked.submitted_by


def test_submit_the_same_again(serve: Serve, run: Run, front: FakeFront, stack_file: str) -> None:
    serve()
    front.answer = lambda _request: Done(index=3, message="unchanged")
    assert run("submit", stack_file).stdout == "shop: unchanged\n"


def test_submit_with_everything(serve: Serve, run: Run, front: FakeFront, stack_file: str, tmp_path: Path) -> None:
    serve()
    over = tmp_path / "over.yml"
    over.write_text("services: {auth: {image: 'acme/auth:3'}}\n", encoding="utf-8")
    result = run(
        "submit",
        stack_file,
        "--name",
        "shop2",
        "-o",
        str(over),
        "--set",
        "services.auth.instances=5",
        "--if-unchanged",
        "0",
    )
    assert result.exit_code == 0
    (asked,) = front.requests
    assert isinstance(asked, StackSubmitted)
    auth = next(group for group in asked.stack.groups if group.id.service == "auth")
    assert (asked.stack.name, auth.container.image, auth.instances, asked.if_index) == ("shop2", "acme/auth:3", 5, 0)


def test_submit_from_standard_input(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    assert run("submit", "-", stdin=STACK).exit_code == 0
    (asked,) = front.requests
    assert isinstance(asked, StackSubmitted)
    assert asked.stack == SHOP


def test_submit_of_what_no_agent_can_hold(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    front.view = a_view(agents=[an_agent()])
    huge = "name: shop\nservices: {big: {image: a, resources: {cpus: 64, memory: 32M}}}\n"
    result = run("submit", "-", stdin=huge)
    assert (result.exit_code, front.requests) == (1, [])
    assert "shop/big.resources.cpus: wanted 64, the most that an agent has is 4 (agent1)" in result.stderr
    assert run("submit", "-", "--anyway", stdin=huge).exit_code == 0
    assert len(front.requests) == 1


NEAR = """\
name: shop
services:
  web: {image: a, instances: 3, near: cache/redis, constraints: [hostname UNIQUE], resources: {cpus: 1, memory: 32M}}
  auth: {image: b, instances: 3, resources: {cpus: 2, memory: 32M}}
"""


def test_submit_says_what_may_be_a_mistake(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    front.view = a_view(agents=[an_agent()])
    front.answer = lambda _request: Done(changed=("shop/web",), index=1, message="created")
    result = run("submit", "-", stdin=NEAR)
    assert (result.exit_code, result.stdout) == (0, "shop: 1 group changed (created)\n  shop/web\n")
    assert (
        result.stderr == "warning: shop/web: near cache/redis: no group is there now; it waits until one has a task\n"
    )


def test_plan_with_everything(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    cache = a_group(group_id("cache", "redis"), tasks=[a_task(group_id("cache", "redis"), agent=1)])
    old = load_stack(NEAR.replace("instances: 3, near", "instances: 1, near"), name=None, variables={})
    standing = running(old, index=4)
    view = a_view([standing, a_stack("cache", [cache])], agents=[an_agent(1), an_agent(2)], agents_problem="told late")
    front.view = view
    result = run("plan", "-", stdin=NEAR)
    assert result.exit_code == 0
    assert result.stdout == (
        "shop (index 4): 1 group would change\n"
        "~ shop/web: scaled; running tasks stay (1 -> 3)\n"
        "    1 task stays where it is\n"
        "    2 slots would wait: 0/2 agents fit: 1 hostname (wanted UNIQUE), 1 near on hostname (wanted cache/redis)\n"
        "      with hostname MAX_PER 2: 1 agent would fit, 1 slot placed\n"
        "      with no near cache/redis on hostname: 1 agent would fit, 1 slot placed\n"
        "Nothing was changed. To do just this: framework submit --if-unchanged 4\n"
    )
    assert result.stderr == "Nothing can be placed now, or not well: told late\n"


def test_plan_tells_of_slots_without_a_task_though_nothing_changes(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    standing = running(SHOP, index=4)
    auth = replace(standing.groups[0], tasks=(), waiting=(Waiting(slot=0, cause="waits for offers"),))
    stopped = replace(standing.groups[1], spec=replace(standing.groups[1].spec, is_stopped=True), tasks=())
    groups = (auth, stopped, *standing.groups[2:])
    front.view = a_view([replace(standing, groups=groups)], agents=[an_agent(1)])
    result = run("plan", "-", "--set", "services.web.groups[0].instances=3", stdin=STACK)
    assert result.stdout.splitlines() == [
        "shop (index 4): 1 group would change",
        "~ shop/web[frontend,prod]: scaled; running tasks stay (2 -> 3)",
        "    2 tasks stay where they are",
        "    would go now: 1 on agent1",
        "  shop/auth: unchanged; 1 slot without a task",
        "    would go now: 1 on agent1",
        "Nothing was changed. To do just this: framework submit --if-unchanged 4",
    ]


def test_agents_that_are_not_known(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    front.view = a_view(agents_problem="The master did not tell its agents: 401.")
    result = run("agents")
    assert (result.stdout, result.stderr) == ("", "The master did not tell its agents: 401.\nNo agent is known.\n")
    front.view = a_view(agents=[an_agent(1, total=None)])
    assert run("agents").stdout.splitlines()[1].split() == ["agent1", "active", "?/?", "?/?", "?/?", "0"]


def test_submit_and_wait(serve: Serve, run: Run, front: FakeFront, stack_file: str) -> None:
    serve()
    front.answer = runs_at_once(front)
    result = run("submit", stack_file, "--wait")
    assert result.exit_code == 0
    assert "shop/web[frontend,prod]: 2/2 ready\n" in result.stderr


def test_every_mistake_of_a_file_and_nothing_sent(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bad.yml"
    file.write_text("name: shop\nservices:\n  web:\n    imgae: x\n    instances: -1\n", encoding="utf-8")
    for command in ("submit", "plan", "validate"):
        result = run(command, str(file))
        assert result.exit_code == 2
        lines = result.stderr.splitlines()
        assert any(line.startswith(f"{file}:4:5: services.web.imgae: ") and "image" in line for line in lines)
        assert any(line.startswith(f"{file}:5:16: services.web.instances: ") for line in lines)
        assert lines[-1].startswith(f"{file} has ")


@pytest.mark.parametrize("command", ["submit", "plan", "validate"])
@pytest.mark.parametrize(
    ("file", "words"),
    [("nope.yml", "nope.yml: cannot be read: no such file or directory"), ("/", "directory")],
)
def test_files_that_are_not_there(run: Run, command: str, file: str, words: str) -> None:
    result = run(command, file)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize("setting", ["x", "=x", " =x"])
def test_settings_without_a_path(run: Run, stack_file: str, setting: str) -> None:
    result = run("validate", stack_file, "--set", setting)
    assert result.exit_code == 2
    assert "--set wants PATH=VALUE" in result.stderr


def test_an_override_that_is_not_there(run: Run, stack_file: str) -> None:
    assert run("validate", stack_file, "-o", "nope.yml").exit_code == 2
    result = run("validate", "-", "-o", "nope.yml", stdin=STACK)
    assert (result.exit_code, "nope.yml: cannot be read" in result.stderr) == (2, True)


def test_validate(run: Run, stack_file: str) -> None:
    result = run("validate", stack_file)
    assert result.exit_code == 0
    assert result.stdout == (f"{stack_file}: stack shop: 2 services, 3 groups, 4 tasks; in all cpus 0.4, mem 512 MiB\n")


def test_validate_prints_what_the_api_takes(run: Run, stack_file: str) -> None:
    assert stack_from_json(json.loads(run("validate", stack_file, "--json").stdout), name="shop") == SHOP


def test_plan(serve: Serve, run: Run, front: FakeFront, stack_file: str) -> None:
    serve()
    front.view = a_view([running(SHOP, index=4)], agents=[an_agent(1), an_agent(2)])
    assert run("plan", stack_file).stdout == "shop: unchanged\n"
    changed = run(
        "plan", stack_file, "--set", "services.auth.image=acme/auth:3", "--set", "services.auth.environment.LOG=debug"
    )
    assert changed.exit_code == 0
    assert changed.stdout == (
        "shop (index 4): 1 group would change\n"
        "~ shop/auth: new tasks take the old ones' places (1)\n"
        '    environment.LOG: default -> "debug"\n'
        '    image: "acme/auth:2" -> "acme/auth:3"\n'
        "    would go now: 1 on agent1\n"
        "Nothing was changed. To do just this: framework submit --if-unchanged 4\n"
    )
    assert run("plan", stack_file, "--set", "services.auth.instances=3").stdout.splitlines()[1] == (
        "~ shop/auth: scaled; running tasks stay (1 -> 3)"
    )
    assert front.requests == []


def test_plan_of_a_new_stack(serve: Serve, run: Run, front: FakeFront, stack_file: str) -> None:
    serve()
    front.view = a_view(agents=[an_agent(1), an_agent(2)])
    assert run("plan", stack_file).stdout == (
        "shop (a new stack): 3 groups would change\n"
        "+ shop/auth: new (1)\n"
        "    would go now: 1 on agent1\n"
        "+ shop/web[dev,frontend]: new (1)\n"
        "    would go now: 1 on agent2\n"
        "+ shop/web[frontend,prod]: new (2)\n"
        "    would go now: 1 on agent1, 1 on agent2\n"
        "Nothing was changed. To do just this: framework submit --if-unchanged 0\n"
    )


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        ("scale shop/web 4", ScaleRequested(request_id=1, pattern="shop/web", instances=4)),
        ("scale shop/web[dev] 0", ScaleRequested(request_id=1, pattern="shop/web[dev]", instances=0)),
        ("scale shop/web +1", ScaleRequested(request_id=1, pattern="shop/web", delta=1)),
        ("scale shop/web -1", ScaleRequested(request_id=1, pattern="shop/web", delta=-1)),
        ("scale shop/web x2", ScaleRequested(request_id=1, pattern="shop/web", factor=2.0)),
        ("scale shop/web x0.5 -l dev", ScaleRequested(request_id=1, pattern="shop/web[dev]", factor=0.5)),
        ("restart shop", RestartRequested(request_id=1, pattern="shop")),
        ("reset-backoff shop -m fixed", BackoffResetRequested(request_id=1, pattern="shop", message="fixed")),
        ("restart shop -l dev,frontend", RestartRequested(request_id=1, pattern="shop[dev,frontend]")),
        ("stop shop/web[dev] -l frontend", StopRequested(request_id=1, pattern="shop/web[dev,frontend]")),
        ("start */web", StartRequested(request_id=1, pattern="*/web")),
        ("remove shop --yes -m old", StackRemoved(request_id=1, name="shop", message="old")),
        ("restart shop -m why", RestartRequested(request_id=1, pattern="shop", message="why")),
        (
            "scale shop/web 1 --oldest-first",
            ScaleRequested(request_id=1, pattern="shop/web", instances=1, order=KillOrder.OLDEST),
        ),
        (
            "scale shop/web 1 --youngest-first",
            ScaleRequested(request_id=1, pattern="shop/web", instances=1, order=KillOrder.YOUNGEST),
        ),
    ],
)
def test_changes(serve: Serve, run: Run, front: FakeFront, command: str, asked: object) -> None:
    serve()
    assert run(*command.split()).exit_code == 0
    (one,) = front.requests
    assert isinstance(
        one, ScaleRequested | RestartRequested | StopRequested | StartRequested | StackRemoved | BackoffResetRequested
    )
    assert re.fullmatch(r"[^@]+@.+", one.by)
    assert replace(one, by="") == asked


@pytest.mark.parametrize("count", ["four", "4x", "--4", "x", "+", "1.5", "x1001", "100001", "-", "９"])
def test_counts_that_are_none(run: Run, count: str) -> None:
    result = run("scale", "shop/web", count)
    assert result.exit_code == 2
    assert f"got {count!r}" in result.stderr


def test_a_refusal_of_the_scheduler(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    front.answer = lambda _request: Refused(
        kind="not_found", message="No group matches shop/wbe; did you mean shop/web?", details=(("pattern", "nothing"),)
    )
    result = run("stop", "shop/wbe")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "No group matches shop/wbe; did you mean shop/web?\n  pattern: nothing\n"


def test_a_scheduler_that_cannot_work_is_no_leader(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    front.answer = lambda _request: Refused(kind="unavailable", message="It reads its store; ask again.")
    assert run("stop", "shop").exit_code == 3


def test_without_the_token_and_with_it(serve: Serve, run: Run, front: FakeFront, tmp_path: Path) -> None:
    serve(token="secret")
    refused = run("stop", "shop")
    assert refused.exit_code == 1
    assert "--token-file" in refused.stderr
    assert front.requests == []
    token = tmp_path / "token"
    token.write_text("secret\n", encoding="utf-8")
    assert run("stop", "shop", "--token-file", str(token)).exit_code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), ("", "got nothing"), ("a\nb", "something else"), ("ä", "something else")],
)
def test_token_files_that_hold_none(run: Run, tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    result = run("stop", "shop", "--token-file", str(file))
    assert result.exit_code == 2
    assert words in result.stderr.lower()


def test_remove_asks_for_yes_where_nobody_can_be_asked(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    front.view = a_view([running(SHOP)])
    result = run("remove", "shop")
    assert (result.exit_code, front.requests) == (2, [])
    assert result.stderr == "remove stops 4 tasks and forgets the stack: say --yes where nobody can be asked.\n"


def test_remove_of_what_is_not_there(serve: Serve, run: Run) -> None:
    serve()
    result = run("remove", "nope")
    assert result.exit_code == 1
    assert "There is no stack nope." in result.stderr


def test_remove_and_wait(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    front.view = a_view([running(SHOP)])

    def gone(_ask: object) -> Done:
        front.publish(a_view())
        return Done(message="is being removed")

    front.answer = gone
    result = run("remove", "shop", "--yes", "--wait")
    assert (result.exit_code, result.stdout) == (0, "shop: is being removed\nshop: removed\n")


@pytest.mark.parametrize(
    "command", ["ls", "ps", "info shop", "ps shop", "version", "restart shop", "agents", "explain shop/auth"]
)
def test_json(serve: Serve, run: Run, front: FakeFront, command: str) -> None:
    serve()
    front.view = a_view([running(SHOP)])
    result = run(*command.split(), "--json")
    assert result.exit_code == 0
    assert isinstance(json.loads(result.stdout), dict)


def test_events_as_json_lines(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    front.happen("TaskRunning", "on agent1", group=WEB, task="shop.web.dev-frontend.0.1")
    front.happen("TaskFailed", "exited with 1", group=WEB, task="shop.web.dev-frontend.0.1")
    lines = run("events", "--json", "--after", "1").stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["TaskFailed"]


def test_what_was_missed_is_said(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    for _ in range(3):
        front.happen("TaskRunning", "on agent1", group=WEB)
    front.oldest = 3
    result = run("events", "--after", "1")
    assert result.stderr == "-- 1 events after number 1 are no longer kept --\n"
    assert len(result.stdout.splitlines()) == 1


def test_empty_lists_say_what_to_do(serve: Serve, run: Run, front: FakeFront) -> None:
    serve()
    assert "framework submit" in run("ls").stderr
    assert "framework submit" in run("ps").stderr
    stopped = a_group(group_id("shop", "web"), state=GroupState.STOPPED, is_stopped=True)
    front.view = a_view([a_stack("shop", [stopped])])
    assert run("ps").stderr == "No task runs: `framework start` starts them. With -a the ended ones are shown.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sbmit"], "There is no command 'sbmit'; did you mean 'submit'?"),
        (["zzz"], "`framework --help` lists them."),
        (["ps", "--frob"], "No such option"),
        (["ps", "a", "b"], "unexpected extra argument"),
        (["submit"], "Missing argument 'FILE'"),
        (["submit", "x", "--timeout", "soon"], "wanted a number and its unit"),
        (["submit", "x", "--timeout", "10"], "10"),
        (["submit", "x", "--if-unchanged", "-1"], "-1"),
        (["completion", "csh"], "csh"),
        (["events", "--after", "x"], "x"),
    ],
)
def test_wrong_command_lines(run: Run, words: list[str], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_version(serve: Serve, run: Run) -> None:
    serve()
    own, scheduler = run("version").stdout.splitlines()
    assert own.startswith("framework ")
    assert scheduler == (
        "scheduler 0.1.0 at 10.0.0.9:8080, up 60m; "
        "framework id 6d1f7b0c-8a2e-4f57-9a39-3f0a6d3c1b11-0000; master 10.0.0.1:5050"
    )


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_tells_what_it_does(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    command = framework.get_command(click.Context(framework), name)
    assert command is not None
    assert command.help
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name


@pytest.mark.parametrize(
    "name", sorted(set(COMMANDS) - {"scheduler", "balancer", "dns", "local", "store", "completion"})
)
def test_every_command_prints_json(name: str) -> None:
    command = framework.get_command(click.Context(framework), name)
    assert command is not None
    for each in command.commands.values() if isinstance(command, click.Group) else (command,):
        assert "as_json" in {parameter.name for parameter in each.params}, each.name


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts(run: Run, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"_FRAMEWORK_COMPLETE={shell}_complete" in result.stdout


def test_names_of_agents_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [{"hostname": name} for name in ("b1", "a2", "a1", "a1")]
    monkeypatch.setattr(options, "_ask", lambda *asked: lines if asked[1:] == ("/v1/agents", "agents") else [])
    gone = agents.get_command(click.Context(agents), "gone")
    assert gone is not None
    context = click.Context(gone)
    assert [each.value for each in gone.params[0].shell_complete(context, "a")] == ["a1", "a2"]
