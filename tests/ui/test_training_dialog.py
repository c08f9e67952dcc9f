"""The dialog that trains drafts, on real status files and real buttons."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QMessageBox, QPushButton
from ui.scripted import INFO

from app.training import status as statuses
from app.training.job import TrainingJob
from app.training.measure import Estimate, keep_estimate
from app.training.status import PAUSE, State, Status
from app.ui.training import words
from app.ui.training.dialog import TrainingDialog

PLAIN = replace(INFO, adapter_bytes=0, defaults=replace(INFO.defaults, strategy="lookup"))
CURVE = ((200, 1.4), (400, 1.9), (600, 2.2))


@pytest.fixture
def job(tmp_path) -> TrainingJob:
    return TrainingJob(tmp_path / "job")


@pytest.fixture
def dialog(qtbot, job):
    dialog = TrainingDialog(PLAIN, job=job)
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def tell(job, state, **values):
    status = Status(state, 640, 2000, 5400.0, 1.87, CURVE, 150_000_000, 1.05, None, "lookup")
    statuses.write(job.folder, replace(status, process=statuses.this_process(), **values))


def test_before_a_training_it_says_what_drafts_now_and_what_it_would_take(dialog, job):
    assert "copies what was said before (lookup)" in dialog.introduction.text()
    assert dialog.estimate.text() == "Not measured yet"
    assert dialog.start.isVisible()
    assert dialog.start.text() == "Start"
    assert not dialog.pause.isVisible()
    assert not dialog.cancel.isVisible()
    assert not dialog.use.isVisible()
    keep_estimate(job.folder, Estimate(500.0, 4.0, 60.0, 10**8))
    dialog.look()
    assert dialog.estimate.text() == "About 2.6 h and 102 MB on the disk"
    dialog.effort.setCurrentIndex(0)
    assert dialog.estimate.text().startswith("About 53 min")


def test_a_running_training_is_shown_and_paused(dialog, job, qtbot):
    tell(job, State.TRAINING)
    dialog.look()
    assert dialog.state.text() == "Training: step 640 of 2,000"
    assert dialog.details.text() == "1.5 h left of this part · loss 1.87 · 150 MB on the disk"
    assert dialog.speeds.text() == "Before (lookup): 1.05× plain decoding"
    assert dialog.curve.points == CURVE
    assert dialog.curve.accessibleDescription() == "2.20 tokens per round after step 600"
    assert dialog.bar.value() == 320
    assert not dialog.start.isVisible()
    assert not dialog.effort.isEnabled()
    qtbot.mouseClick(dialog.pause, Qt.MouseButton.LeftButton)
    assert (job.folder / PAUSE).exists()
    assert dialog.state.text() == "Pausing after this step …"
    tell(job, State.PAUSED)
    dialog.look()
    assert dialog.state.text() == "Paused"
    assert dialog.start.text() == "Resume"
    assert dialog.cancel.isVisible()


def test_the_look_is_taken_by_itself(dialog, job, qtbot):
    tell(job, State.CORPUS)
    qtbot.waitUntil(lambda: "writes chats" in dialog.state.text(), timeout=10_000)


def test_the_end_offers_to_load_the_model_with_its_drafts(dialog, job, qtbot):
    tell(job, State.DONE, after=1.44)
    dialog.look()
    assert dialog.speeds.text() == "Before (lookup): 1.05× plain decoding · after: 1.44×"
    assert dialog.start.text() == "Train further"
    with qtbot.waitSignal(dialog.trained) as caught:
        qtbot.mouseClick(dialog.use, Qt.MouseButton.LeftButton)
    assert caught.args == [Path(INFO.path)]


def test_an_end_that_nobody_watches_is_told(dialog, job):
    said = []
    dialog.ended.connect(said.append)
    tell(job, State.TRAINING)
    dialog.look()
    dialog.hide()
    for _ in range(2):
        tell(job, State.DONE, after=1.44)
        dialog.look()
    assert said == ["Drafts for Scripted-135M are trained, 1.44 times as fast as plain decoding."]


def test_an_error_is_shown_with_what_can_be_done(dialog, job):
    tell(job, State.FAILED, sentence="The corpus holds no chat long enough to train on.")
    dialog.look()
    assert dialog.details.text() == "The corpus holds no chat long enough to train on."
    assert dialog.start.text() == "Resume"


def test_a_training_without_its_order_is_refused_in_a_sentence(dialog, job, qtbot):
    tell(job, State.PAUSED)
    dialog.look()
    qtbot.mouseClick(dialog.start, Qt.MouseButton.LeftButton)
    assert "There is no training to go on with" in dialog.details.text()


@pytest.mark.parametrize("answer", [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes])
def test_cancelling_asks_and_then_deletes(dialog, job, qtbot, monkeypatch, answer):
    tell(job, State.PAUSED)
    (job.folder / "corpus.jsonl").write_text("{}\n")
    (job.folder / "adapter.json").write_text("{}")
    dialog.look()
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answer)
    qtbot.mouseClick(dialog.cancel, Qt.MouseButton.LeftButton)
    deleted = answer == QMessageBox.StandardButton.Yes
    assert (job.folder / "corpus.jsonl").exists() is not deleted
    assert (job.folder / "adapter.json").exists()


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_closing_window_leaves_a_training_alone_or_pauses_it(dialog, job, goes_on):
    tell(job, State.TRAINING)
    dialog.keep.setChecked(goes_on)
    dialog.window_closes()
    assert (job.folder / PAUSE).exists() is not goes_on


def test_every_control_has_a_name_a_tooltip_and_a_place_in_the_tab_order(dialog, job):
    tell(job, State.TRAINING)
    dialog.look()
    controls = [*dialog.findChildren(QPushButton), dialog.effort, dialog.keep]
    for control in controls:
        named = QAccessible.queryAccessibleInterface(control)
        assert named.text(QAccessible.Text.Name), control
        assert control.toolTip(), control
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, control


def test_the_menu_opens_the_dialog_for_the_model_in_memory(window, qtbot, home):
    window.topbar.train_wanted.emit()
    assert window.training.isVisible()
    assert window.training.info.name == INFO.name
    assert "uses drafts that were trained for it" in words.introduction(INFO)
    first = window.training
    window.topbar.train_wanted.emit()
    assert window.training is first
    first.close()
