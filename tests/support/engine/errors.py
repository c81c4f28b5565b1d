"""What can go wrong with a test engine."""


class EngineError(Exception):
    """The engine, or a `docker` command sent to it, failed; the message carries its own words."""


class EngineUnavailable(EngineError):
    """No engine can run on this machine; the message says what it lacks."""
