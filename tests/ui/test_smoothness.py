"""While a reply streams, the event loop is never away for long."""

import time
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QTimer
from ui.conftest import PATIENCE_MS
from ui.scripted import scripted_parts

from app.engine.phase import Phase
from app.ui.chat import highlight

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


WORST_MS = 50
# Who waits for a processor less than this share of the time has the machine to itself.
IDLE = 0.01


def waited() -> float:
    """Seconds in which this thread could have run while another had the processor, as Linux counts them; else 0."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class GapMeter:
    """Measures how late a 5 ms timer is, in the window's own thread.

    `worst_ms` is the clock's, which is what a user sees. `own_ms` leaves out waiting for a processor that other
    programs had: what is left, the window's own work and waiting for locks that the decoder's thread holds, is the
    same on a busy machine. `was_idle` says that there was next to nothing to leave out.
    """

    def __init__(self, parent):
        self.gaps: list[float] = []
        self.own: list[float] = []
        self._last, self._waited = time.perf_counter(), waited()
        self._timer = QTimer(parent, interval=5)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now, waiting = time.perf_counter(), waited()
        self.gaps.append(now - self._last)
        self.own.append(now - self._last - (waiting - self._waited))
        self._last, self._waited = now, waiting

    def stop(self) -> None:
        self._timer.stop()

    @property
    def worst_ms(self) -> float:
        return 1000 * max(self.gaps)

    @property
    def own_ms(self) -> float:
        return 1000 * max(self.own)

    @property
    def waiting(self) -> float:
        """The share of the time spent waiting for a processor."""
        return 1 - sum(self.own) / sum(self.gaps)

    @property
    def was_idle(self) -> bool:
        return self.waiting < IDLE

    @property
    def is_smooth(self) -> bool:
        return self.own_ms < WORST_MS and (self.worst_ms < WORST_MS or not self.was_idle)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("drafted", [False, True], ids=["plain text", "drafted tokens shown"])
def test_the_event_loop_is_never_away_for_50_ms_at_200_tokens_per_second(
    open_window, engine, say, qtbot, record_property, drafted
):
    highlight.warm_up()  # as the program does behind its start
    engine.reply = "".join(CODE.format(n=n) for n in range(6)) + LONG_CODE
    window = open_window(scripted_parts(engine), size=(1400, 900))
    window.panel.colouring.setChecked(drafted)
    window.panel.controls.auto.setChecked(True)
    told, behind = [], []

    def compare(rounds):
        told.extend(done.text for done in rounds)
        behind.append(len("".join(told)) - len(window.chat.transcript.messages[-1].body.text))

    window.link.rounds_done.connect(compare)
    for _ in range(3):
        # The best of three counts: what the system does beside is not the window's.
        told.clear()
        say(window, "Go", wait=False)
        meter = GapMeter(window)
        begun = time.perf_counter()
        qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=6 * PATIENCE_MS)
        meter.stop()
        took, tokens = time.perf_counter() - begun, -(-len(engine.reply) // 4)
        print(
            f"worst gap {meter.worst_ms:.0f} ms by the clock, {meter.own_ms:.0f} ms of it the window's own; waited for "
            f"a processor {meter.waiting:.1%} of the time; {tokens / took:.0f} tokens/s, {took:.1f} s"
        )
        assert window.chat.transcript.messages[-1].body.text == engine.reply
        assert tokens / took > 180
        assert took > 5
        if meter.is_smooth:
            break
        window.new_chat()
    record_property("worst_gap_ms", round(meter.worst_ms, 1))
    record_property("worst_own_gap_ms", round(meter.own_ms, 1))
    record_property("waiting_for_a_processor", round(meter.waiting, 4))
    assert meter.is_smooth
    assert len(behind) > 50
    assert set(behind) == {0}, "whatever was told is shown at once"
