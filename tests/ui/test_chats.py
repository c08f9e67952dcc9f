"""Chats in the window, by real keys and clicks: they are saved, found, renamed, pinned, deleted, and branch."""

import contextlib
import json
import sqlite3

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractItemView, QFileDialog, QLineEdit
from ui.conftest import PATIENCE_MS
from ui.scripted import scripted_parts

from app.chats.store import Store
from app.engine.phase import Phase
from app.ui.chats.model import ROW

LONG = "word " * 4000
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LEFT = Qt.MouseButton.LeftButton


def wait_for(qtbot, condition) -> None:
    qtbot.waitUntil(condition, timeout=PATIENCE_MS)


def ready(window) -> bool:
    return window.session.can_ask


def texts(window) -> list[str]:
    return [view.turn.message.text for view in window.chat.transcript.messages]


def listed(window) -> list[str]:
    return [row.text for row in window.sidebar.model.rows]


def click_chat(window, qtbot, title: str) -> None:
    rows = window.sidebar.list
    (number,) = [n for n, row in enumerate(window.sidebar.model.rows) if row.text == title and row.chat]
    qtbot.mouseClick(rows.viewport(), LEFT, pos=rows.visualRect(window.sidebar.model.index(number)).center())


@pytest.fixture
def two_chats(window, engine, say):
    """The window with the chats "First" and "Second", the second open."""
    engine.reply = "One"
    say(window, "First")
    window.new_chat()
    engine.reply = "Two"
    say(window, "Second")
    return window


# -- saved and shown again -------------------------------------------------------------------------------------------


def test_a_chat_is_there_after_a_restart(open_window, engine, say, tmp_path, qtbot):
    path = tmp_path / "chats.sqlite3"
    window = open_window(scripted_parts(engine), store=Store(path))
    say(window, "Why does bread rise?")
    figures = window.chat.transcript.messages[-1].foot.figures.text()
    with qtbot.waitSignal(window.closed, timeout=PATIENCE_MS):
        window.close()
    again = open_window(scripted_parts(engine), store=Store(path))
    wait_for(qtbot, lambda: texts(again) == ["Why does bread rise?", engine.reply])
    assert listed(again) == ["Today", "Why does bread rise?"]
    assert again.chat.transcript.messages[-1].foot.figures.text() == figures
    assert "2.00× plain" in figures
    say(again, "And then?")
    assert len(engine.asked[-1]) == 3


def test_an_answer_cut_off_by_closing_is_kept(open_window, engine, say, tmp_path, qtbot):
    path, engine.reply = tmp_path / "chats.sqlite3", LONG
    window = open_window(scripted_parts(engine), store=Store(path))
    say(window, "Go", wait=False)
    wait_for(qtbot, lambda: len(texts(window)[-1]) > 40)
    with qtbot.waitSignal(window.closed, timeout=PATIENCE_MS):
        window.close()
    with contextlib.closing(Store(path)) as store:
        _, reply = store.conversation(store.chats()[0].id).turns
    assert len(reply.text) > 40
    assert reply.stop_reason == "cancelled"


def test_a_turn_is_on_the_disk_before_the_answer_and_while_it_streams(open_window, engine, say, tmp_path, qtbot):
    path, engine.reply = tmp_path / "chats.sqlite3", LONG
    window = open_window(scripted_parts(engine), store=Store(path))
    with contextlib.closing(sqlite3.connect(path)) as other:
        say(window, "Go", wait=False)
        rows = "SELECT role, text, stop_reason FROM messages ORDER BY id"
        assert other.execute(rows).fetchall()[0] == ("user", "Go", "")
        wait_for(qtbot, lambda: len(other.execute(rows).fetchall()[1][1]) > 40)
        assert other.execute(rows).fetchall()[1][2] is None
    window.stop()


def test_a_locked_file_costs_nothing_that_was_typed(open_window, engine, say, tmp_path, qtbot):
    path = tmp_path / "chats.sqlite3"
    window = open_window(scripted_parts(engine), store=Store(path))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        qtbot.keyClicks(window.chat.composer.field, "Go")
        qtbot.keyClick(window.chat.composer.field, Qt.Key.Key_Return)
        assert window.chat.notice.text.startswith("Another program is using the chats in")
        assert window.chat.composer.text == "Go"
        assert texts(window) == []
    qtbot.keyClick(window.chat.composer.field, Qt.Key.Key_Return)
    wait_for(qtbot, lambda: ready(window))
    assert texts(window) == ["Go", engine.reply]


