"""The window for everyone: names for screen readers, all reached by Tab, text that can be read, no mouse needed."""

import re

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QGuiApplication, QImage, QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
    QWidget,
)
from ui.conftest import PATIENCE_MS

from app.engine.phase import Phase
from app.ui.resources import resource
from app.ui.settings.dialog import SettingsDialog
from app.ui.theme import DARK, LIGHT, contrast

LEAST = 4.5
# Text drawn so many times larger: thin strokes then have pixels of their full colour.
SCALE = 3
KINDS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QPlainTextEdit, QAbstractItemView)


def controls(root: QWidget) -> list[QWidget]:
    """What is shown and takes keys or clicks; the inner parts of a control are not controls of their own."""
    found = [widget for kind in KINDS for widget in root.findChildren(kind)]
    found = [widget for widget in found if widget.isVisibleTo(root) and widget.window() is root]
    found = [widget for widget in found if not isinstance(widget, QScrollBar)]
    inner = (QAbstractSpinBox, QComboBox, QLineEdit)
    return [widget for widget in found if not isinstance(widget.parent(), inner)]


def reachable(control: QWidget) -> bool:
    """Code blocks take clicks to select from, and their text is in the message's copy button; nothing happens there."""
    return control.isEnabled() and not (isinstance(control, QPlainTextEdit) and control.isReadOnly())


@pytest.fixture
def busy_window(window, engine, say, qtbot, tmp_path):
    """A window with a chat, code, a file that is attached, and a notice."""
    engine.reply = "Text\n\n```python\nx = 1\n```\n"
    say(window, "Hello")
    (tmp_path / "notes.md").write_text("words")
    window.chat.composer.chips.add_paths([tmp_path / "notes.md"])
    window.chat.composer.set_text("more")
    window.chat.notice.error("Something to read.", "Retry", lambda: None)
    qtbot.waitUntil(lambda: len(window.chat.composer.chips.files) == 1, timeout=PATIENCE_MS)
    return window


@pytest.fixture
def dialog(window, qtbot):
    window.desk.show_settings()
    found = window.findChild(SettingsDialog)
    qtbot.waitUntil(found.isVisible, timeout=PATIENCE_MS)
    return found


def check_names(root: QWidget, least: int) -> None:
    found = controls(root)
    assert len(found) >= least
    for control in found:
        told = QAccessible.queryAccessibleInterface(control)
        assert told is not None, control
        assert told.text(QAccessible.Text.Name).strip(), control
        assert told.role() != QAccessible.Role.NoRole, control
        if reachable(control):
            assert told.state().focusable, control
            assert control.toolTip(), control


def chosen_by_arrows(control: QWidget, seen: set) -> bool:
    """Of buttons that exclude each other Tab goes to the one that is on, and the arrows to the others."""
    group = control.group() if isinstance(control, QAbstractButton) else None
    if group is not None and group.exclusive():
        return bool(seen & set(group.buttons()))
    together = [other for other in control.parent().findChildren(QAbstractButton) if other.autoExclusive()]
    return control in together and bool(seen & set(together))


def check_tab(root: QWidget, qtbot) -> None:
    wanted = {control for control in controls(root) if reachable(control)}
    first = root.focusWidget() or next(iter(wanted))
    first.setFocus(Qt.FocusReason.TabFocusReason)
    seen = set()
    for _ in range(4 * len(wanted)):
        seen.add(root.focusWidget())
        qtbot.keyClick(root.focusWidget(), Qt.Key.Key_Tab)
        if root.focusWidget() is first:
            break
    missed = [control.accessibleName() or control for control in wanted - seen if not chosen_by_arrows(control, seen)]
    assert not missed


def test_the_first_page_has_names_and_is_reached_by_tab(window, qtbot):
    check_names(window, 14)
    check_tab(window, qtbot)


def test_a_chat_has_names_and_is_reached_by_tab(busy_window, qtbot):
    check_names(busy_window, 16)
    check_tab(busy_window, qtbot)


