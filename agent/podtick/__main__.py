"""`python -m podtick`: the same as the command `podtick`."""

import sys

from podtick.cli import main

if __name__ == "__main__":
    sys.exit(main())
