"""The terminal program of the bundle."""

import multiprocessing
import sys

if __name__ == "__main__":
    # Python's helper processes start this very program again; this call sends them to their work.
    multiprocessing.freeze_support()
    from app.cli import main
    from app.gpu_torch.launch import launch

    sys.exit(launch(main))
