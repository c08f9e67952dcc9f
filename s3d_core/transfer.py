"""Between the host and a device, without waiting where that can be helped."""

import time
from collections.abc import Sequence
from typing import Any

import torch


def send(values: torch.Tensor | Sequence, device: torch.device) -> torch.Tensor:
    """Host values on a device. A GPU takes them from pinned memory in its own time, so that nobody waits for it."""
    tensor = torch.as_tensor(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class Clock:
    """Moments of a round, taken where the device has come to; they are read when it has passed the last one."""

    def __init__(self, device: torch.device):
        self._is_cuda = device.type == "cuda"
        self._moments: list[Any] = []
        self.mark()

    def mark(self) -> None:
        """Take a moment."""
        if self._is_cuda:
            self._moments.append(torch.cuda.Event(enable_timing=True))
            self._moments[-1].record()
        else:
            self._moments.append(time.perf_counter())

    def ms(self) -> list[float]:
        """Milliseconds between the moments; a GPU must have been waited for."""
        pairs = zip(self._moments, self._moments[1:], strict=False)
        return [a.elapsed_time(b) if self._is_cuda else 1000 * (b - a) for a, b in pairs]
