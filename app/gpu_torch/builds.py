"""Which build of PyTorch goes with which driver and GPU.

The table in `resources/torch_builds.json` names, best first, the CUDA builds of the version that the program is tested
with: the oldest driver each works with, by the CUDA version that the driver knows, and the oldest and newest GPUs it
has code for, by compute capability. CUDA 12 builds run on every driver of CUDA 12 ("minor version compatibility").
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from app.gpu_torch.driver import Driver
from app.gpu_torch.errors import GpuTorchError

TABLE = Path(__file__).resolve().parents[2] / "resources" / "torch_builds.json"


@dataclass(frozen=True)
class Build:
    """Attributes:
    name: as the index calls it, such as "cu126".
    driver_cuda: what the driver has to know at least.
    oldest_gpu, newest_gpu: compute capabilities, both included; None where newer ones run too.
    """

    name: str
    driver_cuda: tuple[int, int]
    oldest_gpu: tuple[int, int]
    newest_gpu: tuple[int, int] | None

    def runs_on(self, capability: tuple[int, int]) -> bool:
        """Whether it has code for such a GPU."""
        return self.oldest_gpu <= capability and (self.newest_gpu is None or capability <= self.newest_gpu)


@dataclass(frozen=True)
class Table:
    """Attributes:
    torch: the version, such as "2.13.0".
    index: the address below which each build has an index of its own.
    """

    torch: str
    index: str
    builds: tuple[Build, ...]

    def matching(self, driver: Driver) -> list[Build]:
        """The builds for this driver and GPU, the best first.

        Raises:
            GpuTorchError: there is none; the sentence says why.
        """
        for_gpu = [build for build in self.builds if build.runs_on(driver.capability)]
        if not for_gpu:
            raise GpuTorchError(
                f"PyTorch {self.torch} has no build for the {driver.gpu} (compute capability "
                f"{_dotted(driver.capability)}), so models run on the processor."
            )
        found = [build for build in for_gpu if build.driver_cuda <= driver.cuda]
        if not found:
            least = min(build.driver_cuda for build in for_gpu)
            raise GpuTorchError(
                f"The NVIDIA driver knows CUDA {_dotted(driver.cuda)}, and PyTorch for the {driver.gpu} needs one that "
                f"knows {_dotted(least)}: update the driver, then try again."
            )
        return found


def load() -> Table:
    """The table; `S3D_TORCH_INDEX` can name another address than the public one's."""
    said = json.loads(TABLE.read_text(encoding="utf-8"))
    builds = [
        Build(
            entry["name"],
            tuple(entry["driver_cuda"]),
            tuple(entry["oldest_gpu"]),
            tuple(entry["newest_gpu"]) if entry["newest_gpu"] else None,
        )
        for entry in said["builds"]
    ]
    index = os.environ.get("S3D_TORCH_INDEX", "").strip() or said["index"]
    return Table(said["torch"], index.rstrip("/"), tuple(builds))


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
