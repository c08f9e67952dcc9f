"""The composer by real keys, drops and pastes: files, drafts, the context meter, a stop button for all that runs."""

import threading

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog
from ui.conftest import PATIENCE_MS
from ui.scripted import scripted_parts

from app.engine.phase import Phase
from s3d_core.errors import PromptError

LONG = "word " * 4000


def wait_for(qtbot, condition) -> None:
    qtbot.waitUntil(condition, timeout=PATIENCE_MS)


@pytest.fixture
def files(tmp_path):
    """Two files that can be attached."""
    (tmp_path / "notes.md").write_text("# Notes\none two three")
    (tmp_path / "code.py").write_text("x = 1")
    return [tmp_path / "notes.md", tmp_path / "code.py"]


def urls(paths) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def attach(window, qtbot, paths) -> None:
    chips = window.chat.composer.chips
    chips.add_paths(paths)
    wait_for(qtbot, lambda: chips.chips and not chips.reading)


NOTES = "File: notes.md\n```md\n# Notes\none two three\n```"
CODE = "File: code.py\n```py\nx = 1\n```"


@pytest.mark.parametrize("modifier", [Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier])
@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_enter_with_and_without_ctrl_sends(window, engine, qtbot, modifier, key):
    qtbot.keyClicks(window.chat.composer.field, "Hi")
    qtbot.keyClick(window.chat.composer.field, key, modifier)
    wait_for(qtbot, lambda: engine.asked == [[{"role": "user", "content": "Hi"}]])


def test_the_field_grows_with_its_lines_up_to_a_limit(window, qtbot):
    field, heights = window.chat.composer.field, []
    for _ in range(12):
        heights.append(field.height())
        qtbot.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert heights[1] > heights[0] or heights[2] > heights[0]
    assert heights[9] == heights[11]


def test_files_go_to_the_model_in_fences_before_the_question(window, engine, say, qtbot, files):
    attach(window, qtbot, files)
    say(window, "What is x?")
    assert engine.asked == [[{"role": "user", "content": f"{NOTES}\n\n{CODE}\n\nWhat is x?"}]]
    assert window.chat.composer.chips.chips == []
    assert not window.chat.composer.chips.isVisible()


def test_a_file_alone_can_be_sent(window, engine, qtbot, files):
    attach(window, qtbot, files[1:])
    qtbot.mouseClick(window.chat.composer.button, Qt.MouseButton.LeftButton)
    wait_for(qtbot, lambda: engine.asked == [[{"role": "user", "content": CODE}]])


def test_a_chip_shows_name_and_tokens_and_is_removed_by_its_button(window, engine, qtbot, files):
    attach(window, qtbot, files)
    first, second = window.chat.composer.chips.chips
    wait_for(qtbot, lambda: first.tokens.text() == "9 tokens" and second.tokens.text() == "7 tokens")
    assert first.accessibleName() == "notes.md, 9 tokens"
    first.close_button.setFocus()
    qtbot.keyClick(first.close_button, Qt.Key.Key_Space)
    assert [chip.name for chip in window.chat.composer.chips.chips] == ["code.py"]


