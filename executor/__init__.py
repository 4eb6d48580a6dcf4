"""The program on every agent: containers and plain processes, their health, logs, endpoints and metrics.

`core` decides, as a machine of its own: events in, commands out. `loop` performs its commands through the driver
(`mesos`), `container` and `process` (both behind `runtime`), `checks` and `metrics`. `__main__` puts it together.
"""
