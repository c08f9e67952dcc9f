"""The window driven by real keys and mouse events, on an engine that says what it is told to."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QComboBox, QLineEdit, QPlainTextEdit
from ui.conftest import PATIENCE_MS
from ui.scripted import ScriptedEngine, scripted_parts

from app.engine.parts import Parts
from app.engine.phase import Phase
from app.engine.sentences import SLOWER
from app.settings.values import ChatSettings
from s3d_core.errors import ModelError, PromptError

LONG = "word " * 4000


def reply_text(window) -> str:
    return window.chat.transcript.messages[-1].body.text


def wait_for(qtbot, condition) -> None:
    qtbot.waitUntil(condition, timeout=PATIENCE_MS)


def test_enter_sends_and_the_reply_appears(window, engine, say):
    say(window, "Hello")
    assert engine.asked == [[{"role": "user", "content": "Hello"}]]
    assert reply_text(window) == engine.reply
    assert window.chat.composer.text == ""
    assert window.conversation.turns[-1].text == engine.reply
    assert "2.00× plain" in window.chat.transcript.messages[-1].foot.figures.text()


def test_every_part_of_the_sampling_reaches_the_engine(window, engine, say):
    """The window once passed on the temperature alone, so its top-k and min-p did nothing."""
    say(window, "Hello")
    say(window, "Again")
    usual = ChatSettings(seed=0).sampling()
    assert [replace(sampling, seed=0) for sampling in engine.sampled] == [usual] * 2
    assert usual.top_k > 0
    assert usual.min_p > 0


def test_shift_enter_breaks_the_line(window, engine, qtbot):
    field = window.chat.composer.field
    qtbot.keyClicks(field, "one")
    qtbot.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClicks(field, "two")
    qtbot.mouseClick(window.chat.composer.button, Qt.MouseButton.LeftButton)
    wait_for(qtbot, lambda: window.link.phase == Phase.READY)
    assert engine.asked == [[{"role": "user", "content": "one\ntwo"}]]


def test_an_empty_message_is_not_sent(window, engine, qtbot):
    qtbot.keyClicks(window.chat.composer.field, "   ")
    qtbot.keyClick(window.chat.composer.field, Qt.Key.Key_Return)
    assert not window.link.answering
    assert not window.chat.composer.button.isEnabled()


def test_the_second_turn_carries_the_first(window, engine, say):
    say(window, "One")
    say(window, "Two")
    assert [message["role"] for message in engine.asked[1]] == ["user", "assistant", "user"]


def test_escape_stops_within_a_round_and_keeps_what_was_written(window, engine, say, qtbot):
    engine.reply = LONG
    say(window, "Go", wait=False)
    wait_for(qtbot, lambda: len(reply_text(window)) > 40)
    rounds = len(engine.seen)
    qtbot.keyClick(window.chat.composer.field, Qt.Key.Key_Escape)
    wait_for(qtbot, lambda: window.link.phase == Phase.READY)
    assert len(engine.seen) <= rounds + 3
    assert reply_text(window)
    assert LONG.startswith(reply_text(window))
    assert "stopped" in window.chat.transcript.messages[-1].foot.figures.text()


def test_the_button_stops_while_the_prompt_is_read_and_the_message_comes_back(window, engine, say, qtbot):
    engine.prompt_seconds = 30
    say(window, "Long prompt", wait=False)
    wait_for(qtbot, lambda: "Reading the prompt" in window.topbar.phase_label.text())
    qtbot.mouseClick(window.chat.composer.button, Qt.MouseButton.LeftButton)
    wait_for(qtbot, lambda: window.link.phase == Phase.READY)
    assert window.chat.composer.text == "Long prompt"
    assert window.conversation.turns == []


def test_a_slider_moved_mid_answer_acts_on_the_next_round(window, engine, say, qtbot):
    engine.reply = LONG
    say(window, "Go", wait=False)
    wait_for(qtbot, lambda: len(engine.seen) > 3)
    assert engine.seen[-1].skipped == 12
    qtbot.keyClick(window.panel.skipped.slider, Qt.Key.Key_Left)
    rounds = len(engine.seen)
    wait_for(qtbot, lambda: len(engine.seen) > rounds + 2)
    assert engine.seen[rounds + 1].skipped == 11
    qtbot.mouseClick(window.panel.drafting, Qt.MouseButton.LeftButton)
    rounds = len(engine.seen)
    wait_for(qtbot, lambda: len(engine.seen) > rounds + 2)
    assert engine.seen[rounds + 1].strategy == "plain"
    window.stop()


def test_sliders_have_the_models_bounds(window):
    panel = window.panel
    assert panel.skipped.slider.maximum() == 28
    assert panel.draft_length.slider.maximum() == 6
    assert panel.skipped.value_label.text() == "12 of 30"
    assert panel.exactness.value_label.text() == "exact"


def test_drafting_that_slows_the_answer_is_turned_off_and_said(window, engine, say):
    engine.reply, engine.tokens_per_second, engine.plain_ms = "word " * 200, 500.0, 1.0
    say(window, "Go")
    assert window.chat.notice.text == SLOWER
    assert engine.seen[0].strategy == "s3d"
    assert engine.seen[-1].strategy == "plain"
    assert window.panel.drafting.isChecked()


def test_a_new_chat_mid_answer_is_empty_and_the_answer_goes_on_in_its_own(window, engine, say, qtbot):
    engine.reply = "word " * 200
    say(window, "Go", wait=False)
    wait_for(qtbot, lambda: len(reply_text(window)) > 40)
    answered = window.conversation
    qtbot.keyClick(window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    assert window.chat.transcript.messages == []
    assert window.link.answering
    wait_for(qtbot, lambda: window.link.phase == Phase.READY)
    assert window.chat.transcript.messages == []
    stored = window.session.store.conversation(answered.chat_id).turns
    assert [turn.text for turn in stored] == ["Go", engine.reply]
    say(window, "Again")
    assert engine.asked[-1] == [{"role": "user", "content": "Again"}]


def test_regenerate_writes_another_version_of_the_last_reply(window, engine, say, qtbot):
    window.desk.preferences.set_chat("seed", 0)
    say(window, "Hello")
    engine.reply = "Another answer"
    qtbot.mouseClick(window.chat.transcript.messages[-1].foot.again, Qt.MouseButton.LeftButton)
    wait_for(qtbot, lambda: window.link.phase == Phase.READY)
    assert [turn.role for turn in window.conversation.turns] == ["user", "assistant"]
    assert reply_text(window) == "Another answer"
    assert engine.asked[1] == engine.asked[0]
    assert [sampling.seed for sampling in engine.sampled] == [0, 1]
    assert window.chat.transcript.messages[-1].foot.place.text() == "2/2"


def test_a_stopped_regeneration_brings_the_old_reply_back(window, engine, say, qtbot):
    say(window, "Hello")
    engine.prompt_seconds = 30
    window.regenerate()
    wait_for(qtbot, lambda: window.link.answering)
    window.stop()
    wait_for(qtbot, lambda: window.link.phase == Phase.READY)
    assert reply_text(window) == engine.reply


def test_an_accident_in_the_worker_is_one_sentence_and_is_logged(window, engine, say, caplog):
    engine.fail_after = 2
    say(window, "Hello")
    assert window.chat.notice.text == "Something went wrong: the scripted accident"
    assert "the scripted accident" in caplog.text
    assert "Traceback" in caplog.text
    assert reply_text(window)
    engine.fail_after = None
    say(window, "Again")
    assert reply_text(window) == engine.reply


def test_a_refused_prompt_is_explained_and_given_back(window, engine, say, monkeypatch):
    def refuse(messages):
        raise PromptError("The prompt is 9,000 tokens long, but this model's context holds 8,192.")

    monkeypatch.setattr(engine, "chat_ids", refuse)
    say(window, "Too long")
    assert window.chat.notice.text.startswith("The prompt is 9,000 tokens long")
    assert window.chat.composer.text == "Too long"
    assert window.chat.transcript.messages == []


def test_a_bad_model_is_explained_and_the_good_one_comes_back(window, engine, say, qtbot):
    say(window, "Hello")
    window.topbar.models.setCurrentIndex(1)
    window.topbar.models.activated.emit(1)
    wait_for(qtbot, lambda: bool(window.chat.notice.text))
    wait_for(qtbot, lambda: window.link.phase == Phase.READY)
    assert window.chat.notice.text == "The model in /models/broken is damaged: fetch it again."
    assert window.topbar.models.currentText() == "Scripted-135M"
    assert len(window.chat.transcript.messages) == 2
    say(window, "Still there?")


def test_escape_stops_a_load(open_window, engine, qtbot):
    window = open_window(scripted_parts(engine, load_seconds=30), ready=False)
    wait_for(qtbot, lambda: "Loading layers" in window.topbar.phase_label.text())
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    wait_for(qtbot, lambda: window.link.phase == Phase.EMPTY)
    assert window.chat.notice.text == ""


def test_a_default_model_that_cannot_be_fetched_is_explained_and_retried(open_window, engine, qtbot):
    good = scripted_parts(engine)
    tries = []

    def fetch(progress):
        progress("Fetching the default model", 0.5)
        tries.append(1)
        if len(tries) == 1:
            raise ModelError("The default model could not be fetched: check the network.")
        return good.list_models()[0].path

    window = open_window(Parts(good.open_engine, fetch, list), ready=False)
    welcome = window.chat.welcome
    wait_for(qtbot, lambda: welcome.again.isVisible())
    assert "could not be fetched" in welcome.state.text()
    qtbot.mouseClick(welcome.again, Qt.MouseButton.LeftButton)
    wait_for(qtbot, lambda: window.link.phase == Phase.READY)
    assert len(tries) == 2


def thread_names() -> set[str]:
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        return {thread.name for thread in threading.enumerate()}
    return {(task / "comm").read_text().strip() for task in tasks.iterdir()}


@pytest.mark.parametrize("moment", ["writing", "reading", "loading"])
def test_closing_leaves_no_thread(open_window, qtbot, say, moment):
    engine = ScriptedEngine(reply=LONG, prompt_seconds=30 if moment == "reading" else 0)
    loading = moment == "loading"
    window = open_window(scripted_parts(engine, load_seconds=30 if loading else 0), ready=not loading)
    if loading:
        wait_for(qtbot, lambda: window.link.phase == Phase.LOADING)
    else:
        say(window, "Go", wait=False)
        wait_for(qtbot, lambda: window.link.phase == moment)
    assert "engine" in thread_names()
    rounds = len(engine.seen)
    with qtbot.waitSignal(window.closed, timeout=2000):
        window.close()
    assert not window.isVisible()
    assert len(engine.seen) <= rounds + 2
    assert engine.closed or loading
    # Other tests' libraries keep threads of their own; the engine's bears its name.
    assert "engine" not in thread_names()


def test_every_control_has_a_name_a_tooltip_and_a_place_in_the_tab_order(window, engine, say, qtbot):
    engine.reply = "Text\n\n```python\nx = 1\n```\n"
    say(window, "Hello")
    kinds = (QAbstractButton, QAbstractSlider, QComboBox, QPlainTextEdit)
    controls = [w for kind in kinds for w in window.findChildren(kind) if "qt_" not in w.objectName()]
    controls = [w for w in controls if w.isVisibleTo(window) and type(w).__name__ != "QScrollBar"]
    controls = [w for w in controls if not isinstance(w.parent(), QLineEdit)]  # the button that empties it
    assert len(controls) > 12
    for control in controls:
        named = control.accessibleName() or (control.text() if isinstance(control, QAbstractButton) else "")
        assert named, control
        if not (isinstance(control, QPlainTextEdit) and control.isReadOnly()):
            assert control.toolTip(), control
            assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, control


def test_tab_goes_from_the_message_through_the_bar_to_the_sliders(window, qtbot):
    seen = []
    window.chat.composer.field.setFocus()
    while "Exact to fast" not in seen and len(seen) < 60:
        qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        seen.append(window.focusWidget().accessibleName())
    wanted = ["New chat", "Model", "Memory", "Speed panel", "Menu", "Drafting", "Measure plain against drafted"]
    wanted += ["Auto chooses", "Drafts by: S3D", "Drafts by: Copies"]
    wanted += ["Skipped layers", "Draft length", "Tree size", "Exact to fast"]
    assert [name for name in seen if name in wanted] == wanted


def test_a_narrow_window_hides_the_panel_until_it_is_asked_for(open_window, engine, qtbot):
    window = open_window(scripted_parts(engine), size=(800, 600))
    assert not window.panel.isVisible()
    qtbot.mouseClick(window.topbar.panel, Qt.MouseButton.LeftButton)
    assert window.panel.isVisible()
    assert window.width() == 800
    window.resize(1600, 1000)
    qtbot.waitUntil(window.panel.isVisible)
