"""framework explain"""

from __future__ import annotations

from collections.abc import Sequence

import click

from framework.cli.options import complete_tasks, with_server
from framework.cli.output import cell, note, plural, print_json, print_table
from framework.cli.server import Answer, Server, path_of
from framework.cli.story import is_task, show_story
from framework.exits import CliExit

_WIDEST = 20
_MET, _UNMET = "\N{CHECK MARK}", "\N{BALLOT X}"


@click.command()
@click.argument("what", metavar="GROUP[/SLOT]|TASK", shell_complete=complete_tasks)
@click.option("--agent", default="", metavar="GLOB", help="Only agents with such a host name or id.")
@click.option(
    "--limit", type=click.IntRange(0, 100_000), default=40, show_default=True, metavar="N", help="Agents at most."
)
@with_server
@click.pass_context
def explain(context: click.Context, what: str, agent: str, limit: int, server: Server, as_json: bool) -> None:
    """Say why a slot has no task, or why its task is where it is.

    GROUP is stack/service[label,…]; of several slots the first that waits is explained, or else where one task more
    would go. TASK is an id, or the number at the end of it; what happened to it is told too. The table has each agent
    against each rule. Ends with 1 where the slot has no task, and would get none now.
    """
    answer = server.get("/v1/explain", of=what, agent=agent, limit=limit)
    story = server.get(path_of("tasks", what, "story")) if is_task(what) else None
    if as_json:
        print_json({**answer, "story": story} if story else answer)
    else:
        _show(answer, agent)
        if story:
            show_story(story)
    if not answer["fits"]:
        context.exit(int(CliExit.REFUSED))


def _show(answer: Answer, agent: str) -> None:
    about = [f"slot {answer['slot']}"] if answer["slot"] is not None else []
    about += [answer["task"]] if answer["task"] else []
    first, *others = answer["sentences"]
    click.echo(f"{', '.join([answer['group'], *about])}: {cell(first)}")
    for sentence in others:
        click.echo(f"  {cell(sentence)}")
    if answer["rows"]:
        click.echo()
        _show_table(answer["rows"])
    elif agent and answer["agents"]:
        note(f"None of the {answer['agents']} agents is called {agent}.")
    if answer["rows_left"]:
        click.echo(f"and {plural(answer['rows_left'], 'more agent')}; --limit and --agent choose")
    show_cures(answer["cures"], "")


def show_cures(cures: Sequence[Answer], indent: str) -> None:
    """Prints the cures, a line each."""
    if cures and not indent:
        click.echo("\nWhat would help:")
    for cure in cures:
        slots = f", {plural(cure['slots'], 'slot')} placed" if cure["slots"] else ""
        click.echo(f"{indent or '  '}{cell(cure['text'])}: {plural(cure['agents'], 'agent')} would fit{slots}")


def _show_table(rows: Sequence[Answer]) -> None:
    """A column for each rule that some of the agents do not meet; the others are named below, in a line."""
    rules: dict[str, list[Answer]] = {}
    for row in rows:
        for verdict in row["verdicts"]:
            rules.setdefault(verdict["rule"], []).append(verdict)
    columns = [rule for rule, verdicts in rules.items() if not all(verdict["is_met"] for verdict in verdicts)]
    names = _short_names(columns)
    headers = ["RANK", "AGENT", *(names[rule] for rule in columns), "POINTS", "TASKS", "FREE"]
    print_table(headers, [_row(row, columns) for row in rows])
    if any(row["is_own"] for row in rows):
        click.echo("*: where the task is")
    for rule in columns:
        wanted = list(dict.fromkeys(verdict["wanted"] for verdict in rules[rule]))
        more = f" and {len(wanted) - 3} more" if len(wanted) > 3 else ""
        said = f"{rule}: " if names[rule] != rule else ""
        click.echo(f"{names[rule]}: {said}wanted {cell(' or '.join(wanted[:3]))}{more}")
    met = [rule for rule in rules if rule not in columns]
    if met:
        click.echo(f"met by {'all of them' if len(rows) > 1 else 'it'}: {', '.join(met)}")


def _row(row: Answer, columns: Sequence[str]) -> list[str]:
    verdicts = {verdict["rule"]: verdict for verdict in row["verdicts"]}
    return [
        str(row["rank"] or ""),
        f"{row['agent']} *" if row["is_own"] else row["agent"],
        *(_mark(verdicts.get(rule)) for rule in columns),
        str(row["points"]),
        str(row["tasks"]),
        f"{100 * row['free_share']:.0f} %",
    ]


def _mark(verdict: Answer | None) -> str:
    if verdict is None:
        return ""
    got = cell(verdict["got"])
    got = got if len(got) <= _WIDEST else f"{got[: _WIDEST - 1]}…"
    return f"{got} {_MET if verdict['is_met'] else _UNMET}"


def _short_names(rules: Sequence[str]) -> dict[str, str]:
    """Rules as headers: the first word of a long one, numbered where several begin alike."""
    short = {rule: rule if len(rule) <= _WIDEST else rule.split()[0][:_WIDEST] for rule in rules}
    names: dict[str, str] = {}
    for rule in rules:
        name, number = short[rule], 2
        while name in names.values():
            name, number = f"{short[rule]}#{number}", number + 1
        names[rule] = name
    return names
