"""Which task on which offer, and why not elsewhere. Pure: requests and offers in, placements and refusals out."""
