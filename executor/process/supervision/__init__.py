"""Processes that end with whoever started them, whatever ends that, and with all that they have started themselves.

Three programs. The executor asks (`handles`). One small process of its own, the spawner, starts supervisors by a mere
fork (`spawner`). Each task has one supervisor, which is the parent of its process and of all commands that run beside
that, and becomes the parent of everything below them that loses its own (`supervisor`). What they say to each other is
in `wire`, what they ask of the kernel in `kernel`. `abandoned` finds what was left by executors that had no supervisors
or were killed together with them.

The spawner and the supervisors import nothing but the standard library, and of that little: their start and their
memory are a part of each task's.
"""
