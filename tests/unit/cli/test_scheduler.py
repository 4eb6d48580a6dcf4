"""`framework scheduler`: every option reaches the scheduler; what cannot be is said before anything starts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.unit.cli.conftest import Run

NEEDED = ("--zk", "zk://10.0.0.7:2181/framework", "--master", "zk://10.0.0.7:2181/mesos")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """The configurations with which a scheduler was started."""
    configs: list[SimpleNamespace] = []
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # which the command replaces
    app, config = ModuleType("framework.app"), ModuleType("framework.config")

    def run_scheduler(given: SimpleNamespace) -> int:
        configs.append(given)
        return 101

    vars(app)["run_scheduler"] = run_scheduler
    vars(config)["SchedulerConfig"] = SimpleNamespace
    monkeypatch.setitem(sys.modules, "framework.app", app)
    monkeypatch.setitem(sys.modules, "framework.config", config)
    return configs


def test_the_least(run: Run, started: list[SimpleNamespace]) -> None:
    assert run("scheduler", *NEEDED).exit_code == 101
    assert vars(started[0]) == {
        "zk": "zk://10.0.0.7:2181/framework",
        "master": "zk://10.0.0.7:2181/mesos",
        "bind": ("127.0.0.1", 8080),
        "advertise": ("127.0.0.1", 8080),
        "token": None,
        "hosts": (),
        "name": "framework",
        "role": "*",
        "principal": "",
        "secret": None,
        "user": "root",
        "agents_interval_seconds": 15.0,
        "executor_idle_seconds": 60.0,
        "executor_operations": 4,
        "executor_url": "",
        "session_timeout_seconds": 10.0,
        "history": 20,
        "endpoints": "zk://10.0.0.7:2181/framework",
        "metrics_interval_seconds": 10.0,
        "metrics_port": 0,
        "dns": (),
        "dns_domain": "",
        "webui_url": "",
        "log_level": "info",
        "journal": "",
    }


@pytest.mark.parametrize(
    ("words", "endpoints"),
    [
        (["none"], ""),
        (["zk://a:2181/f/", "zk://b:2181/f", "zk://a:2181/f"], "zk://a:2181/f zk://b:2181/f"),
        (["etcd://a,b/f", "consul://127.0.0.1"], "etcd://a:2379,b:2379/f consul://127.0.0.1:8500"),
    ],
)
def test_endpoints_are_published_in_several_places_or_nowhere(
    run: Run, started: list[SimpleNamespace], words: list[str], endpoints: str
) -> None:
    run("scheduler", *NEEDED, *(word for each in words for word in ("--endpoints", each)))
    assert started[0].endpoints == endpoints


def test_endpoints_want_an_address_of_a_back_end(run: Run) -> None:
    result = run("scheduler", *NEEDED, "--endpoints", "redis://a:2379/f")
    assert result.exit_code == 2
    assert "--endpoints wants none, or zk://HOST:PORT,HOST:PORT/PATH or etcd://" in result.output
    assert "got 'redis://a:2379/f'." in result.output
    result = run("scheduler", *NEEDED, "--endpoints", "none", "--endpoints", "zk://a:2181/f")
    assert "--endpoints none stands alone; got none, zk://a:2181/f." in result.output


@pytest.mark.parametrize(
    ("words", "zk", "master"),
    [
        ([], "zk://10.0.0.7:2181,10.0.0.8:2181/framework", "zk://10.0.0.7:2181,10.0.0.8:2181/mesos"),
        (["--zk", "zk://a:1/f"], "zk://a:1/f", "zk://10.0.0.7:2181,10.0.0.8:2181/mesos"),
        (["--master", "m:5050"], "zk://10.0.0.7:2181,10.0.0.8:2181/framework", "m:5050"),
    ],
)
def test_what_is_not_given_is_as_mesos_has_it(
    run: Run,
    started: list[SimpleNamespace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    zk: str,
    master: str,
) -> None:
    file = tmp_path / "zk"
    file.write_text("zk://10.0.0.7:2181,10.0.0.8:2181/mesos\n", encoding="utf-8")
    monkeypatch.setattr(importlib.import_module("framework.cli.scheduler"), "MESOS_ZK", file)
    result = run("scheduler", *words)
    assert (started[0].zk, started[0].master, started[0].endpoints) == (zk, master, zk)
    assert f"As {file} says: " in result.output
    assert all((option in result.output) is (option not in words) for option in ("--zk", "--master"))


def test_where_nobody_says_where_mesos_is_that_is_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "zk"
    monkeypatch.setattr(importlib.import_module("framework.cli.scheduler"), "MESOS_ZK", file)
    result = run("scheduler", "--zk", "zk://a:1/f")
    assert result.exit_code == 2
    assert f"Missing --master: there is no {file} either" in result.output
    file.write_text("10.0.0.7", encoding="utf-8")
    result = run("scheduler")
    assert f"Missing --zk and --master, and {file} does not say it: wanted zk://" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dns", "ns1"], "--dns wants an IP address, as 172.17.0.1, or the word agent; got 'ns1'."),
        (["--dns", "127.0.0.1"], "--dns 127.0.0.1 is, in a container, the container itself"),
        (["--dns", "0.0.0.0"], "is, in a container, the container itself"),
        (["--dns", "a"], "got 'a'"),
        (["--dns", "agent"] * 4, "--dns wants up to 3 name servers, as resolvers ask no more."),
        (["--dns-domain", "x"], "--dns-domain wants --dns too: who knows the domain."),
        (["--dns", "agent", "--dns-domain", "x_y"], "--dns-domain wants a domain of up to 100 characters"),
    ],
)
def test_name_servers_that_cannot_be(run: Run, started: list[SimpleNamespace], words: list[str], said: str) -> None:
    result = run("scheduler", *NEEDED, *words)
    assert (result.exit_code, started) == (2, [])
    assert said in " ".join(result.output.split())


def test_name_servers_have_a_domain(run: Run, started: list[SimpleNamespace]) -> None:
    run("scheduler", *NEEDED, "--dns", "agent", "--dns", "FD00::1")
    assert (started[0].dns, started[0].dns_domain) == (("agent", "fd00::1"), "framework.internal")


def test_everything(run: Run, started: list[SimpleNamespace], tmp_path: Path) -> None:
    token, secret = tmp_path / "token", tmp_path / "secret"
    token.write_text("t0ken\n", encoding="utf-8")
    secret.write_text("s3cret\n", encoding="utf-8")
    options = {
        "--bind": "0.0.0.0:80",
        "--advertise": "10.0.0.9:80",
        "--token-file": str(token),
        "--allow-host": "Sched.example",
        "--name": "prod",
        "--role": "web",
        "--principal": "framework",
        "--secret-file": str(secret),
        "--user": "nobody",
        "--agents-interval": "1m",
        "--executor-idle": "5m",
        "--executor-operations": "8",
        "--executor-url": "https://files.example/{sha256}.pyz",
        "--session-timeout": "4s",
        "--history": "5",
        "--endpoints": "zk://10.0.0.8:2181/found",
        "--metrics-interval": "30s",
        "--metrics-port": "9100",
        "--dns": "172.17.0.1",
        "--dns-domain": "Example.org.",
        "--webui-url": "https://framework.example",
        "--log-level": "debug",
        "--journal": "/var/log/framework.journal",
    }
    run("scheduler", *NEEDED, *(word for pair in options.items() for word in pair))
    assert vars(started[0]) == {
        "zk": NEEDED[1],
        "master": NEEDED[3],
        "bind": ("0.0.0.0", 80),
        "advertise": ("10.0.0.9", 80),
        "token": "t0ken",
        "hosts": ("framework.example", "files.example", "sched.example"),
        "name": "prod",
        "role": "web",
        "principal": "framework",
        "secret": "s3cret",
        "user": "nobody",
        "agents_interval_seconds": 60.0,
        "executor_idle_seconds": 300.0,
        "executor_operations": 8,
        "executor_url": "https://files.example/{sha256}.pyz",
        "session_timeout_seconds": 4.0,
        "history": 5,
        "endpoints": "zk://10.0.0.8:2181/found",
        "metrics_interval_seconds": 30.0,
        "metrics_port": 9100,
        "dns": ("172.17.0.1",),
        "dns_domain": "example.org",
        "webui_url": "https://framework.example",
        "log_level": "debug",
        "journal": "/var/log/framework.journal",
    }


@pytest.mark.parametrize("url", ["file:///opt/executor.pyz", "/opt/executor.pyz", "hdfs://files/executor.pyz"])
def test_where_agents_fetch_the_executor(run: Run, started: list[SimpleNamespace], url: str) -> None:
    run("scheduler", *NEEDED, "--executor-url", url)
    assert started[0].executor_url == url


@pytest.mark.parametrize("url", ["executor.pyz", "files.example/executor.pyz", "http://a b"])
def test_what_no_agent_can_fetch_is_refused(run: Run, started: list[SimpleNamespace], url: str) -> None:
    result = run("scheduler", *NEEDED, "--executor-url", url)
    assert result.exit_code == 2
    assert f"got {url!r}" in result.output + result.stderr
    assert started == []


def test_from_the_environment(run: Run, started: list[SimpleNamespace], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWORK_ZK", NEEDED[1])
    monkeypatch.setenv("FRAMEWORK_MASTER", "10.0.0.1:5050")
    run("scheduler")
    assert (started[0].zk, started[0].master) == (NEEDED[1], "10.0.0.1:5050")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((*NEEDED, "--zk", "10.0.0.7:2181"), "--zk wants zk://HOST:PORT,HOST:PORT/PATH; got '10.0.0.7:2181'"),
        ((*NEEDED, "--zk", "zk://10.0.0.7:2181"), "--zk wants zk://"),
        ((*NEEDED, "--zk", "zk://10.0.0.7:2181/"), "--zk wants zk://"),
        ((*NEEDED, "--zk", "zk://10.0.0.7/framework"), "--zk wants zk://"),
        ((*NEEDED, "--master", "zk://10.0.0.7:2181"), "--master wants zk://"),
        ((*NEEDED, "--master", "mesos"), "--master wants HOST:PORT"),
        ((*NEEDED, "--bind", "8080"), "--bind wants HOST:PORT"),
        ((*NEEDED, "--bind", "x:99999"), "--bind wants HOST:PORT"),
        ((*NEEDED, "--bind", "0.0.0.0:8080"), "Agents cannot reach 0.0.0.0:8080"),
        (
            (*NEEDED, "--allow-host", "a:80"),
            "--allow-host wants a name without a port",
        ),
        ((*NEEDED, "--zk", "zk://user:pw@10.0.0.7:2181/f", "--endpoints", "none"), "before '@' are not supported"),
        ((*NEEDED, "--advertise", "0.0.0.0:8080"), "Agents cannot reach 0.0.0.0:8080"),
        ((*NEEDED, "--bind", "127.0.0.1:0"), "Agents cannot reach 127.0.0.1:0"),
        ((*NEEDED, "--token-file", "/nope"), "--token-file /nope cannot be read: No such file"),
        ((*NEEDED, "--token-file", "/dev/null"), "--token-file /dev/null is empty"),
        ((*NEEDED, "--secret-file", "/dev/null"), "--secret-file wants --principal too"),
        ((*NEEDED, "--executor-operations", "0"), "0"),
        ((*NEEDED, "--executor-idle", "60"), "60"),
        ((*NEEDED, "--metrics-interval", "500ms"), "--metrics-interval wants 0s, or from 1s to 1h; got 0.5 s"),
        ((*NEEDED, "--session-timeout", "1s"), "--session-timeout wants from 2 s to 60 s; got 1 s"),
        ((*NEEDED, "--session-timeout", "2m"), "--session-timeout wants from 2 s to 60 s; got 120 s"),
    ],
)
def test_what_cannot_be(run: Run, started: list[SimpleNamespace], options: tuple[str, ...], words: str) -> None:
    result = run("scheduler", *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert started == []


@pytest.mark.parametrize("bind", ["10.0.0.9:8080", "[fd00::9]:80", "scheduler.example:8080", "0.0.0.0:8080", "[::]:80"])
def test_what_other_machines_reach_wants_a_token(
    run: Run, started: list[SimpleNamespace], tmp_path: Path, bind: str
) -> None:
    """Without a token, anybody who reaches the API can run containers on every agent."""
    words = ("scheduler", *NEEDED, "--bind", bind, "--advertise", "10.0.0.9:8080")
    result = run(*words)
    assert (result.exit_code, started) == (2, [])
    assert f"--bind {bind} is reached from other machines" in result.stderr
    assert "--token-file FILE, got none" in result.stderr and "--no-token" in result.stderr
    (tmp_path / "token").write_text("t0ken", encoding="utf-8")
    run(*words, "--token-file", str(tmp_path / "token"))
    run(*words, "--no-token")
    assert [each.token for each in started] == ["t0ken", None]


@pytest.mark.parametrize("bind", ["127.0.0.1:8080", "127.9.2.1:8080", "[::1]:8080", "localhost:8080"])
def test_what_only_this_machine_reaches_wants_none(run: Run, started: list[SimpleNamespace], bind: str) -> None:
    run("scheduler", *NEEDED, "--bind", bind)
    assert [each.token for each in started] == [None]


def test_a_token_and_none_exclude_each_other(run: Run, started: list[SimpleNamespace], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken", encoding="utf-8")
    result = run("scheduler", *NEEDED, "--no-token", "--token-file", str(tmp_path / "token"))
    assert (result.exit_code, started) == (2, [])
    assert "--no-token and --token-file exclude each other" in result.stderr


def test_a_password_in_an_address_is_not_repeated(run: Run) -> None:
    for option in ("--zk", "--master"):
        result = run("scheduler", *NEEDED, option, "zk://user:s3cret@10.0.0.7:2181", "--endpoints", "none")
        assert result.exit_code == 2
        assert "s3cret" not in result.output + result.stderr


def test_names_of_its_addresses_are_names_of_the_scheduler(run: Run, started: list[SimpleNamespace]) -> None:
    words = ("--bind", "10.0.0.9:8080", "--no-token", "--advertise", "Sched1.example:8080")
    run("scheduler", *NEEDED, *words, "--webui-url", "http://[bad", "--allow-host", "a", "--allow-host", "a")
    assert started[0].hosts == ("sched1.example", "a")
