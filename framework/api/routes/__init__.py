"""Routes: one module for each group of routes, with `router(…)`, and beside them the work that only a route needs.

Called by framework.api.app. A route reads the view or sends a UserRequest (asking), and answers with an answer of
framework.api.answers. Imports answers and the marks of guard.rights; no route imports the standby.
"""
