"""People who submit, scale, restart, stop, start and remove stacks, without mercy."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from framework.core.events import (
    ApprovalGiven,
    BackoffResetRequested,
    ExecRequested,
    ExecutorUpgradeRequested,
    RestartRequested,
    RolloutAction,
    RolloutActionRequested,
    ScaleRequested,
    StackRemoved,
    StackSubmitted,
    StartRequested,
    StopRequested,
    UserRequest,
)
from framework.core.model import RequestKey
from framework.core.views import ApprovalRequest
from specs.model.constraints import Constraint, Mode, Rules, Spread
from specs.model.operators import Operator
from specs.model.resources import Resources
from specs.model.stack import (
    CheckKind,
    Condition,
    Container,
    Dependency,
    Group,
    HealthCheck,
    Keep,
    OnChange,
    Port,
    Restart,
    Stack,
    Stop,
    Unreachable,
)
from tests.kit.conversation import group, stack
from tests.simulation.engine import RELOAD
from tests.simulation.images import image as image_of
from tests.simulation.releases import Releases

STACKS = ("shop", "blog")
SERVICES = ("web", "db")
RULES = (
    *(Rules(), Rules(), Rules(spread=(Spread(over="rack"),)), Rules(sticky=True)),
    Rules(constraints=(Constraint(operator=Operator.MAX_PER, field="hostname", values=("2",)),)),
)
MOST_INSTANCES = 4
STOPS = (Stop(), Stop(), Stop(grace_seconds=5.0))
CHECKS = (None, HealthCheck(kind=CheckKind.TCP), HealthCheck(kind=CheckKind.TCP, interval_seconds=5.0))
FIRST = (Condition.STARTED, Condition.HEALTHY)
PATIENCE = (
    *(Unreachable(), Unreachable(), Unreachable(replace_after_seconds=120.0)),
    *(Unreachable(keep=Keep.ORIGINAL), Unreachable(replace_after_seconds=60.0, keep=Keep.ORIGINAL)),
)


class Users:
    """Draws what people ask."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"{seed}/users")
        self._details = Random(f"{seed}/users' details")
        self._settings = Random(f"{seed}/users' care")
        self._requests = 0
        self.files: dict[str, Stack] = {}
        """The last submitted version of each stack."""
        self._releases = Releases(seed, self.files)

    def of_rollouts(self, name: str, *, is_bad: bool) -> UserRequest | None:
        """A request that changes a stack or its rollout; None if nobody has submitted the stack."""
        self._requests += 1
        return self._releases.ask(self._requests, name, is_bad=is_bad)

    def mend(self, name: str) -> UserRequest:
        """The last file with a version that is well, at the usual pace."""
        self._requests += 1
        return self._releases.mend(self._requests, name)

    def reset(self, name: str) -> UserRequest:
        """A request about a stack whose slots have used up their retries."""
        self._requests += 1
        return BackoffResetRequested(request_id=self._requests, pattern=name)

    def ask(self) -> UserRequest:
        """The next thing that somebody asks."""
        self._requests += 1
        id, rng = self._requests, self._rng
        pattern = rng.choice([*STACKS, "shop/web", "blog/db", "*"])
        match rng.choices(["submit", "scale", "restart", "stop", "start", "remove"], [6, 5, 2, 1, 2, 1])[0]:
            case "submit":
                return StackSubmitted(request_id=id, stack=self._file(rng.choice(STACKS)))
            case "scale":
                return self._scale(id, pattern, rng.randint(0, MOST_INSTANCES))
            case "restart":
                return RestartRequested(request_id=id, pattern=pattern)
            case "stop":
                return StopRequested(request_id=id, pattern=pattern)
            case "start":
                return StartRequested(request_id=id, pattern=pattern)
        return StackRemoved(request_id=id, name=rng.choice(STACKS))

    def with_key(self, ask: UserRequest) -> UserRequest:
        """The same, as somebody asks who sends it again where no answer comes."""
        name = f"request {ask.request_id}"
        ask = replace(ask, request_key=RequestKey(text=name, digest=name))
        return (
            replace(ask, message=name)
            if not isinstance(ask, RolloutActionRequested | ApprovalGiven | ExecutorUpgradeRequested | ExecRequested)
            else ask
        )

    def _scale(self, id: int, pattern: str, instances: int) -> UserRequest:
        if self._details.random() < 0.3:
            return ScaleRequested(request_id=id, pattern=pattern, delta=self._details.choice([-2, -1, 1]))
        return ScaleRequested(request_id=id, pattern=pattern, instances=instances)

    def resume(self, name: str, action: RolloutAction = RolloutAction.RESUME) -> UserRequest:
        """A request about a rollout that stands still."""
        self._requests += 1
        return RolloutActionRequested(request_id=self._requests, stack=name, action=action)

    def approve(self, requests: tuple[ApprovalRequest, ...]) -> UserRequest:
        """An operator who reads the first approval request, and approves it."""
        self._requests += 1
        mismatch, number = requests[0].mismatch, requests[0].number
        return ApprovalGiven(request_id=self._requests, mismatch=mismatch, number=number)

    def first(self) -> UserRequest:
        """The first requests."""
        self._requests += 1
        return StackSubmitted(request_id=self._requests, stack=self._stack(STACKS[0]))

    def _file(self, name: str) -> Stack:
        """Another stack; or often the one that was submitted last, with other in-place settings only."""
        before, drawn = self.files.get(name), self._stack(name)
        if before is None or self._settings.random() < 0.5:
            return drawn
        groups = tuple(replace(each, container=self._with_settings(each.container)) for each in before.groups)
        self.files[name] = file = replace(before, groups=groups)
        return file

    def _stack(self, name: str) -> Stack:
        rng = self._rng
        services = rng.sample(SERVICES, rng.randint(1, len(SERVICES)))
        groups = {each.id: each for each in (self._group(f"{name}/{service}") for service in services)}
        for each in groups.values():
            if each.id.service == SERVICES[0] and SERVICES[1] in services and self._details.random() < 0.5:
                first = Dependency(service=SERVICES[1], condition=self._details.choice(FIRST))
                if self._settings.random() < 0.5:
                    first = replace(first, on_change=OnChange.SIGNAL, signal=RELOAD)
                groups[each.id] = replace(each, dependencies=(first,))
        self.files[name] = file = stack(*groups.values(), name=name)
        return file

    def _group(self, name: str) -> Group:
        rng = self._rng
        ports = (Port(name="http", container_port=80),) if rng.random() < 0.6 else ()
        health = HealthCheck(kind=CheckKind.TCP, interval_seconds=10.0) if ports and rng.random() < 0.3 else None
        image = image_of(rng.choice([1, 2]))
        if rng.random() < 0.15:
            small = Resources(cpus_milli=50, mem_mib=32)
            return group(f"{name.partition('/')[0]}/logs", mode=Mode.GLOBAL, resources=small, image=image)
        plain = group(
            name,
            rng.choice([(), ("dev",)]),
            instances=rng.randint(0, MOST_INSTANCES),
            resources=Resources(cpus_milli=rng.choice([100, 200]), mem_mib=64),
            container=Container(image=image, ports=ports, health=health),
            restart=rng.choice([Restart.ALWAYS, Restart.ALWAYS, Restart.ON_FAILURE]),
            rules=rng.choice(RULES),
        )
        return replace(
            plain, unreachable=self._details.choice(PATIENCE), container=self._with_settings(plain.container)
        )

    def _with_settings(self, container: Container) -> Container:
        """The same containers are looked after now in this way, now in that."""
        health = container.health
        if container.ports and self._settings.random() < 0.5:
            health = self._settings.choice(CHECKS)
        return replace(container, stop=self._settings.choice(STOPS), health=health)
