"""What can go wrong with the guest, in words for whoever runs the tests."""


class GuestError(Exception):
    """The guest could not be built, did not boot, or lost its connection."""


class GuestUnavailableError(GuestError):
    """No guest can be built on this machine; the message says what it lacks."""
