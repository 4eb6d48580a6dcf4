"""The scheduler as one deterministic state machine: events in, commands out. Reads no clock, die, socket or file."""
