"""A real cluster for tests: a control plane, and where it is wanted whole, real nodes."""

from tests.support.cluster.control import ControlPlane
from tests.support.cluster.errors import ClusterError
from tests.support.cluster.whole import Cluster

__all__ = ["Cluster", "ClusterError", "ControlPlane"]
