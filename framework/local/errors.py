"""The one error that everything in framework.local raises for its users."""


class LocalError(Exception):
    """Something a user has to know or mend; the message says what, and what to do."""
