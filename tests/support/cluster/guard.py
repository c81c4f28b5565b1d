"""`python -m tests.support.cluster.guard FOLDER`: removes a cluster when a test run was killed and could not.

It waits for the end of whoever holds the other end of standard input.
"""

import sys
from pathlib import Path

from tests.support.cluster.teardown import tear_down

if __name__ == "__main__":
    sys.stdin.buffer.read()
    tear_down(Path(sys.argv[1]))  # nothing to do, mostly
