"""The executor's deterministic machine: it advances each task by one operation at a time and reads no clock or socket.

`machine` takes every event; `starting`, `stopping`, `check_schedule`, `inplace_update`, `retire` and `templating` are
its parts, on `context`. Called by executor.loop alone. Imports specs, the form of endpoints, and nothing of the rest.
"""
