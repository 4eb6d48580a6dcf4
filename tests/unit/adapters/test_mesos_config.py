"""The address of the masters, as an operator writes it."""

from __future__ import annotations

import pytest

from framework.adapters.mesos_config import MesosConfig, addresses_of, zookeeper_of
from tests.kit.mesos_driver import EXECUTOR


@pytest.mark.parametrize(
    "master", ["", "http://x:5050", "zk:/x/mesos", "zk://", "zk://x:2181", "zk://x:2181/", "x:y", "a:1,b:/"]
)
def test_a_master_that_is_none_is_refused(master: str) -> None:
    with pytest.raises(ValueError, match="--master: wanted zk://host:port"):
        MesosConfig(master=master, executor=EXECUTOR)


def test_masters_are_read_from_their_url() -> None:
    assert zookeeper_of("zk://a:2181,b:2181/mesos") == ("a:2181,b:2181", "/mesos")
    assert zookeeper_of("zk://user:word@a:2181/mesos/x/") == ("a:2181", "/mesos/x")
    assert addresses_of("a, b:6060") == ["a:5050", "b:6060"]
