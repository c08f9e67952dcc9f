"""The terminal program of the bundle."""

import multiprocessing
import sys

from app.cli import main

if __name__ == "__main__":
    # Python's helper processes start this very program again; this call sends them to their work.
    multiprocessing.freeze_support()
    sys.exit(main())
