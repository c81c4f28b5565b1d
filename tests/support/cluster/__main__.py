"""`python -m tests.support.cluster` builds what a cluster is made of, helm and a Prometheus, where nobody has yet."""

from tests.support import helm, prometheus
from tests.support.cluster.build import PROGRAMS, programs

for version, names in PROGRAMS.items():
    programs(names, version)
helm.program()
prometheus.current()
