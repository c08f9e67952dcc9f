"""The window of the bundle: what a double click starts."""

import multiprocessing
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    multiprocessing.freeze_support()
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:
            # A program without a console on Windows has none, and libraries write to them unasked.
            setattr(sys, stream, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    if sys.platform == "linux":
        # The bundle's libraries are for this program alone: a browser that it opens needs the system's.
        outside = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
        os.environ.pop("LD_LIBRARY_PATH", None)
        if outside:
            os.environ["LD_LIBRARY_PATH"] = outside
    from app.__main__ import main
    from app.gpu_torch.launch import launch

    sys.exit(launch(main))
