"""The status page: connection, stacks, groups, tasks, agents. Server-rendered from the view; it decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from framework.core.model import Instant, Task
from framework.core.views import AgentView, GroupState, GroupView, StackView, View
from framework.core.volatile import Connection
from framework.web.html import Content, Html, element, joined, page
from placement.agent import Agent, AgentState
from specs.ids import is_same_container
from specs.model.resources import format_cpus
from specs.states import Health, Readiness, TaskState

_REFRESH_SECONDS = 5
_MOST_TASKS_SHOWN = 50
_MOST_AGENTS_SHOWN = 100
_ENDED_SHOWN = 3

_CONNECTION_CSS = {Connection.LOADING: "wait", Connection.CONNECTING: "bad", Connection.SUBSCRIBED: "good"}
_GROUP_CSS = {
    GroupState.RUNNING: "good",
    GroupState.WAITING: "wait",
    GroupState.CHANGING: "wait",
    GroupState.STOPPED: "none",
    GroupState.REMOVING: "wait",
    GroupState.FINISHED: "good",
    GroupState.FAILED: "bad",
}
_HEALTH_CSS = {Health.HEALTHY: "good", Health.UNHEALTHY: "bad", Health.UNKNOWN: "wait", Health.NONE: "none"}
_TASK_CSS = {
    TaskState.RUNNING: "good",
    TaskState.FINISHED: "good",
    TaskState.INTENT: "wait",
    TaskState.STAGING: "wait",
    TaskState.STARTING: "wait",
    TaskState.KILLING: "wait",
    TaskState.KILLED: "none",
}


def status_page(view: View, *, info_line: str, now: Instant) -> str:
    """The page as HTML; `info_line` names the scheduler, `now` is seconds since 1970."""
    contents: list[Content] = [_top(view, info_line), _facts(view)]
    if view.problem:
        contents.append(element("div", view.problem, css="notice bad", role="alert"))
    contents += [_stack(view, view.stacks[name], now) for name in sorted(view.stacks)]
    if not view.stacks:
        hint = joined("No stack yet. ", element("code", "framework submit stack.yml"), " makes one.")
        if view.connection is Connection.LOADING:
            hint = joined("The scheduler is reading its store.")
        contents.append(element("section", element("div", hint, css="empty"), css="card"))
    if view.agents or view.agents_problem:
        contents.append(_agents(view))
    return page(info_line, *contents, refresh_seconds=_REFRESH_SECONDS)


def _top(view: View, info_line: str) -> Html:
    links = joined(element("a", "API", href="/docs"))
    if view.master:
        links = joined(element("a", "Mesos", href=f"http://{view.master}"), " · ", links)
    mark = _mark(view.connection.value, _CONNECTION_CSS[view.connection])
    return element("header", element("h1", info_line), mark, element("nav", links), css="top")


def _facts(view: View) -> Html:
    groups = [group for stack in view.stacks.values() for group in stack.groups]
    ready = sum(group.ready for group in groups)
    wanted = sum(group.wanted for group in groups)
    facts = [
        ("Framework id", view.framework_id or "none yet"),
        ("Master", view.master or "none"),
        ("Stacks", str(len(view.stacks))),
        ("Tasks ready", f"{ready} of {wanted}"),
        ("Agents known", str(len(view.agents))),
    ]
    return element(
        "div",
        *(element("div", element("b", name), element("span", fact), css="fact") for name, fact in facts),
        css="facts",
    )


def _stack(view: View, stack: StackView, now: Instant) -> Html:
    spec = stack.spec
    said = f"index {spec.index}, changed {_ago(now - spec.submitted_at)}"
    said += f" by {spec.submitted_by}" if spec.submitted_by else ""
    said += f": {spec.message}" if spec.message else ""
    head = element(
        "header",
        element("h2", spec.name),
        _mark("removing", "wait") if spec.is_removed else "",
        element("span", said, css="dim push"),
    )
    return element("section", head, *(_group(view, group, now) for group in stack.groups), css="card", id=spec.name)


def _group(view: View, group: GroupView, now: Instant) -> Html:
    spec = group.spec
    head = element(
        "header",
        element("h3", spec.id.service),
        *(element("span", label, css="label") for label in spec.id.labels),
        _mark(_state(group), _GROUP_CSS[group.state]),
        element("span", f"{group.container.image or 'plain process'} · {group.resources}", css="dim push"),
    )
    return element("div", head, _tasks(view, group, now), _waiting(group, now), _ended(group, now), css="group")


def _state(group: GroupView) -> str:
    counts = group.state in (GroupState.RUNNING, GroupState.WAITING, GroupState.CHANGING)
    return f"{group.state.value} {group.ready}/{group.wanted}" if counts else group.state.value


def _tasks(view: View, group: GroupView, now: Instant) -> Html:
    if not group.tasks:
        return Html("")
    heads = ("Slot", "Task", "State", "Health", "Agent", "Ports", "Since", "Message")
    rows = [_row(view, group, task, now) for task in group.tasks[:_MOST_TASKS_SHOWN]]
    table = element("table", element("tr", *(element("th", head) for head in heads)), *rows)
    left = len(group.tasks) - _MOST_TASKS_SHOWN
    more = element("p", f"and {left} more: framework ps {group.spec.id}", css="dim") if left > 0 else ""
    return element("div", table, more, css="scroll")


def _health(task: Task) -> Content:
    if task.readiness is not Readiness.NONE and task.health in (Health.NONE, Health.HEALTHY):
        is_ready = task.readiness is Readiness.READY
        return _mark("ready" if is_ready else "not ready", "good" if is_ready else "wait")
    return "" if task.health is Health.NONE else _mark(task.health.value.lower(), _HEALTH_CSS[task.health])


def _row(view: View, group: GroupView, task: Task, now: Instant) -> Html:
    return element(
        "tr",
        element("td", task.slot),
        element("td", task.id, css="mono"),
        element("td", _mark(task.state.shown.lower(), _TASK_CSS.get(task.state, "bad"))),
        element("td", _health(task)),
        element("td", task.hostname),
        element("td", *_ports(group, task), css="mono"),
        element("td", _duration(now - task.state_since)),
        element("td", _message(view, group, task), css="wide"),
    )


def _ports(group: GroupView, task: Task) -> Iterable[Content]:
    names = [port.name for port in group.container.ports] if is_same_container(task.version, group.spec.version) else []
    for position, port in enumerate(task.host_ports):
        if position:
            yield Html("<br>")
        yield f"{names[position]} " if position < len(names) else ""
        address = f"{task.address}:{port}"
        yield element("a", address, href=f"http://{address}/")


def _message(view: View, group: GroupView, task: Task) -> str:
    progress = view.progress.get(task.id)
    parts = []
    if progress:
        of = f" {100 * progress.done_bytes // progress.total_bytes} %" if progress.total_bytes else ""
        parts.append(f"{progress.stage}{of}")
    if task.stop_cause and not task.state.is_terminal:
        parts.append(f"stops: {task.stop_cause}")
    parts += [said for said in [group.waits.get(task.id, ""), task.message or task.reason] if said]
    return "; ".join(parts)


def _waiting(group: GroupView, now: Instant) -> Html:
    causes: dict[tuple[str, bool], list[int]] = {}
    for waiting in group.waiting:
        causes.setdefault((waiting.sentence(now), waiting.is_final), []).append(waiting.slot)
    items = []
    for (cause, is_final), slots in causes.items():
        which = f"slot {slots[0]}" if len(slots) == 1 else f"{len(slots)} slots"
        mark = _mark(f"{which} given up", "bad") if is_final else _mark(f"{which} waiting", "wait")
        items.append(element("li", mark, " ", cause))
    return element("ul", *items, css="why") if items else Html("")


def _ended(group: GroupView, now: Instant) -> Html:
    items = []
    for task in group.ended[:_ENDED_SHOWN]:
        code = f", exit code {task.exit_code}" if task.exit_code is not None else ""
        text = (
            f" {task.id}{code}, {_ago(now - (task.ended_at or task.state_since))}: {task.message or task.reason or '-'}"
        )
        items.append(element("li", _mark(task.state.shown.lower(), _TASK_CSS.get(task.state, "bad")), text))
    if not items:
        return Html("")
    summary = element("summary", "ended lately", css="dim")
    return element("details", summary, element("ul", *items, css="why"), css="scroll")


def _agents(view: View) -> Html:
    tasks = Counter(
        task.agent_id
        for stack in view.stacks.values()
        for group in stack.groups
        for task in group.tasks
        if task.state.is_lively
    )
    agents = sorted(view.agents.values(), key=lambda one: (one.agent.hostname, one.agent.id))
    heads = ("Agent", "State", "Attributes", "Free", "Tasks", "Note")
    rows = [_agent(one, tasks[one.agent.id]) for one in agents[:_MOST_AGENTS_SHOWN]]
    table = element("table", element("tr", *(element("th", head) for head in heads)), *rows) if agents else ""
    left = len(agents) - _MOST_AGENTS_SHOWN
    more = element("p", f"and {left} more: framework agents", css="dim") if left > 0 else ""
    head = element("header", element("h2", "Agents"), element("span", view.agents_problem, css="dim push"))
    body = element("div", element("div", table, more, css="scroll"), css="group")
    return element("section", head, body, css="card", id="agents-of-the-cluster")


def _agent(one: AgentView, tasks: int) -> Html:
    agent = one.agent
    is_fine = agent.state is AgentState.ACTIVE and not one.unavailable
    place = [part for part in (agent.region, agent.zone) if part]
    attributes = [*place, *(f"{name}={text}" for name, text in agent.attributes)]
    return element(
        "tr",
        element("td", agent.hostname),
        element("td", _mark(agent.state.value, "good" if is_fine else "wait")),
        element("td", *(element("span", text, css="label") for text in attributes), css="wide"),
        element("td", _free(agent)),
        element("td", tasks),
        element("td", one.unavailable),
    )


def _free(agent: Agent) -> str:
    if agent.free is None or agent.total is None:
        return "not told"
    free, total = agent.free, agent.total
    cpus = f"cpus {format_cpus(free.cpus_milli)} of {format_cpus(total.cpus_milli)}"
    return f"{cpus}, mem {free.mem_mib} of {total.mem_mib} MiB"


def _mark(text: str, css: str) -> Html:
    return element("span", text, css=f"mark {css}")


def _ago(seconds: float) -> str:
    return f"{_duration(seconds)} ago"


def _duration(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds // 86400)} days"
