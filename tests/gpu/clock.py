"""How long things take on a device, and how much it copies in that time."""

import statistics
import time
from collections.abc import Callable

import torch
from gpu.place import Place


def timed(place: Place, run: Callable[[], object]) -> float:
    """Milliseconds of one run: the median over some rows of runs, between which a GPU is not waited for."""
    runs, times = place.repeats
    for _ in range(3):  # the first is not recorded, the second one is while it is recorded
        run()
    return statistics.median(_row(place.device, run, runs) for _ in range(times))


def _row(device: torch.device, run: Callable[[], object], runs: int) -> float:
    if device.type != "cuda":
        began = time.perf_counter()
        for _ in range(runs):
            run()
        return 1000 * (time.perf_counter() - began) / runs
    ends = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
    ends[0].record()
    for _ in range(runs):
        run()
    ends[1].record()
    ends[1].synchronize()
    return ends[0].elapsed_time(ends[1]) / runs


def copy_bandwidth(place: Place) -> float:
    """Bytes a second that a copy within the device's memory reads and writes together."""
    size = 2**20 if place.small else 2**31
    source = torch.ones(size, dtype=torch.uint8, device=place.device)
    into = torch.empty_like(source)
    return 2 * size / (timed(place, lambda: into.copy_(source)) / 1000)
