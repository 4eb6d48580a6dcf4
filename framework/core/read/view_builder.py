"""Builds the view for readers. Only the groups that changed are built again."""

from __future__ import annotations

from collections.abc import Mapping

from framework.core.converge import executor_upgrade
from framework.core.converge.kill_guard import approval_requests
from framework.core.groups.completion import has_finished, has_used_up_retries
from framework.core.groups.restart_delay import retries_used_up
from framework.core.groups.rollout_gate import rollout_of
from framework.core.launch.global_groups import why_nowhere
from framework.core.launch.placement_request import spec_to_launch
from framework.core.model import GroupSpec, History, Instant, Task, Version
from framework.core.read.overdue import waits_of
from framework.core.rollout.progress import progress_of
from framework.core.state.agent_failures import count_now, points_for
from framework.core.state.backoff import is_permanently_failed, is_waiting, permanent_failure, sentence
from framework.core.state.context import Context
from framework.core.state.placing import NO_OFFERS
from framework.core.views import AgentView, GroupState, GroupView, HistoryView, StackView, View, Waiting
from framework.core.volatile import Connection
from specs.ids import AgentId, GroupId, VersionId
from specs.model.constraints import Mode
from specs.states import Goal


class Viewer:
    """Remembers the views of groups, stacks and agents, as long as nothing about them changes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._groups: dict[GroupId, GroupView] = {}
        self._stacks: dict[str, StackView] = {}
        self._agents: dict[str, AgentView] = {}
        self._histories: dict[str, HistoryView] = {}

    def view(self, now: Instant) -> View:
        """The picture of now."""
        context = self._context
        touched, context.state.touched = context.state.touched, {}
        for group in touched:
            if group in context.state.groups:
                self._groups[group] = self._group(group)
            else:
                self._groups.pop(group, None)
        for name in dict.fromkeys(group.stack for group in touched):
            if name in context.state.stacks:
                self._stacks[name] = self._stack(name)
            else:
                self._stacks.pop(name, None)
        requests = approval_requests(context)
        sentences = (request.sentence for request in requests)
        return View(
            at=now,
            connection=context.connection,
            problem="; ".join(filter(None, (context.store_problem, context.problem, *sentences))),
            framework_id=context.state.framework_id,
            master=context.master,
            stacks=dict(sorted(self._stacks.items())),
            agents=self._seen_agents(now),
            progress=dict(context.progress),
            region=context.agents.region,
            executor=context.settings.executor_resources,
            agents_problem=context.agents.problem,
            approval_requests=requests,
            store_problem=context.store_problem,
            executor_id=context.settings.executor_id,
            is_upgrading_executors=context.executor_upgrade is not None,
            upgrading_agent=executor_upgrade.agent_name(context),
            agents_to_upgrade=len(context.executor_upgrade.waiting) if context.executor_upgrade is not None else 0,
            executor_upgrade_problem=context.executor_upgrade_problem,
            histories=self._seen_histories(),
            answers=context.state.answers,
        )

    def _seen_histories(self) -> dict[str, HistoryView]:
        """The histories by stack; the same mapping as before where none has changed."""
        state = self._context.state
        revised, state.revised = state.revised, {}
        if revised:
            self._histories = {
                name: _history(history, state.versions) if name in revised else self._histories[name]
                for name, history in sorted(state.histories.items())
            }
        return self._histories

    def _seen_agents(self, now: Instant) -> dict[str, AgentView]:
        """The agents by id; the same mapping as before where nothing about them has changed."""
        agents, pool = self._context.agents, self._context.pool
        touched = {**agents.touched, **pool.touched}
        if touched:
            agents.touched, pool.touched = {}, {}
            seen = dict(self._agents)
            for id in touched:
                view = self._agent(id, now)
                if view is None:
                    seen.pop(id, None)
                else:
                    seen[id] = view
            self._agents = seen
        return self._agents

    def _agent(self, id: AgentId, now: Instant) -> AgentView | None:
        context = self._context
        agent, stored = context.agents.seen(id), context.state.agents.get(id)
        if agent is None:
            return None
        counts = {each.group: count_now(each, now, context.settings) for each in (stored.failures if stored else ())}
        return AgentView(
            agent=agent,
            offered=context.pool.free(id),
            unavailable=context.agents.unavailable.get(id, ""),
            penalties={group: points_for(count) for group, count in counts.items() if count},
        )

    def _stack(self, name: str) -> StackView:
        members = sorted(self._context.state.by_stack.get(name, {}))
        state = self._context.state
        groups = tuple(self._groups[group] for group in members)
        return StackView(spec=state.stacks[name], groups=groups, rollouts=state.rollouts.get(name))

    def _group(self, group: GroupId) -> GroupView:
        state = self._context.state
        index = state.groups[group]
        spec = state.specs.get(group)
        tasks = [state.tasks[id] for id in (*index.holders.values(), *index.surge.values(), *index.outgoing)]
        tasks.sort(key=lambda task: (task.slot, task.launched_at))
        ended = tuple(state.tasks[id] for id in reversed(index.ended))
        version = self._version(group, spec, (*tasks, *ended))
        return GroupView(
            spec=spec or GroupSpec(id=group, version=version.id, instances=0),
            container=version.container,
            resources=version.resources,
            state=self._state(group, spec),
            tasks=tuple(tasks),
            ended=ended,
            waiting=self._waiting(group, spec),
            wanted=len(index.wanted),
            stories={task.id: self._context.stories.of(task.id) for task in (*tasks, *ended)},
            stall=index.stall,
            waits=waits_of(self._context, group),
            progress=progress_of(self._context, group),
            refused_by=self._context.placing.waits_published.get(group, ((), 0.0))[0]
            if group in self._context.pending
            else (),
            scaling=scaler.decision
            if (scaler := self._context.scalers.get(group)) and spec and spec.autoscale
            else None,
        )

    def _version(self, group: GroupId, spec: GroupSpec | None, tasks: tuple[Task, ...]) -> Version:
        """The settings that are desired; of a group that is on its way out, those of a task of it."""
        state = self._context.state
        if spec is not None:
            return state.versions[group.stack, spec.version]
        if tasks:
            return state.versions[group.stack, tasks[0].version]
        raise ValueError(f"{group}: wanted a spec or a task to show; got neither, and it is still in the state")

    def _state(self, group: GroupId, spec: GroupSpec | None) -> GroupState:
        state = self._context.state
        index = state.groups[group]
        if spec is None:
            return GroupState.REMOVING
        wanted = len(index.wanted)
        if spec.wants_none:
            return GroupState.STOPPED if index.is_empty else GroupState.WAITING
        if wanted == 0:
            return GroupState.WAITING
        if self._is_changing(group):
            return GroupState.CHANGING
        if len(index.ready) == wanted == len(index.holders) and not index.outdated:
            return GroupState.RUNNING
        finished = sum(has_finished(state, spec, slot) for slot in index.wanted if slot not in index.holders)
        is_failed = self._is_failed(spec)
        if is_failed or self._without_retries(spec):
            pending = len(self._context.pending.get(group, ())) if is_failed else 0
            is_over = finished + pending + len(index.ready) == wanted
            return GroupState.FAILED if is_over else GroupState.WAITING
        if finished == wanted:
            return GroupState.FINISHED
        if finished and finished + len(index.ready) == wanted:
            return GroupState.RUNNING
        return GroupState.WAITING

    def _is_changing(self, group: GroupId) -> bool:
        """Whether a rollout is not done with the group, and will still do something."""
        rollout = rollout_of(self._context, group.stack)
        part = rollout.part(group) if rollout else None
        return rollout is not None and part is not None and not (part.is_done or rollout.state.is_over)

    def _waiting(self, group: GroupId, spec: GroupSpec | None) -> tuple[Waiting, ...]:
        context = self._context
        index = context.state.group(group)
        if group in context.deferred_stops:
            running = (slot for slot, id in sorted(index.holders.items()) if context.state.tasks[id].goal is Goal.RUN)
            return tuple(Waiting(slot=slot, cause=context.deferred_stops[group]) for slot in running)
        if spec is None or spec.is_stopped:
            return ()
        is_nowhere = spec.mode is Mode.GLOBAL and not context.state.group(group).wanted
        slots = {0: None} if is_nowhere else context.pending.get(group, {})
        waiting = [self._pending(spec, slot, is_nowhere=is_nowhere) for slot in slots]
        waiting += [
            Waiting(slot=task.slot, cause=retries_used_up(task, spec), is_final=True)
            for task in self._without_retries(spec)
        ]
        return tuple(sorted(waiting, key=lambda each: each.slot))

    def _pending(self, spec: GroupSpec, slot: int, *, is_nowhere: bool) -> Waiting:
        context, group = self._context, spec.id
        version = spec_to_launch(context, spec, slot).version
        backoff = context.state.backoffs.get((group, version))
        if backoff is not None and is_permanently_failed(backoff):
            return Waiting(slot=slot, cause=permanent_failure(backoff, str(group)), is_final=True)
        if context.connection is not Connection.SUBSCRIBED:
            return Waiting(slot=slot, cause=f"waits for Mesos: {context.problem}")
        if context.agents.is_awaited:
            return Waiting(slot=slot, cause="waits for the master's agent list")
        if backoff is not None and is_waiting(backoff, context.now):
            return Waiting(slot=slot, cause=sentence(backoff), until=backoff.until, backoff=backoff)
        if is_nowhere:
            return Waiting(slot=slot, cause=why_nowhere(context, spec), is_unplaced=True)
        cause = context.placing.causes.get(group, NO_OFFERS)
        return Waiting(slot=slot, cause=cause.text, is_unplaced=cause.is_unplaced)

    def _without_retries(self, spec: GroupSpec) -> list[Task]:
        """The last task of each slot whose retries are used up."""
        if not spec.retry.attempts:
            return []
        state = self._context.state
        index = state.group(spec.id)
        last = (state.tasks[id] for slot, id in index.last_ended.items() if slot in index.wanted)
        return [task for task in last if task.slot not in index.holders and has_used_up_retries(task, spec)]

    def _is_failed(self, spec: GroupSpec) -> bool:
        backoff = self._context.state.backoffs.get((spec.id, spec.version))
        return backoff is not None and is_permanently_failed(backoff)


def _history(history: History, versions: Mapping[tuple[str, VersionId], Version]) -> HistoryView:
    named = {id: versions[history.stack, id] for id in history.versions}
    return HistoryView(revisions=history.revisions, versions=named)
