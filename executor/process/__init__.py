"""Tasks as plain processes: services with a command and no image.

`processes` is the runtime that executor.loop calls; `supervision` starts programs and ends them with everything that
they have started. The supervisors import this package too, so its own imports stay few.
"""
