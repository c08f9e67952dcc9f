"""The strip of rounds: what each column tells and shows."""

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QToolTip

from app.ui.speed.strip import COLUMN, RoundStrip, said_of
from app.ui.theme import colours
from s3d_core.settings import DraftSettings
from s3d_core.stats import Round


def a_round(strategy="s3d", drafted=8, accepted=3) -> Round:
    ids = tuple(range(accepted + 1))
    return Round(ids, (), drafted, accepted, 4, 0, 9.0, 20.0, 31.2, 50, DraftSettings(strategy))


@pytest.fixture
def strip(qtbot) -> RoundStrip:
    made = RoundStrip()
    qtbot.addWidget(made)
    made.resize(280, made.height())
    made.show()
    qtbot.waitExposed(made)
    return made


def test_a_round_is_told_with_its_numbers():
    assert said_of(57, a_round()) == (
        "Round 57: 8 drafted by S3D, 12 layers skipped\n3 accepted, 5 rejected\n"
        "4 tokens in 31.2 ms: 9.0 ms to draft, 20.0 ms to check"
    )
    assert said_of(3, a_round("lookup")).startswith("Round 3: 8 drafted by a copy\n")
    assert said_of(1, a_round("plain", 0, 0)) == "Round 1: a plain step, 1 token in 31.2 ms"


def test_the_newest_rounds_are_shown_and_numbered_through(strip):
    strip.add([a_round()] * 300)
    assert [number for number, _ in strip.shown] == list(range(245, 301))
    assert strip.accessibleDescription().startswith("Round 300:")
    strip.clear()
    assert strip.shown == []
    strip.add([a_round()])
    assert strip.shown[0][0] == 1


def test_accepted_tokens_are_solid_below_and_rejected_ones_light_above(strip):
    strip.add([a_round(drafted=8, accepted=3), a_round(drafted=8, accepted=0)])
    picture = strip.grab().toImage()

    def column(x: int) -> list[str]:
        names = {colours().speed: "accepted", colours().rejected: "rejected"}
        found = [names.get(picture.pixelColor(x, y).name()) for y in range(picture.height() - 1, 17, -1)]
        return [name for at, name in enumerate(found) if name and (at == 0 or found[at - 1] != name)]

    assert column(1) == ["accepted"] * 3 + ["rejected"] * 5
    assert column(int(COLUMN) + 1) == ["rejected"] * 8


def test_the_mouse_over_a_column_tells_its_round(strip, qtbot):
    strip.add([a_round(accepted=number) for number in range(5)])
    qtbot.mouseMove(strip, QPoint(int(2.5 * COLUMN), 40))
    qtbot.waitUntil(lambda: QToolTip.text().startswith("Round 3:"))
    assert "2 accepted, 6 rejected" in QToolTip.text()
    qtbot.mouseMove(strip, QPoint(int(9.5 * COLUMN), 40))
    qtbot.waitUntil(lambda: not QToolTip.text())
