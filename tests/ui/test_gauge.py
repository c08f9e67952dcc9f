"""The memory gauge, its popup and its warning."""

import pytest
from PySide6.QtCore import Qt

from app.hardware import MemoryReading
from app.ui.gauge import MemoryGauge
from app.ui.memory_parts import HISTORY, parts_of

GIB = 1024**3
OWN = {"weights": 3 * GIB, "cache": GIB, "adapter": GIB // 2}


def reading(ours=5.0, others=4.0, total=24.0, gpu=True) -> MemoryReading:
    sizes = (int(total * GIB), int(ours * GIB), int(others * GIB))
    return MemoryReading("NVIDIA Test" if gpu else "RAM", gpu, *sizes, "Where the numbers are from")


@pytest.fixture
def gauge(qtbot) -> MemoryGauge:
    made = MemoryGauge()
    qtbot.addWidget(made)
    made.resize(230, 36)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_the_pieces_are_the_whole_memory_in_order():
    parts = parts_of(reading(), OWN)
    assert [part.size / GIB for part in parts] == [4.0, 3.0, 1.0, 0.5, 0.5, 15.0]
    assert sum(part.size for part in parts) == 24 * GIB


def test_pieces_never_exceed_what_the_system_has_seen_of_us():
    parts = parts_of(reading(ours=3.5), OWN)
    assert [part.size / GIB for part in parts[1:5]] == [3.0, 0.5, 0.0, 0.0]


def test_the_bar_shows_each_piece_in_its_colour(gauge):
    from app.ui.theme import colours

    gauge.show_own(OWN)
    gauge.show_reading(reading())
    picture, ink = gauge.grab().toImage(), colours()
    row = [picture.pixelColor(x, 36 - 8).name() for x in range(5, 225)]
    order = [name for at, name in enumerate(row) if at == 0 or row[at - 1] != name]
    wanted = [ink.muted, ink.accent, ink.number, ink.speed, ink.keyword, ink.line]
    assert [name for name in order if name in wanted] == wanted


def test_a_click_or_the_keyboard_opens_the_numbers(gauge, qtbot):
    gauge.show_own(OWN)
    gauge.show_reading(reading())
    gauge.setFocus()
    for open_it in (
        lambda: qtbot.mouseClick(gauge, Qt.MouseButton.LeftButton),
        lambda: qtbot.keyClick(gauge, Qt.Key.Key_Space),
    ):
        open_it()
        assert gauge.popup.isVisible()
        said = gauge.popup.accessibleDescription()
        assert "Weights: 3.00 GB" in said
        assert "Conversation (K/V cache): 1.00 GB" in said
        assert "Other programs: 4.00 GB" in said
        assert "Free: 15.00 GB" in said
        gauge.show_reading(reading(others=6.0))
        assert "Other programs: 6.00 GB" in gauge.popup.accessibleDescription()
        qtbot.keyClick(gauge.popup, Qt.Key.Key_Escape)
        assert not gauge.popup.isVisible()
        gauge.show_reading(reading())


def test_the_history_is_bounded_and_starts_anew_with_another_device(gauge):
    for _ in range(2 * HISTORY):
        gauge.show_reading(reading())
    assert list(gauge.history) == [9 / 24] * HISTORY
    gauge.show_reading(reading(gpu=False))
    assert list(gauge.history) == [9 / 24]


def test_a_warning_comes_once_before_the_memory_is_full_and_again_only_after_there_was_room(gauge):
    said = []
    gauge.nearly_full.connect(said.append)
    for others in (10.0, 17.0, 17.5, 18.5, 17.5, 18.5):
        gauge.show_reading(reading(others=others))
    assert len(said) == 1
    assert said[0].startswith("The GPU's memory is 94% full, 1.5 GB are free")
    gauge.show_reading(reading(others=10.0))
    gauge.show_reading(reading(others=18.6))
    assert len(said) == 2


def test_the_warning_reaches_the_window(window):
    window.show_memory(reading(others=18.9, gpu=False))
    assert window.chat.notice.text.startswith("The memory (RAM) is 100% full")
