"""The one error that everything in framework.local raises for its users."""


class LocalError(Exception):
    """A problem that a user must know or mend; the message names it, and the remedy."""
