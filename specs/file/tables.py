"""The tables of docs/stack-file.md and docs/compose.md, made from the tables that the loader reads by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from specs.file.autoscale_forms import AUTOSCALE
from specs.file.fields import Table
from specs.file.health_forms import HEALTH, HEALTHCHECK, READY
from specs.file.hook_forms import HOOK
from specs.file.metric_forms import METRICS
from specs.file.placement_forms import NEIGHBOUR, SPREAD
from specs.file.restart_forms import RESTART, RESTART_POLICY
from specs.file.route_forms import ROUTE
from specs.file.sections import DEPLOY, DEPLOY_LIMITS, DEPLOY_RESERVATIONS, PLACEMENT, RESOURCES, STOP, UNREACHABLE
from specs.file.template_forms import TEMPLATE
from specs.file.update_forms import ROLLBACK_CONFIG, UPDATE, UPDATE_CONFIG
from specs.file.vocabulary import SERVICE, TOP
from specs.model.operators import DECLARED

_MARKED = re.compile(r"(<!-- table: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """A page with every table between `<!-- table: NAME -->` and `<!-- end -->` written anew."""
    return _MARKED.sub(_written, text)


def _written(found: re.Match[str]) -> str:
    return f"{found[1]}\n{_TABLES[found['name']]()}\n{found[3]}"


def _rows(rows: Iterable[tuple[str, str]], heads: tuple[str, str]) -> str:
    lines = [f"| {heads[0]} | {heads[1]} |", "|---|---|"]
    lines += [f"| `{key}` | {meaning.replace('|', chr(92) + '|')} |" for key, meaning in rows]
    return "\n".join(lines) + "\n"


def _ours() -> str:
    rows: list[tuple[str, str]] = []
    inner = {"resources": RESOURCES, "stop": STOP, "health": HEALTH, "spread": SPREAD, "near": NEIGHBOUR}
    inner |= {"unreachable": UNREACHABLE, "update": UPDATE, "restart": RESTART}
    inner |= {"routes": ROUTE, "metrics": METRICS, "autoscale": AUTOSCALE}
    inner |= {"ready": READY, "post_start": HOOK, "pre_stop": HOOK, "templates": TEMPLATE}
    for field in SERVICE.fields:
        if not field.is_ours:
            continue
        rows.append((field.name, field.description))
        if field.name in inner:
            rows += [(f"{field.name}.{one.name}", one.description) for one in inner[field.name].fields]
    return _rows(rows, ("key", "meaning (default)"))


def _operators() -> str:
    """The operators of constraints: the values that each takes, its meaning, and whether it needs the field."""
    lines = ["| operator | value | demands | an agent without the field |", "|---|---|---|---|"]
    for operator, declared in DECLARED.items():
        if not declared.is_combining:
            missing = "accepted" if declared.accepts_missing else "refused"
            lines.append(f"| `{operator.value}` | {declared.takes.value} | {declared.meaning} | {missing} |")
    lines.append("| `SPREAD` | a whole number; without one 1 | values that differ by so many tasks at most | refused |")
    return "\n".join(lines) + "\n"


def _compose(*tables: tuple[str, Table]) -> str:
    rows: list[tuple[str, str]] = []
    for prefix, table in tables:
        meanings = [(field.name, field.description) for field in table.fields]
        meanings += [(key, _refusal(key, sentence)) for key, sentence in table.refused.items()]
        rows += [(prefix + name, meaning) for name, meaning in sorted(meanings)]
    return _rows(rows, ("key", "here"))


def _refusal(key: str, sentence: str) -> str:
    reason = sentence.removeprefix(f"{key} is refused: ")
    if reason != sentence:
        return f"**refused**: {reason}."
    return f"**refused**, not supported yet: {sentence.removeprefix(f'{key} is not supported yet: ')}."


_TABLES: dict[str, Callable[[], str]] = {
    "our-keys": _ours,
    "operators": _operators,
    "top-keys": lambda: _compose(("", TOP)),
    "service-keys": lambda: _compose(("", SERVICE)),
    "deploy-keys": lambda: _compose(
        ("deploy.", DEPLOY),
        ("deploy.placement.", PLACEMENT),
        ("deploy.resources.limits.", DEPLOY_LIMITS),
        ("deploy.resources.reservations.", DEPLOY_RESERVATIONS),
        ("deploy.restart_policy.", RESTART_POLICY),
        ("deploy.update_config.", UPDATE_CONFIG),
        ("deploy.rollback_config.", ROLLBACK_CONFIG),
    ),
    "healthcheck-keys": lambda: _compose(("healthcheck.", HEALTHCHECK)),
}
