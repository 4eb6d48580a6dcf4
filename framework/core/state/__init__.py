"""All that the scheduler knows: the stored state, everything derived from it, and the commands of the step under way.

Held by `context`, which every room above gets as its first argument. Nothing here decides: each module keeps one thing
in order and answers questions about it. Imports the core's model, events, commands and views, and no other room.
"""
