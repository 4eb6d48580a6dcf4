"""The rules for every stack, whether it came from a file, the API or the store. A broken rule is a value.

`stack_rules` asks all others; it is called when a file is read and when the API gets a stack. Pure, except for the
trial of templates, which runs in a process of its own. Imports the model and the shared files of specs.
"""
