"""The DNS server: names of stacks, services and tasks as A, AAAA and SRV records.

`service` puts it together: the directory of endpoints, what a name means (`names`), the records (`zone`), their bytes
(`answers`), the sockets (`server`) and other servers (`forward`). Started by `framework dns`; imports readers and
forms.
"""
