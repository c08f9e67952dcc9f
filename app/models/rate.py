"""How fast something goes, and how long it will still take."""

import time
from collections import deque
from collections.abc import Callable

_WINDOW = 5.0


class Rate:
    """Looks at the last seconds only, so that it follows a network that changes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._steps: deque[tuple[float, int]] = deque()
        self._begun = clock()

    def add(self, count: int) -> None:
        """`count` bytes came now."""
        now = self._clock()
        self._steps.append((now, count))
        while self._steps and self._steps[0][0] < now - _WINDOW:
            self._steps.popleft()

    @property
    def per_second(self) -> float:
        """Bytes a second; 0 when nothing came lately."""
        now = self._clock()
        recent = sum(count for when, count in self._steps if when >= now - _WINDOW)
        return recent / max(0.2, min(_WINDOW, now - self._begun))

    def seconds_for(self, count: int) -> float | None:
        """How long `count` bytes will take; None while that cannot be told."""
        speed = self.per_second
        return count / speed if speed > 0 else None