def test_what_cannot_be_saved_is_said_and_saved_later(open_window, engine, say, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr("app.ui.chat.writing.RETRY_MS", 50)
    path = tmp_path / "chats.sqlite3"
    window = open_window(scripted_parts(engine), store=Store(path))
    say(window, "Go", wait=False)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        wait_for(qtbot, lambda: ready(window))
        assert window.chat.notice.text.startswith("Another program is using the chats in")
        rows = "SELECT text FROM messages WHERE role = 'assistant'"
        assert other.execute(rows).fetchone()[0] == ""
        other.execute("COMMIT")
        wait_for(qtbot, lambda: other.execute(rows).fetchone()[0] == engine.reply)


# -- the list --------------------------------------------------------------------------------------------------------


def test_a_click_opens_a_chat(two_chats, qtbot):
    assert listed(two_chats) == ["Today", "Second", "First"]
    click_chat(two_chats, qtbot, "First")
    assert texts(two_chats) == ["First", "One"]
    assert two_chats.sidebar.list.currentIndex().data(ROW).text == "First"


def test_the_answer_goes_on_in_its_own_chat(two_chats, engine, say, qtbot):
    engine.reply = "word " * 150
    say(two_chats, "Third", wait=False)
    wait_for(qtbot, lambda: len(texts(two_chats)[-1]) > 20)
    click_chat(two_chats, qtbot, "First")
    assert texts(two_chats) == ["First", "One"]
    assert "Another chat is being answered" in two_chats.chat.composer.field.placeholderText()
    click_chat(two_chats, qtbot, "Second")
    assert two_chats.chat.composer.button.accessibleName() == "Stop"
    assert texts(two_chats)[:3] == ["Second", "Two", "Third"]
    assert 20 < len(texts(two_chats)[-1]) < len(engine.reply)
    click_chat(two_chats, qtbot, "First")
    wait_for(qtbot, lambda: ready(two_chats))
    assert texts(two_chats) == ["First", "One"]
    click_chat(two_chats, qtbot, "Second")
    assert texts(two_chats)[-1] == engine.reply


def test_search_finds_and_opens_what_was_said(two_chats, engine, qtbot):
    qtbot.keyClick(two_chats, Qt.Key.Key_K, CONTROL)
    assert two_chats.focusWidget() is two_chats.sidebar.search
    qtbot.keyClicks(two_chats.sidebar.search, "one")
    wait_for(qtbot, lambda: listed(two_chats) == ["1 chat found", "First"])
    qtbot.keyClick(two_chats.sidebar.search, Qt.Key.Key_Return)
    assert texts(two_chats) == ["First", "One"]
    assert two_chats.focusWidget() is two_chats.chat.composer.field
    two_chats.sidebar.start_search()
    qtbot.keyClick(two_chats.sidebar.search, Qt.Key.Key_Escape)
    wait_for(qtbot, lambda: listed(two_chats) == ["Today", "Second", "First"])
    two_chats.sidebar.search.setText("nowhere")
    wait_for(qtbot, lambda: listed(two_chats) == ["Nothing found"])


def test_what_is_typed_as_the_window_closes_is_not_searched_for(two_chats, qtbot):
    """The search comes a moment behind the last letter, when the file was closed already."""
    typed = two_chats.sidebar._typed
    typed.setInterval(2000)  # behind the end, however long that takes
    qtbot.keyClicks(two_chats.sidebar.search, "one")
    assert typed.isActive()
    with qtbot.waitSignal(two_chats.closed, timeout=PATIENCE_MS):
        two_chats.close()
    assert not typed.isActive()


def test_down_and_enter_open_the_first_chat_found_though_another_is_open(two_chats, qtbot):
    qtbot.keyClick(two_chats, Qt.Key.Key_K, CONTROL)
    qtbot.keyClicks(two_chats.sidebar.search, "one")
    qtbot.keyClick(two_chats.sidebar.search, Qt.Key.Key_Down)
    assert two_chats.focusWidget() is two_chats.sidebar.list
    qtbot.keyClick(two_chats.sidebar.list, Qt.Key.Key_Return)
    assert texts(two_chats) == ["First", "One"]


def test_f2_renames_and_escape_leaves_the_title(two_chats, qtbot):
    rows = two_chats.sidebar.list
    for title, key, expected in (("Bread", Qt.Key.Key_Return, "Bread"), ("No", Qt.Key.Key_Escape, "Bread")):
        rows.setFocus()
        qtbot.keyClick(rows, Qt.Key.Key_F2)
        editor = rows.viewport().findChild(QLineEdit)
        qtbot.keyClicks(editor, title)
        qtbot.keyClick(editor, key)
        wait_for(qtbot, lambda: rows.state() != QAbstractItemView.State.EditingState)
        wait_for(qtbot, lambda expected=expected: listed(two_chats) == ["Today", expected, "First"])
    assert two_chats.session.store.chat(two_chats.conversation.chat_id).title == "Bread"


def test_a_pinned_chat_stays_at_the_top(two_chats):
    first = two_chats.sidebar.model.rows[2].chat
    pin = [action for action in two_chats.sidebar.menu_of(first, two_chats).actions() if action.text() == "Pin"]
    pin[0].trigger()
    assert listed(two_chats) == ["Pinned", "First", "Today", "Second"]
    two_chats.sidebar.set_pinned(first, False)
    assert listed(two_chats) == ["Today", "Second", "First"]


def test_delete_can_be_undone(two_chats, qtbot):
    two_chats.sidebar.list.setFocus()
    qtbot.keyClick(two_chats.sidebar.list, Qt.Key.Key_Delete)
    assert listed(two_chats) == ["Today", "First"]
    assert texts(two_chats) == []
    assert two_chats.chat.notice.text == "“Second” is deleted."
    qtbot.mouseClick(two_chats.chat.notice._action, LEFT)
    assert listed(two_chats) == ["Today", "Second", "First"]
    assert texts(two_chats) == ["Second", "Two"]


def test_a_deleted_chat_can_be_brought_back_later(two_chats):
    sidebar = two_chats.sidebar
    sidebar.delete(sidebar.model.rows[2].chat)
    sidebar._fill_menu()
    (deleted,) = [action.menu() for action in sidebar.menu.menu().actions() if action.text() == "Deleted chats"]
    deleted.actions()[0].trigger()
    assert texts(two_chats) == ["First", "One"]


def test_deleting_the_chat_that_is_answered_stops_the_answer(two_chats, engine, say, qtbot):
    engine.reply = LONG
    say(two_chats, "Third", wait=False)
    wait_for(qtbot, lambda: len(texts(two_chats)[-1]) > 20)
    two_chats.sidebar.list.setFocus()
    qtbot.keyClick(two_chats.sidebar.list, Qt.Key.Key_Delete)
    wait_for(qtbot, lambda: two_chats.link.phase == Phase.READY)
    assert texts(two_chats) == []
    qtbot.mouseClick(two_chats.chat.notice._action, LEFT)
    assert texts(two_chats)[:3] == ["Second", "Two", "Third"]
    assert len(texts(two_chats)[-1]) > 20


def test_export_and_import_by_the_menu(two_chats, tmp_path, monkeypatch):
    sidebar = two_chats.sidebar
    chosen = tmp_path / "out"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *given: (str(chosen), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *given: (str(tmp_path / "out.json"), ""))
    for text in ("Export as Markdown …", "Export as JSON …"):
        menu = sidebar.menu_of(sidebar.model.rows[1].chat, sidebar)
        next(action for action in menu.actions() if action.text() == text).trigger()
    assert "Second" in (tmp_path / "out.md").read_text(encoding="utf-8")
    assert len(json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["chats"]) == 1
    sidebar._files.import_chats()
    assert listed(two_chats).count("Second") == 2
    assert two_chats.chat.notice.text == "1 chat was imported."
    (tmp_path / "out.json").write_text("{}", encoding="utf-8")
    sidebar._files.import_chats()
    assert two_chats.chat.notice.text == "out.json was not imported: it holds no chats exported from S3D Chat."
    chosen = tmp_path / "nowhere" / "out"
    sidebar._files.export_json([], "x")
    assert "cannot be written" in two_chats.chat.notice.text


def test_the_list_hides_in_a_narrow_window_and_by_its_key(open_window, engine, qtbot):
    window = open_window(scripted_parts(engine), size=(1000, 700))
    assert not window.sidebar.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_S, CONTROL | SHIFT)
    assert window.sidebar.isVisible()
    window.resize(1400, 800)
    qtbot.waitUntil(window.sidebar.isVisible)
    qtbot.mouseClick(window.topbar.sidebar, LEFT)
    assert not window.sidebar.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_K, CONTROL)
    assert window.sidebar.isVisible()


