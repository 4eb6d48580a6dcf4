"""The masters' nodes in ZooKeeper, read; the real thing is in the conformance tests."""

from __future__ import annotations

import pytest

from framework.adapters.mesos_detector import Detector


class Told:
    def __init__(self) -> None:
        self.leaders: list[str] = []
        self.problems: list[str] = []
        self.detector = Detector("zk://a:1,b:1/mesos", self.leaders.append, self.problems.append)


def test_a_leaders_node_names_its_address() -> None:
    told = Told()
    told.detector.notify(b'{"address": {"hostname": "h", "ip": "10.0.0.1", "port": 5050}, "pid": "x"}', None)
    assert (told.leaders, told.problems) == (["10.0.0.1:5050"], [])


@pytest.mark.parametrize("data", [b"\x08\x01binary", b"{}", b"[]", b'{"address": {"ip": "x"}}', b""])
def test_a_node_that_is_no_masters_is_told(data: bytes) -> None:
    told = Told()
    told.detector.notify(data, None)
    assert told.leaders == []
    assert "a:1,b:1/mesos: wanted the address of a Mesos master" in told.problems[0]


def test_a_node_that_has_gone_again_is_nothing() -> None:
    told = Told()
    told.detector.notify(None, None)
    assert (told.leaders, told.problems) == ([], [])


def test_no_nodes_are_no_leader() -> None:
    told = Told()
    told.detector.choose(["log_replicas"])
    assert told.problems == [
        "no Mesos master leads: none is registered in ZooKeeper at a:1,b:1/mesos;"
        " check that the masters run, that they use this ZooKeeper, and the path in --master; trying on"
    ]
