"""The page of the settings about precision, by real keys and clicks on a scripted model."""

from dataclasses import replace
from datetime import date

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel
from ui.conftest import PATIENCE_MS
from ui.scripted import INFO, ScriptedEngine, scripted_parts

from app.engine.parts import Parts
from app.engine.phase import Phase
from app.models.precision import Choice, Measured
from app.settings.file import load
from app.settings.values import Running, Settings
from app.ui.language import speak
from app.ui.settings.dialog import SettingsDialog
from app.ui.settings.preferences import Preferences
from s3d_core.errors import SettingError

MS = {
    "float32": {1: 16.0, 9: 22.0, 17: 28.0, 72: 100.0},
    "bfloat16": {1: 8.1, 9: 13.0, 17: 24.0, 72: 60.0},
    "int8": {1: 4.0, 9: 7.0, 17: 11.0, 72: 30.0},
}
MEASURED = Measured(day=date(2026, 11, 28), ms=MS)
# Of each load: whether it was to measure again.
LOADS: list[bool] = []


def parts_that_choose(choice: Choice | None = None) -> Parts:
    """Scripted parts that load in what is wanted, and choose bfloat16 by themselves."""
    scripted = scripted_parts(ScriptedEngine())

    def open_engine(path, progress):
        engine, wanted = scripted.open_engine(path, progress), parts.precision.wanted
        LOADS.append(parts.precision.again)
        parts.precision.again = False
        found = choice or Choice("bfloat16", "fastest", MEASURED)
        if wanted != "auto":
            found = replace(found, precision=wanted, why="asked")
        parts.precision.choice = found
        engine.info = replace(INFO, dtype=found.precision if found.precision != "auto" else "float32")
        return engine

    parts = replace(scripted, open_engine=open_engine)
    return parts


@pytest.fixture
def opened(open_window, qtbot, tmp_path):
    """A window with its settings open at the page; (window, dialog)."""

    def open_one(choice: Choice | None = None):
        window = open_window(parts_that_choose(choice), preferences=Preferences(tmp_path / "settings.json"))
        window.desk.show_settings()
        dialog = window.findChild(SettingsDialog)
        qtbot.waitUntil(dialog.isVisible, timeout=PATIENCE_MS)
        dialog.pages.setCurrentRow(2)
        return window, dialog

    return open_one


def cells(page) -> list[str]:
    return [label.text() for label in page.table.findChildren(QLabel) if not label.isHidden()]


def pick(qtbot, window, dialog, row: int) -> None:
    """Choose by keyboard, and wait until the model is here again in it."""
    box = dialog.model.rows["precision"].control.box
    box.setFocus()
    while box.currentIndex() != row:
        qtbot.keyClick(box, Qt.Key.Key_Down if box.currentIndex() < row else Qt.Key.Key_Up)
    wanted = box.currentData()
    qtbot.waitUntil(lambda: window.link.info is not None and window.link.info.dtype == wanted, timeout=PATIENCE_MS)


def test_the_choice_its_reason_and_the_measured_times_are_shown(opened):
    _, dialog = opened()
    page = dialog.model
    assert page.used.text() == (
        "bfloat16 is in use: by measurement the fastest here that keeps the model's own numbers."
    )
    assert page.measured.text() == (
        "Products with this model's matrices alone, measured on 2026-11-28. int8 would write about 1.9 times as fast."
    )
    assert cells(page)[:10] == [
        *("Precision", "A token, plain", "17 tokens checked", "A token, drafted", "Tokens read"),
        *("bfloat16", "8.1 ms", "24.0 ms", cells(page)[8], "1,200/s"),
    ]
    assert "Precision: float32, A token, plain: 16.0 ms" in page.table.accessibleDescription()
    assert "the text may be another" in page.eight.text()


def test_another_precision_is_loaded_at_once_and_kept(opened, qtbot, tmp_path):
    window, dialog = opened()
    pick(qtbot, window, dialog, 2)
    assert window.link.info.dtype == "float32"
    assert dialog.model.used.text() == "float32 is in use, as it was chosen."
    pick(qtbot, window, dialog, 3)
    assert window.link.info.dtype == "int8"
    dialog.close()
    assert load(tmp_path / "settings.json")[0].running.precision == "int8"
    dialog.show()
    qtbot.mouseClick(dialog.model.rows["precision"].usual, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.link.info is not None and window.link.info.dtype == "bfloat16", timeout=PATIENCE_MS)


