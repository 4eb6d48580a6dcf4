"""Questions about one group: what it still needs, how fast it may change, how long it waits after failures.

Asked by the rooms that act (launch, rollout, converge) and by read. A question changes nothing but what it is itself
the keeper of (the delay after a failure). Imports state, and no other room.
"""