# -- branches --------------------------------------------------------------------------------------------------------


def test_an_edited_message_is_answered_on_a_branch_of_its_own(two_chats, engine, qtbot):
    view = two_chats.chat.transcript.messages[0]
    qtbot.mouseClick(view.foot.edit, LEFT)
    assert view.editor.field.hasFocus()
    qtbot.keyClicks(view.editor.field, " edited")
    engine.reply = "Three"
    qtbot.keyClick(view.editor.field, Qt.Key.Key_Return)
    wait_for(qtbot, lambda: ready(two_chats))
    assert texts(two_chats) == ["Second edited", "Three"]
    assert engine.asked[-1] == [{"role": "user", "content": "Second edited"}]
    first = two_chats.chat.transcript.messages[0]
    assert first.foot.place.text() == "2/2"
    assert not first.foot.next.isEnabled()
    qtbot.mouseClick(first.foot.before, LEFT)
    assert texts(two_chats) == ["Second", "Two"]
    qtbot.mouseClick(two_chats.chat.transcript.messages[0].foot.next, LEFT)
    assert texts(two_chats) == ["Second edited", "Three"]


def test_escape_leaves_a_message_as_it_was(two_chats, qtbot):
    view = two_chats.chat.transcript.messages[0]
    view.foot.edit.setFocus()
    qtbot.keyClick(view.foot.edit, Qt.Key.Key_Space)
    qtbot.keyClicks(view.editor.field, "x")
    qtbot.keyClick(view.editor.field, Qt.Key.Key_Escape)
    assert view.editor is None
    assert texts(two_chats) == ["Second", "Two"]