def test_a_kept_precision_holds_from_the_start(open_window, tmp_path):
    preferences = Preferences(tmp_path / "settings.json")
    preferences.set_running("precision", "float32")
    window = open_window(parts_that_choose(), preferences=preferences)
    assert window.link.info.dtype == "float32"
    assert window.link.precision.for_fit("bfloat16") == "float32"


@pytest.mark.parametrize(("reason", "said"), [("processor", "fast products of 8-bit"), ("matrices", "groups of 8-bit")])
def test_eight_bits_cannot_be_chosen_where_they_cannot_be_used(opened, qtbot, reason, said):
    window, dialog = opened(Choice("float32", "fastest", MEASURED, dict.fromkeys(("int8", "int4"), reason)))
    box = dialog.model.rows["precision"].control.box
    assert not box.model().item(3).isEnabled()
    assert said in box.model().item(3).toolTip()
    assert said in dialog.model.eight.text()
    box.setFocus()
    for _ in range(5):
        qtbot.keyClick(box, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert window.desk.preferences.settings.running.precision == "float32"


def test_on_a_gpu_each_of_the_two_has_its_own_reason(opened):
    _, dialog = opened(Choice("auto", "gpu", None, {"int8": "library", "int4": "capability"}))
    model = dialog.model.rows["precision"].control.box.model()
    assert [model.item(row).toolTip() for row in (3, 4)] == [
        "On a GPU it needs the package bitsandbytes.",
        "It needs an NVIDIA GPU of the RTX 30 series or later.",
    ]
    assert dialog.model.eight.text().endswith(
        "int8: On a GPU it needs the package bitsandbytes. int4: It needs an NVIDIA GPU of the RTX 30 series or later."
    )


def test_a_gpu_that_holds_four_bits_lets_them_be_chosen(opened):
    _, dialog = opened(Choice("auto", "gpu", None, {"int8": "library"}))
    model = dialog.model.rows["precision"].control.box.model()
    assert [model.item(row).isEnabled() for row in (3, 4)] == [False, True]


def test_measuring_again_loads_the_model_again(opened, qtbot):
    window, dialog = opened()
    again = dialog.model.again
    dialog.resize(900, 700)
    assert again.isEnabled()
    LOADS.clear()
    with qtbot.waitSignal(window.link.loaded, timeout=PATIENCE_MS):
        qtbot.mouseClick(again, Qt.MouseButton.LeftButton)
    assert LOADS == [True]
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY and again.isEnabled(), timeout=PATIENCE_MS)


def test_without_a_model_nothing_is_said_of_it(opened, qtbot):
    window, dialog = opened()
    with qtbot.waitSignal(window.link.unloaded, timeout=PATIENCE_MS):
        window.link.unload()
    assert dialog.model.used.text() == "No model is loaded."
    assert dialog.model.table.isHidden()
    assert not dialog.model.again.isEnabled()
    # A precision chosen now loads nothing.
    window.desk.preferences.set_running("precision", "float32")
    assert window.link.info is None


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice("auto", "busy", Measured(day=date(2026, 1, 2), steady=False, ms=MS)), "too busy for a measurement"),
        (Choice("bfloat16", "memory", MEASURED), "float32 would be faster here, but does not fit into the memory"),
        (Choice("auto", "gpu"), "the usual one on a GPU"),
        (Choice("auto", "unknown"), "the usual one here."),
    ],
)
def test_every_reason_has_its_sentence(opened, choice, said):
    _, dialog = opened(choice)
    assert said in dialog.model.used.text()
    assert ("rough" in dialog.model.measured.text()) == (choice.why == "busy")
    assert dialog.model.table.isHidden() == (choice.measured is None)


def test_the_report_holds_the_choice_and_its_reason(opened):
    window, _ = opened()
    from app.ui.diagnostics import Diagnostics

    facts = Diagnostics(window)._facts()
    assert facts["precision"].startswith("bfloat16: the fastest here that keeps the model's own numbers.")


@pytest.mark.parametrize("language", ["en", "de"])
def test_nothing_is_cut_off_in_a_narrow_dialog(opened, qtbot, language):
    speak(language)
    try:
        _, dialog = opened(Choice("float32", "memory", MEASURED, {"int8": "processor", "int4": "processor"}))
        dialog.resize(dialog.minimumSize())
        QApplication.processEvents()
        assert dialog.model.widget().width() <= dialog.model.viewport().width()
    finally:
        speak("en")


def test_a_precision_that_there_is_not_is_refused():
    with pytest.raises(SettingError, match="Precision must be one of auto, bfloat16, float32, int8, int4"):
        Running().changed("precision", "int3")
    assert Settings().running.precision == "auto"
