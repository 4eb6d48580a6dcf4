"""From ready tasks to addresses: executors publish endpoints, programs find them.

`endpoints` and `executor_addresses` are the forms that all agree on. `backends` keep them (ZooKeeper, etcd, Consul),
`readers` stay in step with them, `dns` and `balancer` serve what was read, `templates` makes texts of it. Each imports
only those before it, and specs.
"""
