"""The executor's deterministic machine: one task advanced by one operation at a time. Reads no clock and no socket.

`machine` takes every event; `starting`, `stopping`, `check_schedule`, `inplace_update`, `retire` and `templating` are
its parts, on `context`. Called by executor.loop alone. Imports specs, the form of endpoints, and nothing of the rest.
"""
