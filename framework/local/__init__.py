"""A real local cluster on one machine: ZooKeeper, Mesos masters and agents, and our scheduler.

`cluster.Cluster` is the entry point; `framework local` and the tests use it.
"""
