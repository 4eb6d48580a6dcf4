"""Answers: the form of everything that is answered as JSON, and how it is filled from a view.

Called by the routes. Each answer is one class and the function that fills it, side by side: the OpenAPI document is
made from the class, and mypy holds the function to it. Imports the core's views, and nothing of the API's other rooms.
"""