def test_an_edited_answer_is_a_version_that_is_read_and_can_be_continued(two_chats, engine, qtbot):
    two_chats.session.edit(two_chats.conversation.turns[-1].id, "Two and")
    assert texts(two_chats) == ["Second", "Two and"]
    view = two_chats.chat.transcript.messages[-1]
    assert view.foot.place.text() == "2/2"
    assert "edited by you" in view.foot.figures.text()
    engine.reply = " a half"
    qtbot.mouseClick(view.foot.more, LEFT)
    wait_for(qtbot, lambda: ready(two_chats))
    assert engine.asked[-1][-1] == {"role": "assistant", "content": "Two and"}
    assert texts(two_chats) == ["Second", "Two and a half"]


def test_an_answer_in_the_middle_can_be_written_again(two_chats, engine, say, qtbot):
    engine.reply = "Later"
    say(two_chats, "More")
    engine.reply = "Other"
    qtbot.mouseClick(two_chats.chat.transcript.messages[1].foot.again, LEFT)
    wait_for(qtbot, lambda: ready(two_chats))
    assert texts(two_chats) == ["Second", "Other"]
    qtbot.mouseClick(two_chats.chat.transcript.messages[1].foot.before, LEFT)
    assert texts(two_chats) == ["Second", "Two", "More", "Later"]


def test_a_stopped_answer_can_be_continued(window, engine, say, qtbot):
    engine.reply = LONG
    say(window, "Go", wait=False)
    wait_for(qtbot, lambda: len(texts(window)[-1]) > 40)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    wait_for(qtbot, lambda: ready(window))
    begun, engine.reply = texts(window)[-1], " and the rest."
    more = window.chat.transcript.messages[-1].foot.more
    assert more.isVisible()
    qtbot.mouseClick(more, LEFT)
    wait_for(qtbot, lambda: ready(window))
    assert texts(window)[-1] == begun + " and the rest."
    assert not window.chat.transcript.messages[-1].foot.more.isVisible()
    stored = window.session.store.conversation(window.conversation.chat_id).turns[-1]
    assert (stored.text, stored.stop_reason) == (begun + " and the rest.", "stop")


def test_a_continuation_stopped_at_once_leaves_the_answer_as_it_was(window, engine, say, qtbot):
    engine.fail_after = 2
    say(window, "Go")
    before = window.conversation.turns[-1]
    text, figures = before.text, window.chat.transcript.messages[-1].foot.figures.text()
    assert "ended by an error" in figures
    engine.fail_after, engine.prompt_seconds = None, 30
    qtbot.mouseClick(window.chat.transcript.messages[-1].foot.more, LEFT)
    wait_for(qtbot, lambda: window.link.answering)
    window.stop()
    wait_for(qtbot, lambda: ready(window))
    assert texts(window)[-1] == text
    assert window.chat.transcript.messages[-1].foot.figures.text() == figures
    assert window.chat.transcript.messages[-1].foot.more.isVisible()


def test_a_message_and_an_answer_are_copied(two_chats, qtbot):
    for view, text in zip(two_chats.chat.transcript.messages, ("Second", "Two"), strict=True):
        qtbot.mouseClick(view.foot.copy, LEFT)
        assert QGuiApplication.clipboard().text() == text


def test_while_an_answer_is_written_nothing_else_is_asked(two_chats, engine, say, qtbot):
    engine.reply = LONG
    say(two_chats, "Third", wait=False)
    wait_for(qtbot, lambda: len(texts(two_chats)[-1]) > 20)
    foot = two_chats.chat.transcript.messages[1].foot
    assert not foot.again.isEnabled()
    assert not foot.edit.isEnabled()
    asked = len(engine.asked)
    two_chats.regenerate()
    two_chats.session.edit(two_chats.conversation.turns[0].id, "x")
    assert len(engine.asked) == asked
    two_chats.stop()
    wait_for(qtbot, lambda: ready(two_chats))
    assert foot.again.isEnabled()
