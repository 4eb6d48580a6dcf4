"""From pending slots to tasks: what placement is asked, what a task is given, whose container it takes over.

Called by `placer` when offers and pending slots meet, and by converge and rollout for the questions whose answer
decides about a launch (which agents a global group has, which container is to be adopted). Imports state and groups.
"""
