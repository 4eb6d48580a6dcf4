"""The scheduler as one deterministic state machine: events in, commands out. Reads no clock, die, socket or file.

The files of this folder take events (`scheduler` first, which hands them on) or say what goes in and out (`events`,
`commands`, `model`, `views`, `journal`). The rooms below them, each of which may import only those that come before it:
`state`, `groups` and `stacks`, `launch`, `rollout`, `converge`, `read`. Called by framework.loop; by framework.app for
the view of a standby, and by framework.recorder for a replay.
"""
