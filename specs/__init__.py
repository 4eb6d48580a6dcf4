"""The shared language: names, states, the model of a stack, its rules, its file form, and the stored records.

`model` is a stack once it has been read; `rules` is what must hold of it, wherever it came from; `file` reads it from
YAML. The files of this folder are shared by programs that know no stacks. Each imports only those before it, and
nothing else of ours: everybody may import specs.
"""
