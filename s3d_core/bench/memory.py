"""What memory a contender needs: what it holds for itself, counted, and how far it grew while it wrote, measured.

All contenders run in one process, so that they take turns within seconds of each other, and a process's peak is that
of all of them together. So each tells the bytes that it holds by itself (weights, K/V cache, what drafts), and around
each of its replies the highest mark of the process is set back and read again (on a GPU that of torch's allocator):
the peak is what was held before and the growth above it. What was freed goes back to the system first, else one
contender would grow into what another left. The libraries, half a gigabyte that all have in common, are not in it;
`--startup` measures whole processes.
"""

from pathlib import Path

import torch

from s3d_core import pages

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# Written to `clear_refs`, this sets the highest mark back to what is held now (Linux 4.0).
_SET_BACK = "5"


class HighWater:
    """Measures how far the process, or a GPU's allocator, grows between `begin` and `grown`."""

    def __init__(self, device: torch.device):
        self._device = device
        self._before: int | None = None

    def begin(self) -> None:
        """Set the mark back to what is held now."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
            return
        pages.trim()
        try:
            _CLEAR.write_text(_SET_BACK, encoding="ascii")
            self._before = marks()["VmRSS"]
        except (OSError, KeyError):
            self._before = None

    def grown(self) -> int | None:
        """Bytes by which the mark rose; None where the system does not tell (it does on Linux and for CUDA)."""
        if self._before is None:
            return None
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) - self._before
        return max(0, marks()["VmHWM"] - self._before)


def marks(status: Path = _STATUS) -> dict[str, int]:
    """A process's memory in bytes as Linux tells it.

    `VmRSS` is held now, of which `RssAnon` is the process's own and the rest pages of files; `VmHWM` was the most.

    Raises:
        OSError: the process is gone, or the system is another.
    """
    lines = (line.split() for line in status.read_text(encoding="utf-8").splitlines())
    return {line[0][:-1]: int(line[1]) * 1024 for line in lines if line and line[0] in ("VmRSS:", "VmHWM:", "RssAnon:")}
