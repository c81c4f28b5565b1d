"""podtick: what every pod on this node did, in every single second."""

__version__ = "0.1.0"
