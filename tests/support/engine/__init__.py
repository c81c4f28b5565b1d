"""A real Docker engine for tests: its own containerd, socket, data and bridge in one folder."""

from tests.support.engine.engine import Engine
from tests.support.engine.errors import EngineError, EngineUnavailable

__all__ = ["Engine", "EngineError", "EngineUnavailable"]
