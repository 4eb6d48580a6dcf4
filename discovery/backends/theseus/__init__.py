"""Theseus's tree in etcd: for clients that know endpoints from there.

`layout` says which key holds what (pure); `configs` writes what each group is deployed with; `driver` is the client
that Theseus's own programs use. discovery.backends.etcd uses the layout, framework.endpoint_upkeep the configurations.
Imports the client of etcd and the errors of a back end, the form of endpoints, and specs.
"""
