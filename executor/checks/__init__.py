"""Health and readiness checks, performed: commands, connections, HTTP requests.

`performing` is called by executor.loop for each check that the core asks for; `probes` does those over the network.
When a check is due and what its outcome means is decided in executor.core.health.
"""
