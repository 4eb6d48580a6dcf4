"""The address at which containers reach this machine, for every way a Docker engine can have its default bridge.

Each engine is one of the test's own: in namespaces of its own, with an empty data root, so at its first start.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from framework.local import requirements
from tests.kit.cluster import need

pytestmark = pytest.mark.docker

ASK = "from framework.local import engine; print(engine.bridge_address())"
SCRIPT = """
set -u
cd "$1"
ip link set lo up
{setup}
export DOCKER_HOST=unix://$1/socket
for start in $(seq {starts}); do
  dockerd --config-file "$1/daemon.json" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" \
    --host "$DOCKER_HOST" --iptables=false --ip6tables=false > "$1/log" 2>&1 &
  engine=$!
  for try in $(seq 300); do
    docker info > /dev/null 2>&1 && break
    kill -0 $engine || {{ cat "$1/log" >&2; exit 1; }}
    sleep 0.1
  done
  "$2" -c "$3"
  kill $engine
  wait $engine
done
"""
BRIDGE_OF_ITS_OWN = "ip link add shopbr type bridge && ip address add 10.98.0.1/24 dev shopbr && ip link set shopbr up"


def asked(directory: Path, settings: dict[str, object], *, setup: str = "", starts: int = 1) -> list[str]:
    """The addresses that `bridge_address` reports, one at each start of an engine with these settings."""
    (directory / "daemon.json").write_text(json.dumps(settings), encoding="utf-8")
    namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    script = SCRIPT.format(setup=setup, starts=starts)
    command = [*namespaces, "bash", "-c", script, "engine", str(directory), sys.executable, ASK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return (done.stdout + done.stderr.rpartition("framework.local.errors.")[2]).splitlines()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    need((*requirements.ENGINE, *requirements.NETWORKS))
    return tmp_path


def test_a_new_engine_at_its_first_start_and_its_second(directory: Path) -> None:
    assert asked(directory, {}, starts=2) == ["172.17.0.1", "172.17.0.1"]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        pytest.param({"bip": "10.99.7.1/24"}, "10.99.7.1", id="bip"),
        pytest.param({"default-address-pools": [{"base": "10.201.0.0/16", "size": 24}]}, "10.201.0.1", id="pools"),
        pytest.param({"ipv6": True, "fixed-cidr-v6": "fd00:99::/64"}, "172.17.0.1", id="IPv6-beside"),
        pytest.param({"bip": "10.99.7.1/24", "default-gateway": "10.99.7.254"}, "10.99.7.1", id="gateway-elsewhere"),
    ],
)
def test_an_engine_with_settings(directory: Path, settings: dict[str, object], wanted: str) -> None:
    assert asked(directory, settings) == [wanted]


def test_a_bridge_of_another_name(directory: Path) -> None:
    assert asked(directory, {"bridge": "shopbr"}, setup=BRIDGE_OF_ITS_OWN) == ["10.98.0.1"]


def test_an_engine_without_a_default_bridge(directory: Path) -> None:
    (said,) = asked(directory, {"bridge": "none"})
    assert said == (
        "LocalError: the Docker engine has no default bridge network, so containers reach no DNS server of this"
        ' machine; start dockerd without "bridge": "none"'
    )
