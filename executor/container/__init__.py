"""Tasks as containers, by the Docker Engine API.

`containers` is the runtime that executor.loop calls; it creates, starts, stops, removes and runs commands in them.
`engine` is the connection, `settings` the translation of a launch order, `images` the pulls, `claims` adoption.
"""
