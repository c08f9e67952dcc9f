"""How full the memory is that models live in: the GPU's by NVML, or RAM where there is no NVIDIA GPU."""

import logging
from dataclasses import dataclass
from typing import Any

import psutil

log = logging.getLogger(__name__)

NO_GPU = "No NVIDIA GPU found: showing memory (RAM)"
GPU_UNREADABLE = "The NVIDIA driver did not answer: showing memory (RAM)"


@dataclass(frozen=True)
class MemoryReading:
    """A look at the memory, in bytes.

    Attributes:
        device: the GPU's name, or "RAM".
        is_gpu: the numbers are a GPU's.
        total: what there is. ours: what this program holds. others: what everything else holds.
        sentence: one line for the user: what is shown, and why.
    """

    device: str
    is_gpu: bool
    total: int
    ours: int
    others: int
    sentence: str

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
    """

    def __init__(self):
        self._nvml: Any = None
        self._why_not = NO_GPU
        self._process = psutil.Process()
        try:
            import pynvml

            pynvml.nvmlInit()
            if pynvml.nvmlDeviceGetCount() > 0:
                self._nvml = pynvml
        except Exception as error:
            # No driver, no library, no permission, a driver of another version: all mean that there is nothing to show.
            log.info("NVML cannot be used: %s", error)

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
                self._nvml, self._why_not = None, GPU_UNREADABLE
        return self._read_ram()

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
        return MemoryReading(name, True, memory.total, ours, memory.used - ours, sentence)

    def _own_share(self, device) -> int:
        try:
            running = self._nvml.nvmlDeviceGetComputeRunningProcesses(device)
        except self._nvml.NVMLError:
            return 0
        # Windows reports None for each process, and inside a container the numbers of processes are others.
        return sum(entry.usedGpuMemory or 0 for entry in running if entry.pid == self._process.pid)

    def _read_ram(self) -> MemoryReading:
        memory = psutil.virtual_memory()
        used = memory.total - memory.available
        ours = min(self._process.memory_info().rss, used)
        return MemoryReading("RAM", False, memory.total, ours, used - ours, self._why_not)


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
