"""How fast this machine reads its memory: what no decoder of one text at a time can beat."""

import time
from collections.abc import Callable

import torch

# Far more than the last-level cache of any processor that models are run on at home.
_BYTES = 512 * 1024**2
_PASSES = 4


def read_bandwidth(device: torch.device, size: int = _BYTES) -> float:
    """Bytes a second that all threads together read of a buffer of `size` bytes, or a GPU does.

    The fastest of some passes of two simple readers counts: one adds up the buffer, one multiplies its halves.
    """
    values = torch.ones(size // 4, dtype=torch.float32, device=device)
    half = values.numel() // 2
    readers: list[Callable[[], torch.Tensor]] = [
        values.sum,
        lambda: torch.dot(values[:half], values[half : 2 * half]),
    ]
    fastest = min(_seconds(read, device) for read in readers for _ in range(_PASSES))
    return 4 * values.numel() / fastest


def _seconds(read: Callable[[], torch.Tensor], device: torch.device) -> float:
    began = time.perf_counter()
    read()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
