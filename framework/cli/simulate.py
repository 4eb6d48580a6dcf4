"""framework simulate"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from framework.cli.agents_file import read_agents
from framework.cli.cluster_file import read_cluster
from framework.cli.explain import show_cures
from framework.cli.faults import CommandFault
from framework.cli.files import load, with_file
from framework.cli.fleet import Fleet
from framework.cli.options import with_json
from framework.cli.output import cell, plural, print_json, print_table
from framework.exits import CliExit
from placement.cluster_snapshot import ClusterSnapshot
from placement.occupancy import Occupancy
from placement.request import Request
from placement.simulation import Balance, Outcome, Settled, balances, snapshot_of_agents
from placement.simulation import simulate as simulate_stack
from specs.ids import AgentId, GroupId
from specs.model.constraints import Mode
from specs.model.errors import StackError
from specs.model.resources import Resources, format_cpus, format_size_mib
from specs.model.stack import Stack

_DOMAINS_SHOWN = 12
_SLOTS_SHOWN = 12
_HEADERS = {"mem_mib": "MEMORY", "disk_mib": "DISK"}


@click.command()
@with_file
@click.option("--agents", "agents_file", metavar="FILE", help="A file of agents; docs/simulate.md has its form.")
@click.option("--from-cluster", "cluster_file", metavar="FILE", help="What `framework agents --json` printed.")
@click.option("--verbose", is_flag=True, help="Show every slot.")
@click.option(
    "--limit", type=click.IntRange(0, 100_000), default=40, show_default=True, metavar="N", help="Agents shown at most."
)
@with_json
@click.pass_context
def simulate(
    context: click.Context,
    file: str,
    name: str | None,
    overrides: tuple[str, ...],
    sets: tuple[str, ...],
    agents_file: str | None,
    cluster_file: str | None,
    verbose: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Place a stack file on agents of a file, without a scheduler.

    It shows what fits and where, how evenly, and what would help the rest. Ends with 1 where something does not fit.
    """
    if (agents_file is None) == (cluster_file is None):
        raise CommandFault("simulate wants exactly one of --agents FILE and --from-cluster FILE.", CliExit.USAGE)
    stack = load(file, name, overrides, sets)
    fleet = _fleet(agents_file, cluster_file)
    before = _snapshot(fleet)
    requests, settled = simulate_stack(stack, before, kept=_kept(fleet, stack))
    report = _Report(stack=stack, requests=requests, settled=settled)
    if as_json:
        print_json(report.plain())
    else:
        report.show(agents_file or cluster_file or "", limit, verbose)
    if any(outcome.refused for outcome in settled.outcomes):
        context.exit(int(CliExit.REFUSED))


def _fleet(agents_file: str | None, cluster_file: str | None) -> Fleet:
    try:
        return read_agents(agents_file) if agents_file is not None else read_cluster(cluster_file or "")
    except StackError as error:
        raise CommandFault("\n".join(str(fault) for fault in error.faults), CliExit.USAGE) from None


def _snapshot(fleet: Fleet) -> ClusterSnapshot:
    return snapshot_of_agents(
        fleet.agents,
        executor=fleet.executor,
        region=fleet.region,
        occupancy=Occupancy(counts=fleet.counts),
        present=fleet.present,
        unavailable=fleet.unavailable,
    )


def _kept(fleet: Fleet, stack: Stack) -> dict[GroupId, dict[int, AgentId | None]]:
    """Slots of the stack that have a task on the cluster already: they stay."""
    kept: dict[GroupId, dict[int, AgentId | None]] = {}
    for group in stack.groups:
        there = fleet.counts.get(group.id, {})
        agents = [agent for agent in sorted(there) for _ in range(sum(there[agent].values()))]
        kept[group.id] = dict(enumerate(agents[: group.instances] if group.mode is Mode.REPLICATED else agents))
    return kept


