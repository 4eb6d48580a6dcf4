"""A scheduler's way to the master: the real codec of calls and events, on lines that break."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import orjson

from framework.adapters.codec import TaskWriter, framework_info
from framework.adapters.mesos_calls import body
from framework.adapters.mesos_config import MesosConfig
from framework.adapters.mesos_events import event
from framework.adapters.mesos_report import AgentReader
from framework.core.commands import Accept, Call, Kill, Subscribe
from framework.core.events import AgentsReported, CallFailed, Disconnected, FrameworkRefused, Subscribed
from specs.ids import FrameworkId
from tests.simulation.kernel import Delays, Kernel, Line
from tests.simulation.master import ROLE, Master

if TYPE_CHECKING:
    from tests.simulation.scheduler import SchedulerProcess

Json = dict[str, Any]

AGAIN_SECONDS = 2.0
REPORT_SECONDS = 15.0


class Connection:
    """One subscription. Calls arrive in order; what is under way when it breaks is lost."""

    def __init__(self, driver: Driver, kernel: Kernel, delays: Delays) -> None:
        self._driver = driver
        self.process = driver.process
        self.is_open = True
        self.calls = Line(kernel, delays, 0.3)
        self.events = Line(kernel, delays, 0.3)

    def send(self, message: Json) -> None:
        """The master says something."""
        data = orjson.dumps(message)
        if self.is_open:
            self.events.send(lambda: self._driver.heard(self, data))

    def broken(self, reason: str) -> None:
        """It is over."""
        if self.is_open:
            self.is_open = False
            self.calls.cut()
            self.events.cut()
            self._driver.lost(self, reason)


class Driver:
    """The work of framework.adapters.mesos without threads: subscribes again and again, and reports failures."""

    def __init__(
        self,
        process: SchedulerProcess,
        kernel: Kernel,
        rng: Random,
        delays: Delays,
        master: Master,
        config: MesosConfig,
    ) -> None:
        self.process = process
        self._kernel, self._rng, self._delays, self._master, self._config = kernel, rng, delays, master, config
        self._tasks = TaskWriter(config)
        self._reader = AgentReader(ROLE)
        self._framework_id: FrameworkId | None = None
        self._connection: Connection | None = None
        self._is_subscribed = False
        self._under_way: dict[int, Call] = {}
        self._calls = 0
        self._turn = 0
        self.is_refused = False

    # ---- subscribing ------------------------------------------------------------------

    def perform(self, call: Call) -> None:
        """Takes a call; what cannot be sent fails."""
        if isinstance(call, Subscribe):
            self._framework_id = call.framework_id
            self._attempt()
        elif not self._is_subscribed or self._connection is None:
            self._fail(call, "not sent: no master takes calls")
        else:
            self._send(call, self._connection)

    def _attempt(self) -> None:
        """Connects, and tries until it succeeds."""
        if self.process.is_dead or self.is_refused or self._connection is not None:
            return
        if self.process.is_frozen:
            self._again()
            return
        connection = self._connection = Connection(self, self._kernel, self._delays)
        info = orjson.loads(orjson.dumps(framework_info(self._config, self._framework_id)))
        connection.calls.send(lambda: self._arrive(connection, info))

    def _arrive(self, connection: Connection, info: Json) -> None:
        if self._master.is_leading and not self.process.is_dead:
            self._master.subscribe(connection, info)
        else:
            connection.broken("the master takes no connection")

    def _again(self) -> None:
        self._kernel.after(0.2 + self._rng.random() * AGAIN_SECONDS, self._attempt)

    def lost(self, connection: Connection, reason: str) -> None:
        """The connection broke: of what was under way some is known not to have left."""
        if connection is not self._connection:
            return
        self._connection, self._is_subscribed = None, False
        self._turn += 1
        under_way, self._under_way = self._under_way, {}
        is_known = self._rng.random() < 0.5
        self.process.post(Disconnected(problem=reason))
        if is_known:
            for call in under_way.values():
                self._fail(call, "not sent: the connection broke before")
        self._again()

    def close(self) -> None:
        """The process is no more: the master sees its connection close."""
        connection, self._connection = self._connection, None
        self._is_subscribed = False
        if connection is not None:
            connection.is_open = False
            connection.calls.cut()
            connection.events.cut()
            self._kernel.after(self._delays.draw(1.0), lambda: self._master.lost(connection))

    def breaks(self) -> None:
        """The network between us and the master breaks for a moment."""
        connection = self._connection
        if connection is not None:
            connection.broken("the connection broke")
            self._kernel.after(self._delays.draw(5.0), lambda: self._master.lost(connection))

    # ---- calls ------------------------------------------------------------------------

    def _send(self, call: Call, connection: Connection) -> None:
        assert self._framework_id is not None
        data = body(call, self._framework_id, self._tasks)
        self._calls += 1
        number = self._calls
        self._under_way[number] = call

        def arrive() -> None:
            self._under_way.pop(number, None)
            if not self._master.call(connection, data):
                self._fail(call, "refused: the stream is not the one of this subscription")

        connection.calls.send(arrive)

    def _fail(self, call: Call, problem: str) -> None:
        if isinstance(call, Accept | Kill):
            self.process.post(CallFailed(call=call, problem=problem))

    # ---- events -----------------------------------------------------------------------

    def heard(self, connection: Connection, data: bytes) -> None:
        """A record of the stream."""
        if connection is not self._connection:
            return
        plain = orjson.loads(data)
        if plain["type"] == "SUBSCRIBED":
            self._framework_id = FrameworkId(plain["subscribed"]["framework_id"]["value"])
            self._is_subscribed = True
            self._turn += 1
            self.process.post(Subscribed(framework_id=self._framework_id, master="10.0.0.1:5050"))
            turn = self._turn
            self._kernel.after(self._delays.draw(0.5), lambda: self._report(turn))
        elif plain["type"] == "ERROR":
            self.is_refused = True
            self._connection, self._is_subscribed = None, False
            self.process.post(FrameworkRefused(message=plain["error"]["message"]))
        else:
            happened = event(plain, lambda id: None)
            if happened is not None:
                self.process.post(happened)

    def tell_progress(self, data: str) -> None:
        """A message of an executor's."""
        connection = self._connection
        if self._is_subscribed and connection is not None:
            connection.send({"type": "MESSAGE", "message": {"data": data}})

    def _report(self, turn: int) -> None:
        """The requests of the watch of agents, and their answers."""
        if turn != self._turn or self.process.is_dead:
            return
        if self._master.is_leading and not self.process.is_frozen:
            agents = self._reader.read(self._master.agents_json(), {})
            self.process.post(AgentsReported(agents=agents))
        self._kernel.after(REPORT_SECONDS, lambda: self._report(turn))
