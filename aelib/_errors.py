"""The error of every mistake that a command reports in one line."""


class UsageError(ValueError):
    """A mistake of the caller, reported in one line before any kernel starts."""
