"""Repeated requests: another try of a request that has changed something changes nothing and gets the same answer.

A change that was requested with a key is stored in the same save as its answer. So every leader knows both or neither,
and a client whose connection broke simply tries again. Refusals are not kept: nothing was changed, and another try is
decided again.
"""

from __future__ import annotations

from framework.core.commands import DeleteAnswer, Done, Outcome, PutAnswer, Refused
from framework.core.events import Requested
from framework.core.model import Answered, Instant, RequestKey
from framework.core.state.cluster_state import ClusterState
from framework.core.state.context import Context

MOST_ANSWERS = 2048
"""Limit on the answers that are kept; the oldest go first, FORGOTTEN_AT_ONCE at a time."""
FORGOTTEN_AT_ONCE = 32
KEPT_SECONDS = 86_400.0
"""Limit on the age of an answer: nobody tries for so long."""
MOST_TEXT = 8_000
"""Limit on the letters of the groups that a kept answer names: it is stored beside others."""
MOST_MESSAGE = 1_000


def answer_to(asked: Requested, state: ClusterState, now: Instant) -> Outcome | None:
    """The answer to another try of a request that has changed something; None where this is the first try."""
    known = state.answers.get(asked.request_key.text) if asked.request_key else None
    if asked.request_key is None or known is None or now - known.at > KEPT_SECONDS:
        return None
    return answer_of(known, asked.request_key)


def answer_of(known: Answered, request: RequestKey) -> Outcome:
    """The answer that was given to a request with this key. Refused where that was a different request."""
    if known.key.digest != request.digest:
        return Refused(
            kind="invalid",
            message=f"the key {request.text} was given to a different request before; nothing was changed: give each"
            " request a key of its own, and the same one only to another try of the same request",
        )
    return Done(changed=known.changed, index=known.index, message=known.message)


def answered(context: Context, asked: Requested, done: Done) -> Answered | None:
    """The answer to be stored in the same save as the change, None where the request has no key."""
    if asked.request_key is None:
        return None
    changed: list[str] = []
    room = MOST_TEXT
    for name in done.changed:
        room -= len(name)
        if room < 0:
            break
        changed.append(name)
    return Answered(
        key=asked.request_key,
        number=context.next_answer(),
        at=context.now,
        changed=tuple(changed),
        index=done.index,
        message=done.message[:MOST_MESSAGE],
    )


def remember(context: Context, asked: Requested, done: Done) -> None:
    """Adds the answer to the step's save, where the step has changed something."""
    answer = answered(context, asked, done) if done.changed else None
    if answer is not None:
        context.write("answer", str(answer.number), PutAnswer(answer=answer))
        context.answered.append(answer)


def stored(context: Context, answers: tuple[Answered, ...]) -> None:
    """Takes answers that are stored now. The oldest ones are forgotten where there are too many."""
    if not answers:
        return
    kept = {**context.state.answers}
    gone = []
    for answer in answers:
        before = kept.pop(answer.key.text, None)
        if before is not None:
            gone.append(before)
        kept[answer.key.text] = answer
    if len(kept) >= MOST_ANSWERS + FORGOTTEN_AT_ONCE:
        gone += [kept.pop(text) for text in list(kept)[:FORGOTTEN_AT_ONCE]]
    for each in gone:
        context.write("answer", str(each.number), DeleteAnswer(number=each.number))
    context.state.answers = kept  # another dictionary each time: views have the one before
