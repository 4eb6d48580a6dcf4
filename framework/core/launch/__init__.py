"""From pending slots to tasks: the requests for placement, the tasks to launch, and containers that are taken over.

    converge    a slot is wanted and has no task:       context.pending
    placer      which versions may be launched now:     back-off, dependencies, the kill guard, a full outbox
    placement_request   one Request a version:          rules, pins, homes, penalties, outgoing tasks
    preferred_agents    is another agent better?        yes: the slots wait for its offer, for less than a second
    placement.engine    requests on offers:             Placements, and a Refusal with its reasons for the rest
    launch      a Task and its Launch for each          link_variables: the addresses of the services it depends on
    placer      Save, and once it is stored: Accept     context.after_save

Two ways lead past placement, because the agent is given: `adoption` (a container that runs without its executor) and
`container_sweep` (a container that nobody takes over). `global_groups` says which agents a global group wants.
Called by `placer`, and by converge and rollout for questions that decide about a launch. Imports state and groups.
"""
