"""Changes of running groups: the life of a rollout (`rollouts`), and the replacement of tasks at its pace (`updater`).

Called by `change_queue` (requests about a rollout: `actions`), by converge (the next tasks to replace) and by read
(`progress`). Imports state, groups, stacks and launch.
"""
