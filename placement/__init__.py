"""Which task on which offer, and why not elsewhere. Pure: requests and a snapshot in, placements and refusals out.

One call of `engine.place`:

    requests   slots of groups that need an agent, with the group's rules (request.py)
    snapshot   agents, free resources, running tasks, at one moment       (cluster_snapshot.py)
       |
       |  order.py            groups to be near others come after these; large requests before small ones
       v
    evaluation.py             one request against the snapshot
       |  suitable            agents on which the group can run at all: fields, regions, sizes (cluster.py)
       |  rules               those that count tasks keep a memory of placements (counting.py, neighbours.py)
       |
       |  for each slot:  allowed -> best -> fits -> take
       |     allowed          agents that break no hard rule now; a set of agents is the bits of an int (bits.py)
       |     best             fewest tasks in its domain, most points (scoring.py), most free resources or fullest
       |     take             free_resources.py, the counts of rules, and running tasks are brought up to date
       v
    placements                a slot with its agent, host ports and resources
    refusals                  for a group with a slot left: agents by the first rule that each breaks (refusals.py)

Vocabulary: a *check* (checks.py) is one rule for the table of explain; a *domain* is all agents with the same value of
a field; a *cure* (explain.py) is a *relaxation* (relax.py) that was placed and helped; *surplus* (surplus.py) are the
slots that a scale-down ends, *violations* (violations.py) the tasks that break a rule that has changed.
"""
