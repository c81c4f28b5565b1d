"""`python -m tests.support.cluster` builds a cluster's programs, helm, and who scrapes it, where nobody has yet."""

from tests.support import helm, prometheus, victoriametrics
from tests.support.cluster.build import PROGRAMS, programs

for version, names in PROGRAMS.items():
    programs(names, version)
helm.program()
prometheus.current()
victoriametrics.agent()
