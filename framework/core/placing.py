"""Pending slots meet held offers: launches, declines, suppress, revive."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import PutFramework
from framework.core.context import Context
from framework.core.converge import review_slot
from framework.core.launching import batches, find_places, request_for
from framework.core.model import Instant
from framework.core.views import Connection
from framework.core.wishes import unmet_dependency
from placement.refusals import sentence
from placement.request import Request
from specs.ids import GroupId


def settle(context: Context, now: Instant) -> None:
    """Launches what fits on the held offers; then holds, declines, revives or suppresses as there is need."""
    if context.connection is not Connection.SUBSCRIBED:
        return
    context.is_unsettled = False
    requests = _eligible(context, now)
    has_tried = bool(context.pool.held)
    if requests and has_tried:
        requests = _launch(context, requests, now)
    _seek(context, requests, now)
    if requests:
        if has_tried:
            _hold(context, now)
        return
    context.say(*context.pool.decline(context.settings.decline_seconds))
    if not context.pending and context.pool.received:
        context.say(*context.pool.suppress())


def _eligible(context: Context, now: Instant) -> list[Request]:
    """What may be placed now; for the other pending groups the cause is noted."""
    requests = []
    for group in sorted(context.pending):
        wish = context.books.wishes[group]
        backoff = context.backoffs.get(group)
        if backoff is not None and backoff.version == wish.version and backoff.until > now:
            cause = backoff.sentence
        elif unmet := unmet_dependency(context.books, wish):
            cause = f"waits for {unmet}"
        else:
            requests.append(request_for(context.books, wish, context.pending[group]))
            continue
        _note(context, group, cause)
    return requests


def _note(context: Context, group: GroupId, cause: str) -> None:
    if context.causes.get(group) != cause:
        context.causes[group] = cause
        context.books.touched[group] = None


def _launch(context: Context, requests: list[Request], now: Instant) -> list[Request]:
    """Launches what fits; returns what does not, with its causes noted."""
    offers = context.pool.offers()
    result = find_places(context.books, requests, offers, context.settings)
    settings = context.settings
    refuse_seconds = settings.decline_again_seconds if result.refusals else settings.decline_seconds
    for batch in batches(
        context.books, result.placements, offers, settings=settings, refuse_seconds=refuse_seconds, now=now
    ):
        context.flush()
        context.books.next_serial = batch.next_serial
        context.write(
            "framework",
            "",
            PutFramework(framework_id=context.books.framework_id, next_serial=batch.next_serial),
        )
        for task in batch.tasks:
            context.put(task)
            review_slot(context, task.group, task.slot, now)
            context.timers.set("launch", task.id, now + settings.launch_timeout_seconds)
        context.after_save(batch.accept)
        for task in batch.tasks:
            context.announce("TaskLaunched", task, f"{task.id} was launched on {task.hostname}")
        for id in batch.accept.offer_ids:
            del context.pool.held[id]
    context.flush()
    unplaced = []
    for request in requests:
        refusals = result.refusals.get(request.group)
        if refusals is not None:
            rest = context.pending.get(request.group, {})
            unplaced.append(replace(request, slots=tuple(sorted(rest))))
            _note(context, request.group, sentence(refusals, len(offers)))
    return unplaced


def _seek(context: Context, unplaced: list[Request], now: Instant) -> None:
    """Asks for offers, also for those once declined, where more slots want a place than when last asked."""
    wanted = {request.group: len(request.slots) for request in unplaced}
    if any(count > context.sought.get(group, 0) for group, count in wanted.items()):
        commands, again = context.pool.revive(now)
        context.say(*commands)
        if again:
            context.timers.set("revive", "", again)
            return
    context.sought = wanted


def _hold(context: Context, now: Instant) -> None:
    """Keeps offers for a while in which more may come, so that placement sees the cluster; then lets them go."""
    pool, seconds = context.pool, context.settings.offer_hold_seconds
    context.say(*pool.decline(context.settings.decline_seconds, older_than=now - seconds))
    oldest = pool.oldest()
    if oldest is not None:
        context.timers.set("hold", "", oldest + seconds)
