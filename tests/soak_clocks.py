"""What a soak is measured by: the times of our threads, and a process that tells when the whole machine stood still."""

import contextlib
import mmap
import os
import struct
import subprocess
import sys
from pathlib import Path


def clocks() -> dict[int, tuple[float, float]]:
    """Of each thread of ours: seconds for which it ran, and could have run while others had the processors."""
    found = {}
    for thread in os.listdir("/proc/self/task"):  # noqa: PTH208  (as fast as can be: it is asked 200 times a second)
        with contextlib.suppress(OSError, ValueError):
            file = os.open(f"/proc/self/task/{thread}/schedstat", os.O_RDONLY)
            ran, waited, _ = os.read(file, 100).split()
            os.close(file)
            found[int(thread)] = (int(ran) / 1e9, int(waited) / 1e9)
    return found


class Metronome:
    """A process beside this one that does nothing but wake up every 5 ms, and notes the time by which it came late."""

    _SCRIPT = """
import mmap, os, struct, sys, time
with open(sys.argv[1], "r+b") as file:
    page = mmap.mmap(file.fileno(), 8)
late, last, parent = 0.0, time.perf_counter(), os.getppid()
while os.getppid() == parent:
    time.sleep(0.005)
    now = time.perf_counter()
    late += now - last - 0.005 if now - last > 0.02 else 0.0
    last = now
    page[:] = struct.pack("d", late)
"""

    def __init__(self, home: Path):
        place = home / "metronome"
        place.write_bytes(bytes(8))
        with place.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 8)
        self._process = subprocess.Popen([sys.executable, "-c", self._SCRIPT, str(place)])

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def late(self) -> float:
        """Seconds by which it has come late until now, all together."""
        return struct.unpack("d", self._page[:])[0]
