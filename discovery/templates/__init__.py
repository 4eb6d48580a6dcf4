"""Texts with the addresses of others in them, rendered in a confined process.

`requests` is what travels to that process and back, `confined_render` what runs there, `render` the language (Jinja).
Asked by the executor for a task's files, and by specs for a trial of them. Imports the forms of endpoints and specs.
"""
