"""The change of a group that runs: its life as a rollout, and the replacing of its tasks at its pace.

Called by `change_queue` (what people ask of a rollout), by converge (the next tasks to replace) and by read. Imports
state, groups, stacks and launch.
"""
