"""How a stack file is read: YAML with places, variables, overrides, the tables of keys, and the forms of their values.

`load` is the way in, for the client; `normal_form` for JSON that arrives at the API. `vocabulary` lists every key there
is; a key's form is in the module of its subject (`*_forms`). Imports the model, the rules and the shared files.
"""