@pytest.mark.parametrize("page", range(5))
def test_every_page_of_the_settings_has_names_and_is_reached_by_tab(dialog, qtbot, page):
    dialog._preferences.set_chat("seed", 3)
    dialog.pages.setCurrentRow(page)
    check_names(dialog, 2)
    check_tab(dialog, qtbot)


@pytest.fixture(params=["server", "training", "library"])
def other_dialog(request, window, qtbot, home):
    """The dialogs of the menu."""
    open_it = {"server": window.server.show, "training": window.train, "library": window.manage_models}
    open_it[request.param]()
    found = getattr(window, request.param)
    qtbot.waitUntil(found.isVisible, timeout=PATIENCE_MS)
    qtbot.wait(100)
    return found


def test_every_dialog_of_the_menu_has_names_and_is_reached_by_tab(other_dialog, qtbot):
    check_names(other_dialog, 3)
    check_tab(other_dialog, qtbot)


# -- contrast ----------------------------------------------------------------------------------------------------


def rules() -> list[tuple[str, str, str]]:
    """(selector, text's colour, ground's colour) of the style sheet, by the theme's names."""
    sheet = resource("styles", "app.qss").read_text(encoding="utf-8")
    found = []
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet):
        given = dict(re.findall(r"(?:^|;)\s*([\w-]+)\s*:\s*\$(\w+)", body))
        grounds = [given["background"]] if "background" in given else ["window", "surface"]
        for name in ("color", "placeholder-text-color"):
            found += [(selector.strip(), given[name], ground) for ground in grounds if name in given]
        if "selection-color" in given:
            found.append((selector.strip(), given["selection-color"], given["selection-background-color"]))
    return found


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_rule_of_the_style_sheet_can_be_read(theme):
    found = rules()
    assert len(found) > 30
    # These have a rule for their ground of their own, and are checked with it in test_theme.
    elsewhere = {"warning_text", "error_text"}
    poor = {
        (selector, text, ground): round(contrast(getattr(theme, text), getattr(theme, ground)), 2)
        for selector, text, ground in found
        if text not in elsewhere and contrast(getattr(theme, text), getattr(theme, ground)) < LEAST
    }
    assert not poor


