"""What the window offers about errors."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton
from ui.conftest import PATIENCE_MS

from app.diagnostics.runs import Ended
from app.ui.diagnostics import COPIED, Diagnostics, ReportDialog

SECRET = "Where did I bury the treasure of Captain Flint?"


def clipboard() -> str:
    return QGuiApplication.clipboard().text()


def test_copy_diagnostics_puts_a_report_without_the_chat_on_the_clipboard(window, engine, say, qtbot, home):
    engine.reply = "Under the third palm tree from the left."
    diagnostics = Diagnostics(window)
    say(window, SECRET)
    QGuiApplication.clipboard().clear()
    assert diagnostics.action in window.topbar.menu.menu().actions()
    diagnostics.action.trigger()
    qtbot.waitUntil(lambda: window.chat.notice.text == COPIED, timeout=PATIENCE_MS)
    text = clipboard()
    assert "model: LlamaForCausalLM, 30 layers" in text
    assert "phase: ready" in text
    assert "treasure" not in text
    assert "palm tree" not in text
    assert diagnostics.offer.isHidden()


def test_the_start_after_a_crash_offers_the_report_and_stays_out_of_the_way(window, say, engine, qtbot, home):
    diagnostics = Diagnostics(window, Ended(0.0, "0.1.0", "Fatal Python error: Segmentation fault"))
    assert "crashed" in diagnostics.offer.text
    say(window, "Hello")
    assert window.conversation.turns[-1].text == engine.reply
    assert diagnostics.offer.text
    button = diagnostics.offer.findChild(QPushButton)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(window.findChildren(ReportDialog)), timeout=PATIENCE_MS)
    dialog = window.findChildren(ReportDialog)[0]
    assert not dialog.isModal()
    assert "Segmentation fault" in dialog.text.toPlainText()
    assert diagnostics.offer.isHidden()
    qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    assert "Segmentation fault" in clipboard()
    dialog.close()