def test_files_are_dropped_and_pasted(window, qtbot, files):
    composer, no = window.chat.composer, Qt.KeyboardModifier.NoModifier
    mime = urls(files[:1])
    enter = QDragEnterEvent(QPoint(9, 9), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, no)
    drop = QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, no)
    for event in (enter, drop):
        QApplication.sendEvent(composer, event)
        assert event.isAccepted()
    QGuiApplication.clipboard().setMimeData(urls(files[1:]))
    qtbot.keyClick(composer.field, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    wait_for(qtbot, lambda: [file.name for file in composer.chips.files] == ["notes.md", "code.py"])
    assert composer.text == ""


def test_text_is_pasted_as_text(window, qtbot):
    QGuiApplication.clipboard().setText("pasted\nlines")
    qtbot.keyClick(window.chat.composer.field, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert window.chat.composer.text == "pasted\nlines"


def test_ctrl_o_opens_a_dialog_whose_files_are_attached(window, qtbot, files):
    qtbot.keyClick(window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    dialog = window.findChild(QFileDialog)
    dialog.filesSelected.emit([str(path) for path in files])
    dialog.reject()
    wait_for(qtbot, lambda: len(window.chat.composer.chips.files) == 2)


def test_what_cannot_be_attached_is_said_and_the_rest_is(window, qtbot, files, tmp_path):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\x00")
    attach(window, qtbot, [tmp_path / "picture.png", files[1]])
    assert window.chat.notice.text == "picture.png is no text: attach text, Markdown, code or a PDF."
    assert [chip.name for chip in window.chat.composer.chips.chips] == ["code.py"]


def test_more_files_than_go_with_a_message_are_refused(window, qtbot, files):
    attach(window, qtbot, files[:1] * 21)
    assert len(window.chat.composer.chips.files) == 20
    assert "At most 20 files" in window.chat.notice.text


def test_nothing_is_sent_while_a_file_is_read(window, qtbot, files, monkeypatch):
    gate = threading.Event()

    def slow(path):
        gate.wait(10)
        return read(path)

    from app.ui.chat import chips

    read = chips.read
    monkeypatch.setattr(chips, "read", slow)
    composer = window.chat.composer
    composer.chips.add_paths(files[:1])
    qtbot.keyClicks(composer.field, "Hi")
    qtbot.keyClick(composer.field, Qt.Key.Key_Return)
    assert not window.link.answering
    assert not composer.button.isEnabled()
    gate.set()
    wait_for(qtbot, composer.button.isEnabled)


def test_a_refused_message_comes_back_with_its_files(window, engine, say, qtbot, files, monkeypatch):
    def refuse(messages):
        raise PromptError("The prompt is 9,000 tokens long, but this model's context holds 8,192.")

    monkeypatch.setattr(engine, "chat_ids", refuse)
    attach(window, qtbot, files)
    say(window, "Too long")
    assert window.chat.composer.text == "Too long"
    assert [chip.name for chip in window.chat.composer.chips.chips] == ["notes.md", "code.py"]


def test_the_bubble_shows_the_files_by_name(window, say, qtbot, files):
    attach(window, qtbot, files)
    say(window, "What is x?")
    assert window.chat.transcript.messages[0]._flow.toPlainText() == "File: notes.md\nFile: code.py\nWhat is x?"


def test_the_meter_shows_what_the_chat_and_the_message_take(window, engine, say, qtbot):
    meter = window.chat.composer.meter
    wait_for(qtbot, lambda: meter.text() == "0 / 8,192")
    qtbot.keyClicks(window.chat.composer.field, "one two three")
    wait_for(qtbot, lambda: meter.text() == "6 / 8,192")
    engine.reply = "four five"
    qtbot.keyClick(window.chat.composer.field, Qt.Key.Key_Return)
    wait_for(qtbot, lambda: meter.text() == "11 / 8,192")
    window.desk.preferences.set_chat("system_prompt", "Be brief.")
    wait_for(qtbot, lambda: meter.text() == "16 / 8,192")
    window.new_chat()
    wait_for(qtbot, lambda: meter.text() == "5 / 8,192")


def test_the_meter_warns_before_the_context_is_full(window, qtbot):
    meter, field = window.chat.composer.meter, window.chat.composer.field
    window.desk.preferences.set_chat("context", 256)
    wait_for(qtbot, lambda: meter.text() == "0 / 256")
    assert meter.property("level") in (None, "")
    field.setPlainText("word " * 230)
    wait_for(qtbot, lambda: meter.property("level") == "near")
    assert "oldest turns are left out" in meter.toolTip()
    window.desk.preferences.set_chat("overflow", "stop")
    field.setPlainText("word " * 300)
    wait_for(qtbot, lambda: meter.property("level") == "full")
    assert "the answer stops" in meter.accessibleName()


def test_turns_left_out_are_told_once(window, engine, say):
    window.desk.preferences.set_chat("context", 256)
    say(window, "word " * 60)
    say(window, "word " * 60)
    assert window.chat.notice.text == ""
    say(window, "word " * 60)
    assert window.chat.notice.text.startswith("The 2 oldest messages were left out of this answer")
    assert len(engine.asked[-1]) == 3


def test_the_button_stops_a_load_too(open_window, engine, qtbot):
    window = open_window(scripted_parts(engine, load_seconds=30), ready=False)
    wait_for(qtbot, lambda: window.topbar.phase_label.text().startswith("Loading layers"))
    assert window.chat.composer.button.accessibleName() == "Stop loading"
    qtbot.mouseClick(window.chat.composer.button, Qt.MouseButton.LeftButton)
    assert window.topbar.phase_label.text().startswith("Stopping · ")
    wait_for(qtbot, lambda: window.link.phase == Phase.EMPTY)
    assert window.chat.composer.button.accessibleName() == "Send"


def test_the_phase_and_its_clock_are_shown(window, engine, say, qtbot):
    engine.prompt_seconds, engine.reply = 1.5, LONG
    shown = []
    window.topbar._clock.timeout.connect(lambda: shown.append(window.topbar.phase_label.text()))
    say(window, "Go", wait=False)
    wait_for(qtbot, lambda: any(text.startswith("Writing · ") for text in shown))
    window.stop()
    wait_for(qtbot, lambda: window.link.phase == Phase.READY)
    assert any(text.startswith("Reading the prompt ") and " % · " in text for text in shown)
    assert all(text.endswith(" s") for text in shown)


def test_one_click_asks_a_prompt_of_the_first_page(window, engine, qtbot):
    welcome = window.chat.welcome
    assert "Scripted-135M is loaded: 30 layers, 8,192 tokens of context" in welcome.model.text()
    qtbot.mouseClick(welcome.suggestions[1], Qt.MouseButton.LeftButton)
    wait_for(qtbot, lambda: window.link.phase == Phase.READY and engine.asked != [])
    assert engine.asked[0][0]["content"] == welcome.suggestions[1].accessibleName()


def test_before_the_model_is_there_a_prompt_waits_in_the_field(open_window, engine, qtbot):
    window = open_window(scripted_parts(engine, load_seconds=30), ready=False)
    wait_for(qtbot, lambda: window.link.phase == Phase.LOADING)
    qtbot.mouseClick(window.chat.welcome.suggestions[0], Qt.MouseButton.LeftButton)
    assert window.chat.composer.text == window.chat.welcome.suggestions[0].accessibleName()
    window.stop()


def test_a_prompt_of_the_first_page_never_replaces_what_is_written(window, engine, qtbot):
    qtbot.keyClicks(window.chat.composer.field, "mine")
    qtbot.mouseClick(window.chat.welcome.suggestions[0], Qt.MouseButton.LeftButton)
    assert window.chat.composer.text == "mine"
    assert engine.asked == []


def test_ctrl_shift_c_copies_the_last_answer(window, engine, say, qtbot):
    say(window, "Hello")
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(window, Qt.Key.Key_C, both)
    assert QGuiApplication.clipboard().text() == engine.reply


def test_each_chat_keeps_what_is_written_in_it(window, engine, qtbot, files):
    composer, store = window.chat.composer, window.session.store
    first = window.conversation.chat_id
    second = store.add_chat("Other").id
    qtbot.keyClicks(composer.field, "in the first")
    attach(window, qtbot, files)
    wait_for(qtbot, lambda: store.draft(first) == "in the first")
    window.session.open_chat(second)
    assert (composer.text, composer.chips.files) == ("", [])
    qtbot.keyClicks(composer.field, "in the second")
    window.session.open_chat(first)
    assert composer.text == "in the first"
    assert [file.name for file in composer.chips.files] == ["notes.md", "code.py"]
    assert store.draft(second) == "in the second"
    qtbot.keyClick(composer.field, Qt.Key.Key_Return)
    wait_for(qtbot, lambda: store.draft(first) == "" and window.link.phase == Phase.READY)
    window.session.open_chat(second)
    assert composer.text == "in the second"


def test_a_draft_outlives_the_window(open_window, engine, qtbot, tmp_path):
    from app.chats.store import Store

    window = open_window(scripted_parts(engine), store=Store(tmp_path / "chats.db"))
    qtbot.keyClicks(window.chat.composer.field, "unsent")
    window.close()
    wait_for(qtbot, lambda: window.link.is_closed)
    again = open_window(scripted_parts(engine), store=Store(tmp_path / "chats.db"))
    assert again.chat.composer.text == "unsent"


def test_a_chat_that_begins_with_a_file_is_named_after_the_question(window, say, qtbot, files):
    attach(window, qtbot, files)
    say(window, "What is x?")
    assert window.session.store.title(window.conversation.chat_id) == "What is x?"


def test_the_meter_leaves_an_answer_of_another_chat_alone(window, engine, say, qtbot):
    engine.reply = LONG
    say(window, "Go", wait=False)
    wait_for(qtbot, lambda: window.link.phase == Phase.WRITING)
    window.new_chat()
    window.chat.composer.meter.setText("")
    seen = len(engine.seen)
    wait_for(qtbot, lambda: len(engine.seen) > seen + 10)
    assert window.chat.composer.meter.text() == ""
    window.stop()
    wait_for(qtbot, lambda: window.chat.composer.meter.text() == "0 / 8,192")


def test_counting_never_makes_a_busy_model_look_ready(open_window, engine, say, qtbot):
    window = open_window(scripted_parts(engine))
    phases = []
    engine.reply = "word " * 100
    say(window, "Go", wait=False)
    window.link.phase_changed.connect(phases.append)
    window.desk._context._count()
    window.link.count([{"role": "user", "content": "x"}])
    wait_for(qtbot, lambda: window.link.phase == Phase.READY)
    qtbot.wait(50)
    assert phases.count(Phase.READY) == 1