def drawn(root: QWidget) -> np.ndarray:
    """The window as it looks, `SCALE` times larger: blue, green and red levels `[height, width, 4]`, 0 to 255."""
    image = QImage(root.size() * SCALE, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(SCALE)
    painter = QPainter(image)
    root.render(painter, QPoint())
    painter.end()
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    return pixels.copy()


def widest_contrast(pixels: np.ndarray) -> float:
    """That of the lightest and the darkest pixel."""
    levels = np.arange(256) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    light = linear[pixels[..., 2]] * 0.2126 + linear[pixels[..., 1]] * 0.7152 + linear[pixels[..., 0]] * 0.0722
    return float((light.max() + 0.05) / (light.min() + 0.05))


def poor_texts(root: QWidget) -> list[tuple[str, float]]:
    """The texts shown whose lightest and darkest pixels are too close."""
    picture, poor, count = drawn(root), [], 0
    for kind in (QLabel, QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit, QPlainTextEdit):
        for part in root.findChildren(kind):
            text = part.toPlainText() if isinstance(part, QPlainTextEdit) else ""
            text = text or (part.currentText() if isinstance(part, QComboBox) else getattr(part, "text", str)())
            text = text or getattr(part, "placeholderText", str)()
            if not text.strip() or part.window() is not root or part.visibleRegion().isEmpty():
                continue
            area = part.visibleRegion().boundingRect().translated(part.mapTo(root, QPoint()))
            x, y, width, height = (SCALE * value for value in area.getRect())
            pixels = picture[y : y + height, x : x + width]
            if pixels.size == 0:
                continue
            count += 1
            ratio = widest_contrast(pixels)
            if ratio < LEAST:
                poor.append((text[:40], round(ratio, 2)))
    assert count > 5
    return poor


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_text_of_the_window_and_the_settings_can_be_read_as_it_is_drawn(busy_window, qtbot, mode):
    window = busy_window
    window.desk.preferences.set_look("theme", mode)
    window.desk.show_settings()
    dialog = window.findChild(SettingsDialog)
    qtbot.waitUntil(dialog.isVisible, timeout=PATIENCE_MS)
    found = poor_texts(window)
    for page in range(5):
        dialog.pages.setCurrentRow(page)
        QApplication.processEvents()
        found += poor_texts(dialog)
    window.new_chat()
    found += poor_texts(window)
    assert found == []


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_text_of_the_menus_dialogs_can_be_read(window, other_dialog, mode):
    window.desk.preferences.set_look("theme", mode)
    QApplication.processEvents()
    assert poor_texts(other_dialog) == []


def test_a_text_that_is_too_faint_would_be_found(window, qtbot):
    window.topbar.phase_label.setText("Ready")
    window.topbar.phase_label.setStyleSheet("color: #9a9a9a;")
    window.desk.preferences.set_look("theme", "light")
    assert [text for text, _ in poor_texts(window)] == ["Ready"]


# -- keys alone --------------------------------------------------------------------------------------------------


def test_a_tour_by_keys_alone(window, engine, qtbot):
    ctrl, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    composer = window.chat.composer

    def press(key, modifiers=Qt.KeyboardModifier.NoModifier):
        top = QApplication.activeWindow() or window
        qtbot.keyClick(top.focusWidget() or top, key, modifiers)

    def type_text(text):
        qtbot.keyClicks((QApplication.activeWindow() or window).focusWidget(), text)

    def tab_to(condition):
        for _ in range(60):
            if condition((QApplication.activeWindow() or window).focusWidget()):
                return
            press(Qt.Key.Key_Tab)
        raise AssertionError("Tab does not come there")

    def ready():
        qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)

    # A prompt of the first page, asked with the space bar.
    tab_to(lambda at: at is window.chat.welcome.suggestions[0])
    press(Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: len(engine.sampled) == 1, timeout=PATIENCE_MS)
    ready()
    # A message of two lines; stopped; written again.
    press(Qt.Key.Key_L, ctrl)
    engine.reply = "word " * 4000
    type_text("one")
    press(Qt.Key.Key_Return, shift)
    type_text("two")
    press(Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.link.phase == Phase.WRITING, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: "word" in window.chat.transcript.messages[-1].body.text, timeout=PATIENCE_MS)
    press(Qt.Key.Key_Escape)
    ready()
    engine.reply = "short"
    press(Qt.Key.Key_R, ctrl)
    qtbot.waitUntil(lambda: len(engine.sampled) == 3, timeout=PATIENCE_MS)
    ready()
    press(Qt.Key.Key_C, ctrl | shift)
    assert QGuiApplication.clipboard().text() == "short"
    # The settings: another temperature, and away again.
    press(Qt.Key.Key_Comma, ctrl)
    dialog = window.findChild(SettingsDialog)
    qtbot.waitUntil(lambda: QApplication.activeWindow() is dialog, timeout=PATIENCE_MS)
    tab_to(lambda at: at is dialog.pages)
    press(Qt.Key.Key_Down)
    tab_to(lambda at: at is not None and at.accessibleName() == "Temperature")
    press(Qt.Key.Key_Up)
    assert window.desk.preferences.chat.temperature == 0.25
    press(Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=PATIENCE_MS)
    window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window, timeout=PATIENCE_MS)
    # A slider, the speed panel, a new chat, and the end.
    tab_to(lambda at: at is window.panel.draft_length.slider)
    before = window.panel.draft_length.value
    press(Qt.Key.Key_Left)
    assert window.panel.draft_length.value == before - 1
    shown = window.panel.isVisible()
    press(Qt.Key.Key_B, ctrl)
    assert window.panel.isVisible() != shown
    press(Qt.Key.Key_N, ctrl)
    assert window.chat.transcript.messages == []
    assert composer.field.hasFocus()
    with qtbot.waitSignal(window.closed, timeout=PATIENCE_MS):
        press(Qt.Key.Key_Q, ctrl)
