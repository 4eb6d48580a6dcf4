"""The queue of user changes. One at a time: each is decided on the state that the previous one stored.

StackSubmitted, ScaleRequested, RollbackRequested, RolloutActionRequested, ...
   |
   v
request --> refused at once: the store is not read, or does not keep up
   |   +--> answered at once: another try of a request that was answered (stacks.repeated_requests)
   |   +--> done at once: kill and reset-backoff, which change no spec (apply_change)
   v
the queue, until the change before is stored
   |
   v
_decide_next --> refused, or unchanged: answered
   |
   |    _evaluated: stacks.changes (the new spec), stacks.dependants (the groups that restart with it),
   |    stacks.history, rollout.rollouts; nothing of it counts so far
   v
Save --> SaveFailed: not_stored. It is refused, and nothing has changed
   |
   v
Saved: stored. apply_change.change brings it about, the answer goes out, and the next request is decided
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from framework.core import apply_change
from framework.core.commands import Done, PutAnswer, Refused, Reply
from framework.core.events import (
    BackoffResetRequested,
    ChangeRequest,
    KillRequested,
    RollbackRequested,
    RolloutActionRequested,
    StackRemoved,
    StackSubmitted,
)
from framework.core.rollout import actions, rollouts
from framework.core.stacks import changes, dependants, repeated_requests
from framework.core.state.context import Context
from framework.core.state.outbox import AfterSave
from framework.core.state.stack_change import StackChange
from framework.core.volatile import Connection

MOST_REQUESTS_WAITING = 1000
"""Limit on the requests in the queue."""


class ChangeQueue:
    """Takes requests, has their changes stored, and answers. No change counts before it is stored."""

    def __init__(self, context: Context) -> None:
        self.context = context
        #: The requests that wait to be decided, oldest first.
        self._requests: deque[ChangeRequest] = deque()
        #: The request whose change is being stored, None where none is.
        self._requested: ChangeRequest | None = None

    def request(self, request: ChangeRequest) -> None:
        """Takes a request, or refuses it where nothing can be stored now."""
        problem = ""
        if self.context.connection is Connection.LOADING:
            problem = self.context.store_problem or "the scheduler is still reading its store; try again in a moment"
        elif len(self._requests) >= MOST_REQUESTS_WAITING:
            problem = f"{MOST_REQUESTS_WAITING} changes wait to be stored already; try again in a moment"
        elif self.context.outbox.is_full:
            problem = self.context.store_problem or "the store does not keep up; try again in a moment"
        if problem:
            refusal = Refused(kind="unavailable", message=problem)
            self.context.emit(Reply(request_id=request.request_id, outcome=refusal))
            return
        if (known := repeated_requests.answer_to(request, self.context.state, self.context.now)) is not None:
            self._reply(request.request_id, known)
            return
        if isinstance(request, KillRequested) and not request.scale:
            apply_change.kill(self.context, request)
            return
        if isinstance(request, BackoffResetRequested):
            apply_change.reset_backoff(self.context, request)
            return
        self._requests.append(request)
        self._decide_next()

    def take_own_requests(self) -> None:
        """Takes the scheduler's own requests into the queue, before later ones of users."""
        own = self.context.own_requests
        while own:
            self._requests.append(own.pop(0))
            self._decide_next()

    def stored(self, waiting: AfterSave) -> None:
        """The requested changes are stored: they count from now on."""
        context = self.context
        self._requested = None
        context.changing = {}
        context.place_soon()  # what waits may ask for less now
        for change in waiting.changes:
            self._take_rollouts(change)
            apply_change.change(context, change)
        self._reply(waiting.request_id, _done(waiting.changes))
        self._decide_next()

    def not_stored(self, waiting: AfterSave, problem: str) -> None:
        """The requested changes could not be stored: nothing of them counts."""
        self._requested = None
        stacks, self.context.changing = self.context.changing, {}
        for name in stacks:
            self.context.rollouts_again(name)
            self.context.collect_all(name)
        refusal = Refused(kind="invalid", message=f"could not be stored, nothing was changed: {problem}")
        self._reply(waiting.request_id, refusal)
        self._decide_next()

    def _decide_next(self) -> None:
        """Decides the requests in their order, until one has a change to store."""
        context = self.context
        while self._requests and self._requested is None:
            request = self._requests.popleft()
            outcome = repeated_requests.answer_to(request, context.state, context.now) or self._evaluated(request)
            if isinstance(outcome, Done | Refused):
                self._reply(request.request_id, outcome)
                continue
            if not outcome:
                unchanged = Done(index=self._index_of(request), message="unchanged")
                # After this step's save: "unchanged" may rest on it.
                self._reply(request.request_id, unchanged)
                continue
            writes = tuple(write for change in outcome for write in changes.writes_of(change, context.state))
            context.flush()
            context.changing = dict.fromkeys(change.stack.name for change in outcome)
            answer = repeated_requests.answered(context, request, _done(outcome))
            answers = () if answer is None else (answer,)
            writes += tuple(PutAnswer(answer=each) for each in answers)
            waiting = AfterSave(changes=outcome, request_id=request.request_id, answers=answers)
            context.emit(context.outbox.save(writes, waiting))
            self._requested = request

    def _evaluated(self, request: ChangeRequest) -> tuple[StackChange, ...] | Done | Refused:
        """The changes of stacks and their rollouts that a request asks for; empty where nothing would change."""
        state = self.context.state
        if isinstance(request, RolloutActionRequested):
            answer = actions.evaluate(
                request, state.stacks.get(request.stack), state.rollouts.get(request.stack), self.context.now
            )
            if isinstance(answer, Done):
                return replace(answer, index=self._index_of(request))
            outcome: tuple[StackChange, ...] | Refused = answer if isinstance(answer, Refused) else (answer,)
        else:
            outcome = changes.evaluate(request, state, self.context.now)
        if isinstance(outcome, Refused):
            return outcome
        kept = self.context.settings.revisions_kept
        affected = (dependants.with_dependants(change, state) for change in outcome)
        found = (changes.remembered(change, request, state, self.context.now, kept) for change in affected)
        return tuple(self._with_rollouts(change, request) for change in found)

    def _with_rollouts(self, change: StackChange, request: ChangeRequest) -> StackChange:
        if change.rollouts is not None:
            return change
        name, state = change.stack.name, self.context.state
        kept = self.context.settings.rollouts_kept
        after = rollouts.begun(
            state.rollouts.get(name), state.stacks.get(name), change.stack, request, self.context.now, kept
        )
        return replace(change, rollouts=after)

    def _reply(self, request_id: int, outcome: Done | Refused) -> None:
        """Answers a request; one of the scheduler itself needs no answer."""
        if request_id:
            self.context.after_save(Reply(request_id=request_id, outcome=outcome))

    def _index_of(self, request: ChangeRequest) -> int:
        name = ""
        if isinstance(request, StackSubmitted):
            name = request.stack.name
        elif isinstance(request, StackRemoved | RollbackRequested):
            name = request.name
        elif isinstance(request, RolloutActionRequested):
            name = request.stack
        stack = self.context.state.stacks.get(name)
        return stack.index if stack else 0

    def _take_rollouts(self, change: StackChange) -> None:
        """Takes the stored rollouts of a changed stack. Where the change left them alone, it stores what they came to
        meanwhile."""
        context, name = self.context, change.stack.name
        if change.rollouts is None:
            context.rollouts_again(name)
            return
        context.state.put_rollouts(change.rollouts)  # the change collects what only those before needed
        current = change.rollouts.current
        if current is not None and current.number == change.stack.index:
            groups = ", ".join(str(part.group) for part in current.groups)
            context.publish(
                "RolloutStarted", f"rollout {current.number} of {name} ({current.kind.value}): {groups}", name
            )


def _done(changes: tuple[StackChange, ...]) -> Done:
    """The answer to a request, once its changes are stored."""
    changed = tuple(name for change in changes for name in change.changed)
    return Done(changed=changed, index=changes[-1].stack.index, message=changes[-1].message)
