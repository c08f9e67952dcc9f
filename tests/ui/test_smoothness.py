"""While a reply streams, the event loop is never away for long."""

import time

import pytest
from PySide6.QtCore import Qt, QTimer
from ui.conftest import PATIENCE_MS
from ui.scripted import scripted_parts

from app.engine.phase import Phase

CODE = """
Here is **part {n}** of the answer, with a list:

1. It walks over `items` once.
2. It keeps the *largest* seen.

```python
def largest_{n}(items: list[int]) -> int:
    '''The largest of some numbers.'''
    best = items[0]
    for item in items[1:]:
        if item > best:  # a new best
            best = item
    return best
```

| step | cost |
|-----:|:-----|
| {n} | O(n) |
"""
LONG_CODE = (
    "Listing:\n\n```python\n" + "".join(f"value_{n} = compute({n}, 'text')  # line {n}\n" for n in range(120)) + "```\n"
)


class GapMeter:
    """Measures how late a 5 ms timer is, in the window's own thread.

    `own_ms` leaves out waiting for other programs: of a gap it counts at most the processor time
    that this process used in it, a lock held by another of its threads included.
    """

    def __init__(self, parent):
        self.gaps: list[float] = []
        self.own: list[float] = []
        self._last, self._last_used = time.perf_counter(), time.process_time()
        self._timer = QTimer(parent, interval=5)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now, used = time.perf_counter(), time.process_time()
        self.gaps.append(now - self._last)
        self.own.append(min(now - self._last, used - self._last_used))
        self._last, self._last_used = now, used

    def stop(self) -> None:
        self._timer.stop()

    @property
    def worst_ms(self) -> float:
        return 1000 * max(self.gaps)

    @property
    def own_ms(self) -> float:
        return 1000 * max(self.own)


@pytest.mark.slow
@pytest.mark.parametrize("drafted", [False, True], ids=["plain text", "drafted tokens shown"])
def test_the_event_loop_is_never_away_for_100_ms_at_200_tokens_per_second(
    open_window, engine, say, qtbot, record_property, drafted
):
    engine.reply = "".join(CODE.format(n=n) for n in range(6)) + LONG_CODE
    window = open_window(scripted_parts(engine), size=(1400, 900))
    window.panel.colouring.setChecked(drafted)
    walls = []
    for _ in range(3):
        # Another program may take the processor away for a moment: of the wall clock the best of three counts.
        say(window, "Go", wait=False)
        meter = GapMeter(window)
        begun = time.perf_counter()
        qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=6 * PATIENCE_MS)
        meter.stop()
        took, tokens = time.perf_counter() - begun, -(-len(engine.reply) // 4)
        walls.append(meter.worst_ms)
        print(
            f"worst gap {meter.worst_ms:.0f} ms ({meter.own_ms:.0f} ms own), {tokens / took:.0f} tokens/s, {took:.1f} s"
        )
        assert window.chat.transcript.messages[-1].body.text == engine.reply
        assert tokens / took > 180
        assert took > 5
        assert meter.own_ms < 100
        if meter.worst_ms < 100:
            break
        window.new_chat()
    record_property("worst_gap_ms", round(min(walls), 1))
    assert min(walls) < 100
