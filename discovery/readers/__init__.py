"""The endpoints as they are now, for programs that send people to them: read from ZooKeeper and kept in step.

`directory` is used by dns and balancer, `resolver` by programs of users; `zookeeper_watch` keeps a tree of nodes in
step and `outage_grace` keeps what vanishes only because ZooKeeper was away. Imports the forms and the back ends.
"""
