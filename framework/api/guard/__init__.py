"""The guard: the layers that each request passes before its route, from the connection to the body.

Put around the routes by framework.api.app, outermost first: metered, guard (hosts, rights, admission, body_limits),
repeating. connections is the server's. Imports no route.
"""