class _Report:
    """The output of a simulation."""

    def __init__(self, *, stack: Stack, requests: Sequence[Request], settled: Settled) -> None:
        self._stack = stack
        self._requests = {request.group: request for request in requests}
        self._outcomes = settled.outcomes
        self._snapshot = settled.snapshot
        self._agents = {agent.id: agent for agent in settled.snapshot.cluster.agents}
        self._tasks: dict[AgentId, int] = {}
        for agents in settled.snapshot.occupancy.counts.values():
            for agent, versions in agents.items():
                self._tasks[agent] = self._tasks.get(agent, 0) + sum(versions.values())

    def plain(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "stack": self._stack.name,
            "fits": not any(outcome.refused for outcome in self._outcomes),
            "groups": [self._group_plain(outcome) for outcome in self._outcomes],
            "agents": [
                {"agent": self._agents[id].hostname, "tasks": self._tasks.get(id, 0), "used": used, "total": total}
                for id, used, total in self._usage()
            ],
        }

    def _group_plain(self, outcome: Outcome) -> dict[str, Any]:
        refused = outcome.refused
        return {
            "group": str(outcome.group),
            "wanted": outcome.wanted,
            "kept": outcome.kept,
            "placements": [
                {"slot": one.slot, "agent": self._agents[one.agent_id].hostname, "host_ports": list(one.host_ports)}
                for one in outcome.placements
            ],
            "balances": [
                {
                    "fields": list(balance.fields),
                    "skew": balance.skew,
                    "tasks": [{"values": list(values), "tasks": count} for values, count in balance.counts],
                }
                for balance in self._balances(outcome)
            ],
            "unplaced": {
                "slots": list(refused.slots),
                "sentence": refused.sentence(),
                "cures": [{"text": c.text, "agents": c.agents, "slots": c.slots} for c in outcome.cures],
            }
            if refused
            else None,
        }

    def _usage(self) -> Iterator[tuple[AgentId, dict[str, Any], dict[str, Any]]]:
        for agent in self._snapshot.cluster.agents:
            total = agent.total
            if total is not None:
                left = self._snapshot.free.get(agent.id, Resources())
                yield agent.id, _amounts(_less(total, left)), _amounts(total)

    def _balances(self, outcome: Outcome) -> tuple[Balance, ...]:
        return balances(self._requests[outcome.group], self._snapshot)

    def show(self, source: str, limit: int, verbose: bool) -> None:
        """All of it, for people."""
        placed = sum(outcome.kept + len(outcome.placements) for outcome in self._outcomes)
        wanted = sum(outcome.wanted for outcome in self._outcomes)
        where = f"{plural(len(self._agents), 'agent')} of {source}"
        click.echo(f"{self._stack.name} on {where}: {placed}/{wanted} tasks have a place")
        for outcome in self._outcomes:
            self._show_group(outcome, verbose)
        click.echo()
        self._show_usage(limit)

    def _show_group(self, outcome: Outcome, verbose: bool) -> None:
        counts = self._snapshot.occupancy.counts.get(outcome.group, {})
        placed = outcome.kept + len(outcome.placements)
        on = f" on {plural(len(counts), 'agent')}" if counts else ""
        kept = f"; {outcome.kept} of them run already" if outcome.kept else ""
        click.echo(f"  {outcome.group}: {placed}/{outcome.wanted} placed{on}{kept}")
        for balance in self._balances(outcome):
            click.echo(f"    {' / '.join(balance.fields)}: {_shares(balance)} (skew {balance.skew})")
        if outcome.refused:
            click.echo(f"    {_slots(outcome.refused.slots)} left: {cell(outcome.refused.sentence())}")
            show_cures(
                [{"text": cure.text, "agents": cure.agents, "slots": cure.slots} for cure in outcome.cures], "      "
            )
        for placement in outcome.placements if verbose else ():
            ports = f", host ports {', '.join(map(str, placement.host_ports))}" if placement.host_ports else ""
            click.echo(f"    slot {placement.slot}: {self._agents[placement.agent_id].hostname}{ports}")

    def _show_usage(self, limit: int) -> None:
        """The agents with most tasks first."""
        lines = sorted(self._usage(), key=lambda line: (-self._tasks.get(line[0], 0), line[0]))
        empty = sum(not self._tasks.get(id) for id, _, _ in lines)
        shown = [line for line in lines if self._tasks.get(line[0])][:limit]
        # Of what nobody uses there is nothing to say.
        names = list(dict.fromkeys(name for _, used, _ in shown for name, amount in used.items() if amount))
        if shown:
            headers = ["AGENT", "TASKS", *(_HEADERS.get(name, name.upper()) for name in names)]
            print_table(headers, [self._usage_row(line, names) for line in shown])
        left = len(lines) - empty - len(shown)
        if left:
            click.echo(f"and {plural(left, 'more agent')} with tasks; --limit shows them")
        if empty:
            click.echo(f"{plural(empty, 'agent')} without a task")

    def _usage_row(self, line: tuple[AgentId, dict[str, Any], dict[str, Any]], names: Iterable[str]) -> list[str]:
        id, used, total = line
        amounts = [f"{_written(name, used.get(name, 0))}/{_written(name, total.get(name, 0))}" for name in names]
        return [self._agents[id].hostname, str(self._tasks.get(id, 0)), *amounts]


def _less(total: Resources, left: Resources) -> Resources:
    """The amount in use; never negative, as free and total may come from different moments."""
    scalars = dict(left.scalars)
    items = dict(left.sets)
    return Resources(
        cpus_milli=max(0, total.cpus_milli - left.cpus_milli),
        mem_mib=max(0, total.mem_mib - left.mem_mib),
        disk_mib=max(0, total.disk_mib - left.disk_mib),
        gpus=max(0, total.gpus - left.gpus),
        ports=total.ports - left.ports,
        scalars=tuple((name, max(0, amount - scalars.get(name, 0))) for name, amount in total.scalars),
        sets=tuple((name, tuple(i for i in members if i not in items.get(name, ()))) for name, members in total.sets),
    )


def _amounts(resources: Resources) -> dict[str, Any]:
    """By name, without what an agent has none of."""
    amounts: dict[str, Any] = {"cpus": resources.cpus_milli / 1000, "mem_mib": resources.mem_mib}
    amounts |= {"disk_mib": resources.disk_mib} if resources.disk_mib else {}
    amounts |= {"gpus": resources.gpus} if resources.gpus else {}
    amounts |= {"ports": len(resources.ports)} if resources.ports.ranges else {}
    amounts |= {name: amount / 1000 for name, amount in resources.scalars}
    return amounts | {name: len(items) for name, items in resources.sets}


def _written(name: str, amount: float) -> str:
    if name.endswith("_mib"):
        return format_size_mib(int(amount))
    return format_cpus(round(amount * 1000))


def _shares(balance: Balance) -> str:
    shown = [f"{count} {'/'.join(values)}" for values, count in balance.counts[:_DOMAINS_SHOWN]]
    more = len(balance.counts) - len(shown)
    return (", ".join(shown) or "no agent has it") + (f" and {plural(more, 'more value')}" if more else "")


def _slots(slots: Sequence[int]) -> str:
    shown = ", ".join(map(str, slots[:_SLOTS_SHOWN]))
    more = f" and {len(slots) - _SLOTS_SHOWN} more" if len(slots) > _SLOTS_SHOWN else ""
    return f"slot{'' if len(slots) == 1 else 's'} {shown}{more}"
