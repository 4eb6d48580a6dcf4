"""The use of cpu, memory, disk and network by tasks, measured and served.

`service` puts it together and is started by executor.__main__; it asks executor.core.survey which tasks there are.
Imports the core's values and the container engine.
"""
