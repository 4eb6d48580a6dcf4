"""Desired state against actual state: which slots are filled or stopped, and what a status of Mesos means for that.

Called by the files of the core that take events, after whatever may have changed a group. Imports every room but read.
"""
