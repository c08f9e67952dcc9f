"""The real window on the real engine and the default model."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from ui.test_smoothness import GapMeter

from app.engine.link import EngineLink
from app.engine.parts import Parts, real_parts
from app.engine.phase import Phase
from app.ui.window import Window

LOADING_MS = 120_000
# The answer goes on to the limit of 1,024 tokens, some 200 rounds: enough to act on at any speed of the machine.
PROMPT = "Tell a long story of a lighthouse keeper and the sea, in ten chapters."
WATCHED_ROUNDS = 60


@dataclass(frozen=True)
class Model:
    name: str
    path: Path


@pytest.fixture
def window(default_model, qapp, qtbot):
    real = real_parts()
    models = [Model("SmolLM2-135M-Instruct", default_model), Model("Nothing", default_model.parent / "missing.gguf")]
    window = Window(qapp, EngineLink(Parts(real.open_engine, real.fetch_default, lambda: models)))
    window.resize(1400, 900)
    window.show()
    qtbot.waitExposed(window)
    window.link.start()
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=LOADING_MS)
    yield window
    window.close()
    qtbot.waitUntil(lambda: window.link.is_closed, timeout=LOADING_MS)
    window.deleteLater()


def send(window, qtbot, text: str) -> None:
    field = window.chat.composer.field
    field.setFocus()
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


@pytest.mark.alone
@pytest.mark.slow
def test_a_chat_with_moving_sliders_stop_and_close(window, qtbot, record_property):
    assert window.link.plain_ms
    settings, gaps, ends = [], [], []
    window.link.rounds_done.connect(lambda rounds: settings.extend(done.settings for done in rounds))
    window.link.finished.connect(lambda totals: ends.append(totals.stop_reason))
    for _ in range(3):
        # Another program may take the processor away for a moment: the best of three counts.
        meter = GapMeter(window)
        count = len(settings)
        send(window, qtbot, PROMPT)
        qtbot.waitUntil(lambda count=count: len(settings) >= count + WATCHED_ROUNDS, timeout=LOADING_MS)
        assert window.link.phase == Phase.WRITING
        assert window.panel.drafting.isChecked()
        skipped = window.panel.skipped.value
        # Auto moves the slider too, and may have left it at either.
        wanted = 3 if window.panel.draft_length.value == 2 else 2
        window.panel.draft_length.slider.setValue(wanted)
        count = len(settings)
        qtbot.waitUntil(lambda count=count: len(settings) > count + 3, timeout=LOADING_MS)
        assert settings[-1].draft_length == wanted
        assert settings[-1].skipped == skipped
        stopped = time.perf_counter()
        qtbot.keyClick(window, Qt.Key.Key_Escape)
        qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=LOADING_MS)
        meter.stop()
        assert time.perf_counter() - stopped < 2
        assert ends[-1] == "cancelled"
        gaps.append(meter.worst_ms)
        assert window.conversation.turns[-1].text
        window.new_chat()
        window.panel.draft_length.slider.setValue(4)
        if meter.worst_ms < 100:
            break
    print(f"worst gaps {[round(gap) for gap in gaps]} ms")
    record_property("worst_gap_ms", round(min(gaps), 1))
    assert min(gaps) < 100

    window.topbar.models.activated.emit(1)
    qtbot.waitUntil(lambda: bool(window.chat.notice.text), timeout=LOADING_MS)
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=LOADING_MS)
    assert window.link.info.name

    send(window, qtbot, PROMPT)
    qtbot.waitUntil(lambda: window.link.phase == Phase.WRITING, timeout=LOADING_MS)
    with qtbot.waitSignal(window.closed, timeout=10_000):
        window.close()
    assert not any(thread.name == "engine" for thread in threading.enumerate())
