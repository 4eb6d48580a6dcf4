"""From a request of a user to the decided change of a stack, or to a refusal; and what is remembered of such changes.

Called by `change_queue`, which has the change stored before it counts, and by read, to show a change before it is
requested. A change is computed from the state and changes nothing; `repeated_requests` alone keeps something, the
answers to requests with a key. Imports state, and no other room.
"""
