"""A stack once it has been read: values, their limits, their canonical form, the difference of two of them.

Imported by every program: the scheduler, the executor (the light part of it, executor.archive), discovery, the client.
Pure. Imports only the shared files of specs.
"""
