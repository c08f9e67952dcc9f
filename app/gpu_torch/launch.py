"""What both programs of the bundle do before anything else, and after everything."""

import subprocess
import sys
from collections.abc import Callable

from app.gpu_torch import trial
from app.gpu_torch.errors import GpuTorchError


def launch(main: Callable[[], int]) -> int:
    """Run the program with PyTorch for the GPU where that is here and works, else with its own; the exit code."""
    if sys.argv[1:2] == [trial.OPTION] and len(sys.argv) == 3:
        return trial.main(sys.argv[2])
    from app.gpu_torch import front

    front.put_in_front()
    if front.used is not None and sys.platform == "win32":
        # There torch is loaded first of all, and what has failed in a process stays in it.
        try:
            import torch  # noqa: F401
        except GpuTorchError:
            return subprocess.call([sys.executable, *sys.argv[1:]])
    if front.said and sys.argv[1:]:
        print(front.said, file=sys.stderr)
    try:
        return main()
    finally:
        front.worked()
