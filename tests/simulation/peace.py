"""The kind act: what comes of rollouts when nobody helps them, and then peace, when all is to be as people desired."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from framework.core.converge import kill_guard
from framework.core.events import RolloutAction
from framework.core.groups.rollout_gate import active_rollout
from framework.core.model import GroupSpec, Rollout, RolloutState, Task
from specs.ids import GroupId, TaskId
from specs.model.canonical import version_of
from specs.model.constraints import Mode
from specs.model.operators import Operator
from specs.model.stack import Restart
from specs.states import Goal, TaskState
from tests.simulation.master import TERMINAL
from tests.simulation.oracle import Broken

if TYPE_CHECKING:
    from tests.simulation.agent import Agent
    from tests.simulation.world import World

LOOK_AGAIN_SECONDS = 10.0
CALM_LOOKS = 3
"""Number of checks in a row that must find everything as desired."""
STAND_SECONDS = 3600.0
"""Within this time of kindness every rollout is over, or stands for a cause that it names: the deadlines are 60 and 120
s, and 600 s where nothing is said; each step and each new task that is ready is progress."""
PEACE_SECONDS = 3600.0
"""Within this time of kindness all must be as desired: the longest back-off, launch time-out, reconciliation and resend
of a status may each follow the one before."""
MEND_SECONDS = 600.0
"""After this time of standing still people look whether their pace was one at which nothing can move."""
IMMOBILE = ("must stay so", "agents fit")
"""Sentences for a pace that cannot move: no room, or no task that can be missed."""


STANDING = (RolloutState.FAILED, RolloutState.PAUSED)


class Peace:
    """The work of people when the world is kind, and the checks they make."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = Random(f"{world.seed}/peace")
        self._mended: dict[str, None] = {}
        """The stacks of which a last file was submitted."""

    def come(self) -> float:
        """Returns after how many seconds all is as desired; raises Broken."""
        world = self._world
        if world.has_rollouts:
            self._stand()
            world.registry.is_mended = True
            self._mend(lambda _name: self._rng.random() < 0.5)
        begun_at, calm = world.kernel.now, 0
        problem, is_late = "nothing was looked at", False
        words: tuple[str, ...] = ()
        while world.kernel.now - begun_at < PEACE_SECONDS:
            world.kernel.run(LOOK_AGAIN_SECONDS)
            world.approve()
            self._help()
            if not is_late and world.kernel.now - begun_at > MEND_SECONDS:
                is_late = True
                self._mend(self._is_immobile)
            problem, words = self.trouble()
            calm = 0 if problem else calm + 1
            if calm == CALM_LOOKS:
                return world.kernel.now - begun_at
        raise Broken("no peace", f"after {PEACE_SECONDS:.0f} s of kindness {problem}", words)

    # ---- rollouts that nobody helps -----------------------------------------------------

    def _stand(self) -> None:
        """Lets rollouts come to their ends, or to where they stand for a cause that they name; raises Broken."""
        world = self._world
        begun_at, calm, problem = world.kernel.now, 0, ""
        words: tuple[str, ...] = ()
        while world.kernel.now - begun_at < STAND_SECONDS:
            world.kernel.run(LOOK_AGAIN_SECONDS)
            world.approve()
            problem, words = self._goes_on()
            calm = 0 if problem else calm + 1
            if calm == CALM_LOOKS:
                return
        raise Broken("no end", f"after {STAND_SECONDS:.0f} s of kindness {problem}", words)

    def _goes_on(self) -> tuple[str, tuple[str, ...]]:
        """Which rollout is not over and does not stand still, in words; nothing where there is none."""
        process = self._world.leader
        if process is None or not process.is_alive:
            return "nobody leads", ()
        for rollouts in process.scheduler.context.state.rollouts.values():
            for part in rollouts.current.groups if rollouts.current is not None else ():
                if rollouts.current is not None and not self._stands(rollouts.current, part.group):
                    view = process.scheduler.view(process.now).stacks[rollouts.stack]
                    group = next(each for each in view.groups if each.spec.id == part.group)
                    cause = group.progress.cause if group.progress is not None else "nothing is said"
                    return f"rollout {rollouts.current.number} of {part.group} goes on: {cause}", (str(part.group),)
        return "", ()

    def _stands(self, rollout: Rollout, group: GroupId) -> bool:
        """Whether a rollout is over for a group, or has failed, or waits for people."""
        process = self._world.leader
        active = active_rollout(process.scheduler.context, group) if process is not None else None
        if active is None or active.part.is_done or active.part.problem or active.part.paused:
            return True
        if rollout.state.is_over or (active.is_held and active.step is not None and not active.step.hold_seconds):
            return True
        needed = {dependency.service for dependency in active.spec.dependencies}
        others = [part for part in rollout.groups if part.group.service in needed and not part.is_done]
        if others:
            return all(self._stands(rollout, part.group) for part in others)
        return bool(needed) and rollout.state is not RolloutState.DONE and self._is_unmet(active.spec)

    def _is_unmet(self, spec: GroupSpec) -> bool:
        """Whether a service on which the group depends does not run: by the tasks that are stored."""
        services = {dependency.service for dependency in spec.dependencies}
        tasks = self._world.tree.tasks.values()
        running = {task.group.service for task in tasks if task.group.stack == spec.id.stack and task.is_ready}
        return not services <= running

    # ---- people who help ----------------------------------------------------------------

    def _help(self) -> None:
        """Somebody looks whether a rollout stands still, and has it go on, and whether something was given up."""
        world, process = self._world, self._world.leader
        if process is None:
            return
        state = process.scheduler.context.state
        for rollouts in list(state.rollouts.values()):
            current = rollouts.current
            if current is None:
                continue
            is_paused = any(part.paused and not part.is_done for part in current.groups)  # of one group, it may be
            is_standing = current.state in STANDING or is_paused
            if is_standing or (world.has_rollouts and current.state is RolloutState.ABORTED):
                process.post(world.users.resume(rollouts.stack))
            elif world.has_rollouts:
                actives = (active_rollout(process.scheduler.context, part.group) for part in current.groups)
                if any(active is not None and active.is_open and active.is_held for active in actives):
                    process.post(world.users.resume(rollouts.stack, RolloutAction.PROMOTE))
        if world.has_rollouts and process.is_alive:
            for name, stack in process.scheduler.view(process.now).stacks.items():
                if any(each.is_final for group in stack.groups for each in group.waiting):
                    process.post(world.users.reset(name))

    def _mend(self, is_meant: Callable[[str], bool]) -> None:
        """Somebody submits a last file of the stacks that are meant."""
        process = self._world.leader
        for name, stack in sorted(self._world.tree.stacks.items()):
            is_there = not stack.is_removed and process is not None and process.is_alive
            if process is not None and is_there and name in self._world.users.files and is_meant(name):
                self._mended[name] = None
                process.post(self._world.users.mend(name))

    def _is_immobile(self, name: str) -> bool:
        """Whether a stack's rollout stands because of its pace."""
        process = self._world.leader
        view = process.scheduler.view(process.now).stacks.get(name) if process is not None else None
        told = [each.progress for each in view.groups if each.progress is not None] if view is not None else []
        return any(words in each.cause + each.problem for each in told for words in IMMOBILE)

    # ---- looking ------------------------------------------------------------------------

    def trouble(self) -> tuple[str, tuple[str, ...]]:
        """Differences from the specs, in words, and the ids concerned; none if there is no difference."""
        process = self._world.leader
        if process is None or not process.is_alive:
            return "nobody leads", ()
        context = process.scheduler.context
        if not context.outbox.is_empty:
            return "saves are unanswered", ()
        if requests := kill_guard.approval_requests(context):
            return f"somebody is asked: {requests[0].sentence}", ()
        lively = {id: task for id, task in self._world.tree.tasks.items() if task.state.is_lively}
        for id, task in lively.items():
            if task.goal is not Goal.RUN or task.state is not TaskState.RUNNING:
                return f"{id} is {task.state.value}, its goal {task.goal.value}", (id,)
        if self._world.has_rollouts and (problem := self._unfinished()):
            return problem, ()
        holders = {(task.group, task.slot): task for task in lively.values()}
        desired: dict[GroupId, None] = {}
        for stack in self._world.tree.stacks.values():
            if stack.is_removed:
                return f"stack {stack.name} is still being removed", ()
            for spec in stack.groups:
                desired[spec.id] = None
                if problem := self._unlike_the_file(spec):
                    return problem, (str(spec.id),)
                if problem := self._amiss(spec, [task for task in lively.values() if task.group == spec.id]):
                    return f"{spec.id}: {problem}; {context.placing.causes.get(spec.id, '')}", (str(spec.id),)
        undesired = [id for id, task in lively.items() if task.group not in desired]
        if undesired or len(holders) != len(lively):
            return f"{len(lively)} tasks in {len(holders)} slots run, nobody desired {undesired}", tuple(lively)
        return self._reality(dict.fromkeys(lively))

    def _amiss(self, spec: GroupSpec, running: list[Task]) -> str:
        """Differences of a group from its spec, in words."""
        wanted = 0 if spec.wants_none else spec.instances
        if spec.mode is Mode.GLOBAL:
            wanted = 0 if spec.is_stopped else self._open_agents()
        old = [task for task in running if task.version != spec.version or task.generation < spec.generation]
        if old:
            return f"{old[0].id} runs as it was desired before"
        unheeded = [task for task in running if task.signals < spec.signals]
        if unheeded:
            return f"{unheeded[0].id} has had {unheeded[0].signals} of {spec.signals} signals"
        finished = 0
        if spec.restart is not Restart.ALWAYS:
            slots = {task.slot for task in running}
            over = [
                task for task in self._world.tree.tasks.values() if task.group == spec.id and task.slot not in slots
            ]
            finished = len({task.slot for task in over if task.state is TaskState.FINISHED})
        if not min(self._most(spec, wanted), wanted) - finished <= len(running) <= wanted:
            return f"{len(running)} of {wanted} run as desired"
        return ""

    def _open_agents(self) -> int:
        return len([agent for agent in self._world.living() if agent.id not in self._world.master.draining])

    def _most(self, spec: GroupSpec, wanted: int) -> int:
        """How many tasks its rules allow, where people ask for more than there are agents for: one is drained for
        good."""
        per_agent = (int(rule.values[0]) for rule in spec.rules.constraints if rule.operator is Operator.MAX_PER)
        return min((most * self._open_agents() for most in per_agent), default=wanted)

    def _reality(self, lively: dict[str, None]) -> tuple[str, tuple[str, ...]]:
        """Whether master and engines agree with the store."""
        process = self._world.leader
        # One that throws out a frozen scheduler has its long declines: without an offer there is nothing to be rid of.
        has_offers = process is not None and bool(process.scheduler.context.pool.received)
        specs = (spec for stack in self._world.tree.stacks.values() for spec in stack.groups)
        has_too_many = any(not spec.wants_none and self._most(spec, spec.instances) < spec.instances for spec in specs)
        if has_offers and not self._world.master.is_suppressed and not has_too_many:
            return "the scheduler asks for offers still, though nothing is pending", ()
        rows = self._world.master.registered.values()
        known = {id for row in rows for id, task in row.tasks.items() if task.state not in TERMINAL}
        if known != set(lively):
            odd = sorted(known ^ set(lively))
            return f"master and store differ: {', '.join(odd)}", tuple(odd)
        containers = {
            each.name: each.state
            for agent in self._swept()
            for each in agent.engine.containers.values()
            if agent.executors or each.state == "running"
        }
        odd = sorted(name for name, state in containers.items() if name not in lively or state != "running")
        if odd:
            return f"stray containers: {', '.join(odd)}", tuple(odd)
        if len(containers) != len(lively):
            missing = sorted(set(lively) - set(containers))
            return f"tasks without a container: {', '.join(missing)}", tuple(missing)
        return self._cared()

    def _cared(self) -> tuple[str, tuple[str, ...]]:
        """Whether each executor has what the store says that its tasks have: in-place settings, and signals."""
        for agent in self._world.living():
            for running in agent.executors.values():
                for id, has in running.process.has.items() if running.process is not None else ():
                    task = self._world.tree.tasks.get(TaskId(id))
                    if task is not None and task.state.is_lively and has != (task.version, task.signals):
                        return f"{id} has {has}, and the store says {(task.version, task.signals)}", (id,)
        return "", ()

    def _swept(self) -> list[Agent]:
        """The agents that are to have no stray containers: all but those that drain, to which nothing is launched."""
        draining = self._world.master.draining
        return [agent for agent in self._world.living() if agent.executors or agent.id not in draining]

    def _unfinished(self) -> str:
        """Which rollout is not over, in words."""
        process = self._world.leader
        for rollouts in process.scheduler.context.state.rollouts.values() if process is not None else ():
            if (current := rollouts.current) is not None:
                left = [f"{part.group}: {part.problem or part}" for part in current.groups if not part.is_done]
                return f"rollout {current.number} of {rollouts.stack} is {current.state.value}: {'; '.join(left)}"
        return ""

    def _unlike_the_file(self, spec: GroupSpec) -> str:
        """Whether a group is another one than the last file says: the newest submit wins."""
        if spec.id.stack not in self._mended:
            return ""
        file = self._world.users.files[spec.id.stack]
        wanted = {group.id: version_of(group) for group in file.groups}
        if wanted.get(spec.id) == spec.version:
            return ""
        return f"{spec.id} is desired as {spec.version}, and the last file says {wanted.get(spec.id)}"
