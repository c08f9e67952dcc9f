"""What a soak is measured by: a process beside it that tells how its threads spent their time, and when all was still.

Looking at the threads takes some twenty calls of the system, and Python's lock must be waited for after each. In the
process that is measured it would itself make the pauses that it is to explain.
"""

import mmap
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

_MOST_THREADS = 200
# How often the page was written, seconds of lateness, number of threads; then of each its number, and two times.
_HEAD, _THREAD = "Qdq", "qdd"
_SIZE = struct.calcsize(_HEAD) + _MOST_THREADS * struct.calcsize(_THREAD)


class Metronome:
    """A process that wakes up every 5 ms, notes the time by which it came late, and looks at our threads."""

    def __init__(self, home: Path):
        place = home / "metronome"
        place.write_bytes(bytes(_SIZE))
        with place.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _SIZE)
        self._process = subprocess.Popen([sys.executable, __file__, str(place)])
        while not self.read()[1]:
            time.sleep(0.01)

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def read(self) -> tuple[float, dict[int, tuple[float, float]]]:
        """Seconds by which it has come late until now, all together; and of each of our threads the seconds for which
        it ran, and could have run while others had the processors."""
        while True:
            before, held = self._page[:8], self._page[:]
            if any(before) and before == held[:8] == self._page[:8]:  # else it was being written
                break
        _, late, count = struct.unpack_from(_HEAD, held)
        start, step = struct.calcsize(_HEAD), struct.calcsize(_THREAD)
        threads = (struct.unpack_from(_THREAD, held, start + i * step) for i in range(count))
        return late, {thread: (ran, waited) for thread, ran, waited in threads}


def _tick(place: str) -> None:
    with open(place, "r+b") as file:  # noqa: PTH123  (as little as can be is imported here)
        page = mmap.mmap(file.fileno(), _SIZE)
    parent, late, last, number = os.getppid(), 0.0, time.perf_counter(), 0
    while os.getppid() == parent:
        time.sleep(0.005)
        now = time.perf_counter()
        late += now - last - 0.005 if now - last > 0.02 else 0.0
        last, number = now, number + 1
        threads = []
        for thread in os.listdir(f"/proc/{parent}/task")[:_MOST_THREADS]:  # noqa: PTH208
            try:
                with open(f"/proc/{parent}/task/{thread}/schedstat", "rb", buffering=0) as file:  # noqa: PTH123
                    ran, waited, _ = file.read(100).split()
            except OSError:
                continue  # it has just ended
            threads.append(struct.pack(_THREAD, int(thread), int(ran) / 1e9, int(waited) / 1e9))
        written = struct.pack(_HEAD, number, late, len(threads)) + b"".join(threads)
        page[:8] = bytes(8)  # being written
        page[8 : len(written)] = written[8:]
        page[:8] = written[:8]


if __name__ == "__main__":
    _tick(sys.argv[1])
