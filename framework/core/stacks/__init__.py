"""From a request of a user to the decided change of a stack, or to a refusal; and what is remembered of such changes.

Called by `change_queue`, which has the change stored before it counts, and by read, to show a change before it is
asked for. Pure: state in, a change out. Imports state, and no other room.
"""
