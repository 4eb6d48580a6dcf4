"""Back ends in which endpoints are published: ZooKeeper, etcd, Consul, each behind the same port (`registry`).

Called by the executor, which publishes what is ready, and by the scheduler, whose `janitor` removes what no task owns.
`publisher` is shared by all back ends that can be away. Imports the forms of endpoints and specs.
"""
