"""A Leadership whose state the test writes."""

from __future__ import annotations

from framework.core.views import View
from framework.ports import Member, Members, StoreFault
from tests.kit.front import NOW, a_view


class FakeLeadership:
    """A scheduler that leads at 10.0.0.9:8080, with none that stands by, unless the test says otherwise."""

    def __init__(self, *, is_leader: bool = True, leader: str = "10.0.0.9:8080") -> None:
        self.is_leader = is_leader
        self.is_standby = not is_leader
        self.leader = leader
        self.term = "5e551"
        self.session_seconds = 10.0
        self.standbys: list[str] = []
        self.stored: View | None = a_view()
        self.named: list[str] = []
        self.steps_down = 0
        self.problem = ""

    def members(self) -> Members:
        self._check()
        return Members(
            leader=Member(address=self.leader, since=NOW - 90) if self.leader else None,
            epoch=7 + self.steps_down,
            standbys=tuple(Member(address=each, since=NOW - 60) for each in self.standbys),
        )

    def picture(self) -> View:
        self._check()
        if self.stored is None:
            raise StoreFault("zk://10.0.0.7:2181/framework cannot be read", temporary=True)
        return self.stored

    def name_next(self, address: str) -> bool:
        self._check()
        self.named.append(address)
        return address in self.standbys

    def step_down(self) -> None:
        self.steps_down += 1

    def _check(self) -> None:
        if self.problem:
            raise StoreFault(self.problem, temporary=True)
