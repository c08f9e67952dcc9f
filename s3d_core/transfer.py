"""Between the host and a device, without waiting where that can be helped."""

import itertools
import time
from collections.abc import Sequence
from typing import Any

import torch


def send(values: torch.Tensor | Sequence, device: torch.device) -> torch.Tensor:
    """Host values on a device. A GPU takes them from pinned memory in its own time, so that nobody waits for it."""
    tensor = torch.as_tensor(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class Clock:
    """Moments of a round: its start, the draft, what the host got to know of the verify pass, and what follows.

    A GPU works behind the host's back, so the draft is timed there. The host waits for the GPU before the third
    moment, hence later ones are its own: an event of a GPU that has not passed it cannot be read.
    """

    def __init__(self, device: torch.device):
        self._device = device
        self._moments: list[float] = []
        self._events: list[Any] = []
        self.mark()

    def mark(self) -> None:
        """Take a moment."""
        if self._device.type == "cuda" and len(self._events) < 2:
            self._events.append(torch.cuda.Event(enable_timing=True))
            self._events[-1].record(torch.cuda.current_stream(self._device))
        self._moments.append(time.perf_counter())

    def ms(self) -> list[float]:
        """Milliseconds between the moments, three at least."""
        spans = [1000 * (b - a) for a, b in itertools.pairwise(self._moments)]
        if self._events:
            drafted = self._events[0].elapsed_time(self._events[1])
            spans[:2] = drafted, max(0.0, spans[0] + spans[1] - drafted)
        return spans
