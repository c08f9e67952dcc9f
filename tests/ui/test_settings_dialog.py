"""The settings dialog by real keys and mouse events: what is changed holds at once, and is kept."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QInputDialog
from ui.conftest import PATIENCE_MS

from app.chats.store import Store
from app.engine.phase import Phase
from app.settings.file import load, save
from app.settings.values import CHAT, RUNNING, ChatSettings, Settings
from app.ui import shortcuts
from app.ui.settings.dialog import SettingsDialog
from app.ui.settings.preferences import Preferences
from app.ui.theme import DARK, colours


@pytest.fixture
def preferences(tmp_path):
    return Preferences(tmp_path / "settings.json")


@pytest.fixture
def dialog(preferences, qtbot):
    made = SettingsDialog(preferences)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    return made


def control(dialog, name):
    page = dialog.chat if name in dialog.chat.rows else dialog.sampling
    dialog.pages.setCurrentRow(0 if page is dialog.chat else 1)
    return page.rows[name].control


def type_number(qtbot, spin, text):
    spin.setFocus()
    spin.selectAll()
    qtbot.keyClicks(spin, text)
    qtbot.keyClick(spin, Qt.Key.Key_Return)


def test_every_setting_has_a_control_that_shows_it(dialog, preferences):
    shown = {**dialog.chat.rows, **dialog.sampling.rows}
    assert list(shown) == list(CHAT)
    assert list(dialog.model.rows) == list(RUNNING)
    assert list(dialog.appearance.rows) == ["theme", "language", "font_size"]
    for name, row in shown.items():
        assert row.control.field.accessibleName() == CHAT[name].title


def test_a_typed_number_holds_at_once_and_is_kept(dialog, preferences, qtbot, tmp_path):
    type_number(qtbot, control(dialog, "temperature").spin, "0.75")
    assert preferences.sampling().temperature == 0.75
    assert dialog.isVisible()
    dialog.close()
    assert load(tmp_path / "settings.json")[0].chat.temperature == 0.75


def test_steps_of_a_number_leave_no_crumbs(dialog, preferences, qtbot):
    spin = control(dialog, "temperature").spin
    for _ in range(7):
        qtbot.keyClick(spin, Qt.Key.Key_Up)
    assert preferences.chat.temperature == 0.55


def test_the_wheel_turns_no_number_that_has_not_the_focus(dialog, preferences, qtbot):
    from PySide6.QtCore import QPoint, QPointF
    from PySide6.QtGui import QWheelEvent
    from PySide6.QtWidgets import QApplication

    spin = control(dialog, "top_k").spin
    dialog.pages.setFocus()
    middle = QPointF(spin.rect().center())
    wheel = QWheelEvent(
        middle,
        spin.mapToGlobal(middle),
        QPoint(0, -120),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(spin, wheel)
    assert preferences.chat.top_k == 40


def test_no_number_and_a_number_again(dialog, preferences, qtbot):
    seed = control(dialog, "seed")
    assert not seed.spin.isEnabled()
    qtbot.mouseClick(seed.none, Qt.MouseButton.LeftButton)
    type_number(qtbot, seed.spin, "42")
    assert preferences.sampling().seed == 42
    qtbot.mouseClick(seed.none, Qt.MouseButton.LeftButton)
    assert preferences.chat.seed is None


def test_a_number_where_there_was_none_begins_with_a_sensible_one(dialog, preferences, qtbot):
    qtbot.mouseClick(control(dialog, "context").none, Qt.MouseButton.LeftButton)
    assert preferences.chat.context == 4096
    dialog.pages.setCurrentRow(3)
    qtbot.mouseClick(dialog.appearance.rows["font_size"].control.none, Qt.MouseButton.LeftButton)
    assert preferences.settings.appearance.font_size == 10


def test_texts_are_taken_a_moment_after_the_last_key_or_when_the_field_is_left(dialog, preferences, qtbot):
    prompt = control(dialog, "system_prompt").edit
    qtbot.keyClicks(prompt, "Be brief.")
    assert preferences.chat.system_prompt == ""
    qtbot.waitUntil(lambda: preferences.chat.system_prompt == "Be brief.", timeout=PATIENCE_MS)
    stop = control(dialog, "stop").edit
    stop.setFocus()
    for line in ("END", "\\n\\n", "", "a\\\\n"):
        qtbot.keyClicks(stop, line)
        qtbot.keyClick(stop, Qt.Key.Key_Return)
    dialog.pages.setFocus()
    assert preferences.chat.stop == ("END", "\n\n", "a\\n")
    assert preferences.prompted([]) == [{"role": "system", "content": "Be brief."}]


def test_what_cannot_be_is_said(dialog, preferences, qtbot):
    stop = control(dialog, "stop").edit
    stop.setFocus()
    stop.setPlainText("x\n" * 17)
    dialog.pages.setFocus()
    assert dialog.said == "Stop texts must be at most 16 short lines."
    assert preferences.chat.stop == ()


def test_the_usual_value_comes_back(dialog, preferences, qtbot):
    row = dialog.sampling.rows["temperature"]
    dialog.pages.setCurrentRow(1)
    assert not row.usual.isVisible()
    type_number(qtbot, row.control.spin, "1.5")
    qtbot.mouseClick(row.usual, Qt.MouseButton.LeftButton)
    assert preferences.chat.temperature == ChatSettings().temperature
    assert row.control.spin.value() == 0.2


def test_one_chat_can_have_its_own_settings(dialog, preferences, qtbot):
    store = Store()
    first, second = store.add_chat().id, store.add_chat().id
    preferences.show_chat(store, first)
    dialog.bar.scope.setCurrentIndex(1)
    type_number(qtbot, control(dialog, "temperature").spin, "1.25")
    assert store.chat_settings(first) == {"temperature": 1.25}
    assert preferences.settings.chat.temperature == 0.2
    preferences.show_chat(store, second)
    assert preferences.chat.temperature == 0.2
    assert control(dialog, "temperature").spin.value() == 0.2
    preferences.show_chat(store, first)
    assert preferences.sampling().temperature == 1.25
    qtbot.mouseClick(dialog.sampling.rows["temperature"].usual, Qt.MouseButton.LeftButton)
    assert store.chat_settings(first) == {}


def test_a_chats_own_settings_hold_when_it_is_opened_again(window, engine, say, qtbot):
    first = window.conversation.chat_id
    window.desk.preferences.set_chat("top_k", 5, only_this=True)
    say(window, "Hello")
    window.new_chat()
    say(window, "Hello")
    window.session.open_chat(first)
    say(window, "Hello")
    assert [sampling.top_k for sampling in engine.sampled] == [5, 40, 5]


def test_the_composers_button_shows_this_chats_own_settings(window, say, qtbot):
    tune = window.chat.composer.tune
    assert tune.toolTip() == "Settings of this chat"
    qtbot.mouseClick(tune, Qt.MouseButton.LeftButton)
    dialog = window.findChild(SettingsDialog)
    assert dialog.bar.only_this
    type_number(qtbot, control(dialog, "top_k").spin, "9")
    assert window.desk.preferences.own == {"top_k": 9}
    assert tune.toolTip() == "This chat has settings of its own"
    say(window, "Hello")
    window.new_chat()
    assert tune.toolTip() == "Settings of this chat"
    assert control(dialog, "top_k").spin.value() == 40


def name_it(dialog, qtbot, button, name):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    box = dialog.findChild(QInputDialog)
    box.setTextValue(name)
    box.accept()
    qtbot.waitUntil(lambda: dialog.findChild(QInputDialog) is None, timeout=PATIENCE_MS)


def test_presets_are_saved_applied_renamed_and_deleted_with_undo(dialog, preferences, qtbot):
    bar = dialog.bar
    type_number(qtbot, control(dialog, "top_k").spin, "7")
    name_it(dialog, qtbot, bar.keep, "Seven")
    assert bar.chosen == "Seven"
    bar.presets.setCurrentText("Precise")
    qtbot.mouseClick(bar.use, Qt.MouseButton.LeftButton)
    assert preferences.chat.top_k == 0
    bar.presets.setCurrentText("Seven")
    name_it(dialog, qtbot, bar.rename, "Lucky")
    assert bar.chosen == "Lucky"
    qtbot.mouseClick(bar.delete, Qt.MouseButton.LeftButton)
    assert list(preferences.settings.presets) == ["Precise", "Creative"]
    assert dialog.said == "“Lucky” is deleted."
    qtbot.mouseClick(dialog.undo, Qt.MouseButton.LeftButton)
    assert bar.chosen == "Lucky"
    qtbot.mouseClick(bar.use, Qt.MouseButton.LeftButton)
    assert preferences.chat.top_k == 7


def test_a_bad_name_is_said(dialog, qtbot):
    name_it(dialog, qtbot, dialog.bar.keep, "  ")
    assert dialog.said == "A preset's name must have 1 to 60 letters."
    name_it(dialog, qtbot, dialog.bar.rename, "Creative")
    assert "“Creative” already" in dialog.said


def test_a_preset_for_one_chat_is_what_it_has_otherwise(dialog, preferences, qtbot):
    store = Store()
    preferences.show_chat(store, store.add_chat().id)
    dialog.bar.scope.setCurrentIndex(1)
    qtbot.mouseClick(dialog.bar.use, Qt.MouseButton.LeftButton)
    assert preferences.own == {"temperature": 0.0, "top_k": 0, "min_p": 0.0}
    assert preferences.settings.chat == ChatSettings()


def test_settings_that_cannot_be_written_are_said(tmp_path, qtbot):
    (tmp_path / "file").write_text("")
    preferences = Preferences(tmp_path / "file" / "settings.json")
    with qtbot.waitSignal(preferences.failed) as failed:
        preferences.set_chat("top_k", 1)
    assert "could not be saved" in failed.args[0]


def test_the_keys_are_those_of_the_table(dialog, window):
    dialog.pages.setCurrentRow(4)
    assert list(dialog.keys.shown) == [entry.name for entry in shortcuts.TABLE]
    assert not dialog.bar.isVisible()
    made = {found.key().toString() for found in window.findChildren(shortcuts.QShortcut)}
    assert made >= {
        shortcuts.QKeySequence(entry.keys).toString() for entry in shortcuts.TABLE if entry.where == shortcuts.WINDOW
    }


def test_ctrl_comma_opens_the_settings_and_the_theme_changes_live(window, qtbot):
    qtbot.keyClick(window, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    dialog = window.findChild(SettingsDialog)
    qtbot.waitUntil(dialog.isVisible, timeout=PATIENCE_MS)
    dialog.pages.setCurrentRow(3)
    box = dialog.appearance.rows["theme"].control.box
    box.setFocus()
    for _ in range(2):
        qtbot.keyClick(box, Qt.Key.Key_Down)
    assert colours() is DARK
    assert window.topbar.theme_actions["dark"].isChecked()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    window.desk.preferences.set_look("theme", "light")


def test_settings_reach_the_decoder(window, engine, say, qtbot):
    window.desk.preferences.set_chat("system_prompt", "Be brief.")
    window.desk.preferences.set_chat("seed", 5)
    window.desk.preferences.set_chat("context", 512)
    say(window, "Hello")
    window.regenerate()
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert engine.asked[0][0] == {"role": "system", "content": "Be brief."}
    assert [sampling.seed for sampling in engine.sampled] == [5, 6]
    assert engine.contexts == [512, 512]


def test_the_font_size_reaches_every_text_and_comes_back(window, qtbot):
    window.desk.theme.set_font_size(20)
    title, field = window.chat.welcome.findChild(object, "Title"), window.chat.composer.field
    large = title.font().pointSizeF(), field.font().pointSizeF(), window.topbar.phase_label.font().pointSizeF()
    window.desk.theme.set_font_size(10)
    small = title.font().pointSizeF(), field.font().pointSizeF(), window.topbar.phase_label.font().pointSizeF()
    window.desk.theme.set_font_size(None)
    assert small[2] == 10
    assert [round(a / b, 3) for a, b in zip(large, small, strict=True)] == [2.0, 2.0, 2.0]


def test_a_settings_file_that_could_not_be_used_is_said_in_the_window(qapp, tmp_path, qtbot):
    from ui.scripted import ScriptedEngine, scripted_parts

    from app.engine.link import EngineLink
    from app.ui.window import Window

    (tmp_path / "settings.json").write_text("{")
    window = Window(
        qapp, EngineLink(scripted_parts(ScriptedEngine())), preferences=Preferences(tmp_path / "settings.json")
    )
    assert "is damaged" in window.chat.notice._label.text()
    window.close()
    window.deleteLater()
    assert load(tmp_path / "settings.json")[0] == Settings()


def test_an_own_value_in_the_file_is_shown(tmp_path, qtbot):
    save(Settings(chat=ChatSettings(top_k=3)), tmp_path / "settings.json")
    dialog = SettingsDialog(Preferences(tmp_path / "settings.json"))
    qtbot.addWidget(dialog)
    assert dialog.sampling.rows["top_k"].control.spin.value() == 3
