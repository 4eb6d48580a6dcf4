"""The answers for people: the view that the loop hands to readers, and answers that are computed from a view on
request.

`view_builder`, and `overdue` for it, is called by `scheduler` when the loop wants a new view; everything else by the
API, outside of the core's thread, and only with an immutable view. Changes nothing. May import every room; no room
imports it.
"""
