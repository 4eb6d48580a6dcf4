"""HAProxy and nginx, kept in step with routes and endpoints.

`source` reads both, `model` makes frontends, rules and servers of them, a `*_text` module the configuration of a
program, and `haproxy` or `nginx` brings that about without losing a connection. Started by `framework balancer`.
"""
