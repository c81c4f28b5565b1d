"""What goes wrong with a test's cluster."""


class ClusterError(Exception):
    """The cluster cannot be had, or did what it must not; the message says what and where to look."""
