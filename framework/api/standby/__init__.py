"""The standby: a scheduler that does not lead passes requests on to the leader, or answers from the store.

Put around the routes by framework.api.app, below the guard. Imports the guard and no route.
"""
