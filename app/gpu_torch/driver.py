"""What the NVIDIA driver says of itself and of the GPU."""

import contextlib
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Driver:
    """Attributes:
    gpu: the first GPU's name.
    cuda: the newest CUDA version that the driver knows: (major, minor).
    capability: the GPU's compute capability: (major, minor).
    """

    gpu: str
    cuda: tuple[int, int]
    capability: tuple[int, int]


def look() -> Driver | None:
    """Ask through NVML; None where there is no GPU whose driver answers. May take long when a driver sleeps."""
    try:
        import pynvml

        pynvml.nvmlInit()
        try:
            version = pynvml.nvmlSystemGetCudaDriverVersion()
            device = pynvml.nvmlDeviceGetHandleByIndex(0)
            name = pynvml.nvmlDeviceGetName(device)
            major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(device)
        finally:
            pynvml.nvmlShutdown()
    except Exception as error:  # no library, no driver, no GPU, no permission
        log.info("no NVIDIA driver answers: %s", error)
        return None
    name = name.decode() if isinstance(name, bytes) else str(name)
    return Driver(name, (version // 1000, version % 1000 // 10), (int(major), int(minor)))


def mark() -> str:
    """Something that changes when the driver does, had without asking it: what worked has to be tried anew then."""
    if sys.platform == "win32":
        library = Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32" / "nvcuda.dll"
        with contextlib.suppress(OSError):
            return f"{library.stat().st_size} {library.stat().st_mtime_ns}"
        return "none"
    with contextlib.suppress(OSError):
        return Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace").strip()
    return "none"
