"""How full the memory is that models live in: the GPU's by NVML, or RAM where there is no NVIDIA GPU."""

import contextlib
import logging
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

log = logging.getLogger(__name__)

_SHOWN = ": showing memory (RAM)"
NO_GPU = "No NVIDIA GPU found" + _SHOWN
NO_LIBRARY = "The package nvidia-ml-py is missing, so no GPU can be read" + _SHOWN
GPU_UNREADABLE = "The NVIDIA driver did not answer" + _SHOWN
# NVML's error numbers, and what each means for a user.
_CAUSES = {
    4: "This user may not use the NVIDIA driver: permission is missing",
    9: "The NVIDIA driver is not loaded: install it, or restart the computer",
    15: "The GPU was lost (it fell off the bus or was switched off): restart the computer",
    16: "The GPU needs a reset: restart the computer",
    18: "The NVIDIA driver and its library are of different versions: restart the computer after a driver update",
}
_CARDS = Path("/sys/bus/pci/devices")


@dataclass(frozen=True)
class MemoryReading:
    """A look at the memory, in bytes.

    Attributes:
        device: the GPU's name, or "RAM".
        is_gpu: the numbers are a GPU's.
        total: what there is. ours: what this program holds. others: what everything else holds.
        sentence: one line for the user: what is shown, and why.
        capability: of a GPU, the version of what it can compute, as NVIDIA counts; (0, 0) where it is not known.
    """

    device: str
    is_gpu: bool
    total: int
    ours: int
    others: int
    sentence: str
    capability: tuple[int, int] = (0, 0)

    @property
    def used(self) -> int:
        """Ours and others' together."""
        return self.ours + self.others

    @property
    def free(self) -> int:
        """What is left."""
        return max(0, self.total - self.used)


class MemoryWatch:
    """Reads the memory again and again. Never raises: what cannot be read is said in a sentence.

    `read` may take long when a sleeping driver wakes, so call it outside the window's thread.

    Attributes:
        trouble: what is wrong with a GPU's driver, as far as it is known.
    """

    def __init__(self):
        self.trouble: str | None = None
        self._nvml: Any = None
        self._why_not = NO_GPU
        self._process = psutil.Process()
        try:
            import pynvml

            pynvml.nvmlInit()
            if pynvml.nvmlDeviceGetCount() > 0:
                self._nvml = pynvml
        except ImportError as error:
            log.info("NVML cannot be used: %s", error)
            self._why_not = NO_LIBRARY
        except Exception as error:
            # No driver, no permission, a driver of another version: all mean that there is nothing to show.
            log.info("NVML cannot be used: %s", error)
            self.trouble = _cause(error)
            self._why_not = self.trouble + _SHOWN if self.trouble else NO_GPU

    def read(self, index: int = 0, own_bytes: int = 0) -> MemoryReading:
        """The present state.

        Args:
            index: which GPU.
            own_bytes: what this program knows it holds on the GPU, used where the driver does not tell it.
        """
        if self._nvml is not None:
            try:
                return self._read_gpu(index, own_bytes)
            except Exception as error:
                log.warning("NVML stopped answering: %s", error)
                self.trouble = _cause(error)
                self._nvml, self._why_not = None, self.trouble + _SHOWN if self.trouble else GPU_UNREADABLE
        return self.read_ram()

    @property
    def sees_gpu(self) -> bool:
        """There is a GPU whose driver answers."""
        return self._nvml is not None

    def close(self) -> None:
        """Let the driver go."""
        if self._nvml is not None:
            try:
                self._nvml.nvmlShutdown()
            except Exception as error:
                log.info("NVML did not shut down: %s", error)
            self._nvml = None

    def _read_gpu(self, index: int, own_bytes: int) -> MemoryReading:
        nvml = self._nvml
        device = nvml.nvmlDeviceGetHandleByIndex(min(index, nvml.nvmlDeviceGetCount() - 1))
        memory = nvml.nvmlDeviceGetMemoryInfo(device)
        name = nvml.nvmlDeviceGetName(device)
        name = name.decode() if isinstance(name, bytes) else name
        ours = min(self._own_share(device) or own_bytes, memory.used)
        sentence = f"{name}: memory as the driver reports it"
        return MemoryReading(name, True, memory.total, ours, memory.used - ours, sentence, self._capability(device))

    def _capability(self, device) -> tuple[int, int]:
        try:
            major, minor = self._nvml.nvmlDeviceGetCudaComputeCapability(device)
        except self._nvml.NVMLError:
            return 0, 0
        return major, minor

    def _own_share(self, device) -> int:
        try:
            running = self._nvml.nvmlDeviceGetComputeRunningProcesses(device)
        except self._nvml.NVMLError:
            return 0
        # Windows reports None for each process, and inside a container the numbers of processes are others.
        return sum(entry.usedGpuMemory or 0 for entry in running if entry.pid == self._process.pid)

    def read_ram(self) -> MemoryReading:
        """The state of the memory (RAM), whatever GPUs there are."""
        memory = psutil.virtual_memory()
        used = memory.total - memory.available
        ours = min(self._process.memory_info().rss, used)
        return MemoryReading("RAM", False, memory.total, ours, used - ours, self._why_not)


def look(ram: bool = False) -> MemoryReading:
    """One reading of the memory that models are loaded into: RAM where torch cannot use the GPU, or with `ram`."""
    watch = MemoryWatch()
    try:
        if ram or not _torch_uses_gpus():
            return watch.read_ram()
        return watch.read()
    finally:
        watch.close()


def why_cpu() -> str | None:
    """A sentence about what keeps a GPU of this computer from being used, or None where there is none."""
    watch = MemoryWatch()
    try:
        reading = watch.read()
        if watch.trouble:
            return f"{watch.trouble}; the model runs on the CPU."
        if watch.sees_gpu:
            missing = "the installed torch is built without CUDA" if not _torch_has_cuda() else "torch cannot use it"
            return f"There is an NVIDIA GPU ({reading.device}), but {missing}; the model runs on the CPU."
        if _has_card():
            return "There is an NVIDIA GPU, but its driver is missing; the model runs on the CPU."
        return None
    finally:
        watch.close()


def _cause(error: Exception) -> str | None:
    return _CAUSES.get(getattr(error, "value", -1))


def _torch_has_cuda() -> bool:
    try:
        return not version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


def _torch_uses_gpus() -> bool:
    """As far as can be told: for certain once torch is loaded."""
    torch = sys.modules.get("torch")
    return bool(torch.cuda.is_available()) if torch else _torch_has_cuda()


def _has_card() -> bool:
    """Whether there is an NVIDIA card, as Linux lists it with or without a driver."""
    for card in _CARDS.glob("*"):
        with contextlib.suppress(OSError):
            maker, kind = ((card / name).read_text().strip() for name in ("vendor", "class"))
            if maker == "0x10de" and kind.startswith("0x03"):
                return True
    return False


class MemoryAlarm:
    """Says once that the memory is nearly full, and again only after there was room in between."""

    full, roomy = 0.93, 0.85

    def __init__(self):
        self._said = False

    def sentence(self, reading: MemoryReading) -> str | None:
        """What to tell the user of this reading, or nothing."""
        share = reading.used / reading.total if reading.total else 0.0
        if share < self.roomy:
            self._said = False
        if share < self.full or self._said:
            return None
        self._said = True
        place = "The GPU's memory" if reading.is_gpu else "The memory (RAM)"
        return (
            f"{place} is {share:.0%} full, {reading.free / 1024**3:.1f} GB are free: "
            "close other programs or choose a smaller model before it runs out."
        )
