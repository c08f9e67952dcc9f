"""Finding words in the chat that is shown, a size for all text, and files dropped anywhere: by real keys and events."""

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication
from ui.conftest import PATIENCE_MS

from app.engine.phase import Phase

CONTROL = Qt.KeyboardModifier.ControlModifier
FIELDS = "An answer with a **needle** in it, and `needle` again.\n\n```python\nneedle = 1\n```\n"


@pytest.fixture
def chat(window, engine, say):
    """Three questions, of which the first and the last have an answer with what is looked for."""
    for reply in (FIELDS + "word " * 900, "Nothing here. " * 100, FIELDS):
        engine.reply, engine.tokens_per_second = reply, 6000.0
        say(window, "Go on")
    return window


def marks(window) -> list[int]:
    return [sum(len(part.extraSelections()) for part in view._texts()) for view in window.chat.transcript.messages]


def test_find_marks_every_place_and_goes_from_message_to_message(chat, qtbot):
    bar = chat.chat.find_bar
    qtbot.keyClick(chat, Qt.Key.Key_F, CONTROL)
    assert bar.isVisible()
    assert bar.field.hasFocus()
    qtbot.keyClicks(bar.field, "NEEDLE")
    assert bar.count.text() == "2/2"
    assert marks(chat)[-1] == 3
    qtbot.keyClick(bar.field, Qt.Key.Key_Return)
    assert bar.count.text() == "1/2"
    first = next(view for view in chat.chat.transcript.messages if view.turn.message.text.startswith(FIELDS))
    qtbot.waitUntil(lambda: not first.visibleRegion().isEmpty(), timeout=PATIENCE_MS)
    assert marks(chat)[chat.chat.transcript.messages.index(first)] == 3
    qtbot.keyClick(bar.field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert bar.count.text() == "2/2"
    qtbot.keyClicks(bar.field, "x")
    assert bar.count.text() == "Nothing found"
    assert not bar.next.isEnabled()
    qtbot.keyClick(bar.field, Qt.Key.Key_Escape)
    assert not bar.isVisible()
    assert not any(marks(chat))
    assert chat.chat.composer.field.hasFocus()


def test_what_a_search_found_is_marked_in_the_chat_until_the_search_is_over(chat, qtbot):
    chat.new_chat()
    chat.sidebar.search.setFocus()
    qtbot.keyClicks(chat.sidebar.search, "needle")
    qtbot.keyClick(chat.sidebar.search, Qt.Key.Key_Return)
    assert sum(marks(chat)) >= 3
    chat.sidebar.search.clear()
    assert not any(marks(chat))


def test_keys_make_all_text_larger_and_smaller_within_its_bounds(window, qtbot):
    def size() -> int:
        return round(QApplication.font().pointSizeF())

    before = size()
    qtbot.keyClick(window, Qt.Key.Key_Plus, CONTROL)
    qtbot.keyClick(window, Qt.Key.Key_Equal, CONTROL)
    assert size() == before + 2
    assert window.desk.preferences.settings.appearance.font_size == before + 2
    for _ in range(30):
        qtbot.keyClick(window, Qt.Key.Key_Minus, CONTROL)
    assert size() == 7
    qtbot.keyClick(window, Qt.Key.Key_0, CONTROL)
    assert size() == before
    assert window.desk.preferences.settings.appearance.font_size is None


def test_files_may_be_dropped_anywhere_on_the_chat(chat, qtbot, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Notes")
    held = QMimeData()
    held.setUrls([QUrl.fromLocalFile(str(path))])
    where, keys = QPointF(40, 40), Qt.KeyboardModifier.NoModifier
    view = chat.chat.transcript.messages[-1]
    for kind in (QDragEnterEvent, QDropEvent):
        place = where.toPoint() if kind is QDragEnterEvent else where
        event = kind(place, Qt.DropAction.CopyAction, held, Qt.MouseButton.LeftButton, keys)
        # As Qt does: to the first that takes drops, from the message outwards.
        target = view
        while not target.acceptDrops():
            target = target.parentWidget()
        assert target is chat.chat
        QApplication.sendEvent(target, event)
        assert event.isAccepted()
    qtbot.waitUntil(
        lambda: [file.name for file in chat.chat.composer.chips.files] == ["notes.txt"], timeout=PATIENCE_MS
    )


def test_a_whole_chat_is_copied_as_markdown(chat):
    (row,) = [row for row in chat.sidebar.model.rows if row.chat]
    menu = chat.sidebar.menu_of(row.chat, chat)
    next(action for action in menu.actions() if action.text() == "Copy as Markdown").trigger()
    copied = QGuiApplication.clipboard().text()
    assert copied.startswith("# Go on")
    assert copied.count("## You") == 3
    assert FIELDS.strip() in copied


def test_what_a_model_thinks_is_folded_away_and_can_be_shown(window, engine, say, qtbot):
    engine.reply = "<think>\nFirst I wonder.\nThen I know.\n</think>\n\nThe **answer**."
    say(window, "Why?")
    body = window.chat.transcript.messages[-1].body
    assert body.text == engine.reply
    assert [part.toPlainText() for part in body.texts] == ["The answer."]
    thought = body._thought
    assert thought.button.text() == "Thought: 6 words"
    assert not thought.flow.isVisible()
    qtbot.mouseClick(thought.button, Qt.MouseButton.LeftButton)
    assert thought.flow.toPlainText() == "First I wonder.\nThen I know."
    assert thought.flow.isVisible()
    window.desk.theme.changed.emit()
    assert [part.toPlainText() for part in body.texts] == ["The answer."]


def test_a_model_that_thinks_is_seen_to_think_and_one_cut_short_too(window, engine, say, qtbot):
    engine.reply, engine.tokens_per_second = "<think>" + "hm " * 4000, 400.0
    say(window, "Why?", wait=False)
    view = window.chat.transcript.messages[-1]
    qtbot.waitUntil(lambda: view.body._thought is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: view.body._thought.button.text().startswith("Thinking: "), timeout=PATIENCE_MS)
    assert view.body.texts == []
    window.stop()
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert view.body._thought.button.text().startswith("Thought: ")


def test_an_empty_thought_is_not_shown(window, engine, say):
    engine.reply = "<think>\n\n</think>\n\nYes."
    say(window, "Is it?")
    body = window.chat.transcript.messages[-1].body
    assert body._thought.isHidden()
    assert [part.toPlainText() for part in body.texts] == ["Yes."]
