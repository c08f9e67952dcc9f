"""Whether a PyTorch works with this driver and GPU, tried in a process of its own, which may die of it.

python -m app.gpu_torch.trial FOLDER      in a bundle: s3d-chat --try-gpu-torch FOLDER
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from app.gpu_torch.errors import GpuTorchError

OPTION = "--try-gpu-torch"
# Loading some gigabytes from a slow disk takes its time.
PATIENCE = 300.0


def run(folder: Path) -> str:
    """Try it; returns the GPU's name.

    Raises:
        GpuTorchError: it does not work; the sentence says what went wrong.
    """
    frozen = getattr(sys, "frozen", False)
    command = [sys.executable, OPTION] if frozen else [sys.executable, "-m", "app.gpu_torch.trial"]
    environment = {**os.environ, "PYINSTALLER_RESET_ENVIRONMENT": "1"}
    if not frozen:
        environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    try:
        done = subprocess.run(
            [*command, str(folder)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        said = json.loads(done.stdout.decode("utf-8", "replace").strip().splitlines()[-1])
        problem, gpu = str(said["problem"]), str(said["gpu"])
    except subprocess.TimeoutExpired:
        problem, gpu = f"it did not answer within {PATIENCE:.0f} seconds", ""
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        problem, gpu = "its process died", ""
    if problem:
        raise GpuTorchError(f"PyTorch for the GPU does not work here: {problem}; models run on the processor.")
    return gpu


def main(folder: str) -> int:
    """Load PyTorch from a folder, calculate on the GPU, and say on stdout how it went; returns the exit code."""
    sys.path.insert(0, folder)
    problem, gpu = "", ""
    try:
        import torch

        if not Path(torch.__file__ or "").is_relative_to(folder):
            problem = "another PyTorch came in its place"
        elif not torch.cuda.is_available():
            problem = "it finds no GPU that it can use"
        else:
            gpu = str(torch.cuda.get_device_name(0))
            square = torch.ones(64, 64, device="cuda")
            if float((square @ square).sum()) != 64.0**3:
                problem = "it calculates wrongly"
    except Exception as error:
        said = str(error).strip().splitlines()
        problem = (said[0] if said else type(error).__name__).rstrip(".;:")[:200]
    print(json.dumps({"problem": problem, "gpu": gpu}), flush=True)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
