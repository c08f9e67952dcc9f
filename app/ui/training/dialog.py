"""The dialog that trains drafts for a model: estimate, start, pause, resume, cancel, and what it brought."""

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
)

from app.training.job import EFFORTS, Order, TrainingJob
from app.training.status import State, Status
from app.ui.box import Box
from app.ui.language import translate
from app.ui.training import words
from app.ui.training.curve import TrainingCurve
from s3d_core.errors import S3DError
from s3d_core.stats import ModelInfo

_LOOK_MS = 1000


class TrainingDialog(QDialog):
    """Shows one model's training and steers it; the training itself is a process that needs no window.

    Signals:
        trained: path of a model whose drafts are ready, when the user wants it to be loaded with them.
        ended: a sentence, when a training that was seen running has come to its end.
    """

    trained = Signal(object)
    ended = Signal(str)

    def __init__(self, info: ModelInfo, parent=None, job: TrainingJob | None = None):
        super().__init__(parent)
        self.setWindowTitle(self.tr("Train drafts for {name}").format(name=info.name))
        self.setObjectName("Training")
        self.info, self.job = info, job or TrainingJob.of_model(info.name)
        self.prompts: Path | None = None
        self._was_running = False
        self._build()
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self.look)
        self.resize(600, 620)
        self.look()
        self._timer.start()

    # -- building ------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.introduction = _label(words.introduction(self.info))
        self.effort = Box(
            accessibleName=self.tr("Effort"), toolTip=self.tr("How long to train: more is better, by less and less")
        )
        for effort in EFFORTS:
            self.effort.addItem(
                self.tr("{effort}: {steps:,} steps").format(
                    effort=translate("Training", effort.name), steps=effort.steps
                ),
                effort,
            )
        self.effort.setCurrentIndex(1)
        self.effort.currentIndexChanged.connect(self.look)
        self.choose = _button(
            self.tr("Prompts …"), self.tr("A file of your own prompts for the model to answer (JSON lines with turns)")
        )
        self.choose.clicked.connect(self._choose_prompts)
        self.prompts_label = _label(self.tr("The model writes the prompts too"), muted=True)
        self.measure = _button(self.tr("Estimate"), self.tr("Measure for a short while how long this would take here"))
        self.measure.clicked.connect(self._measure)
        self.estimate = _label("", muted=True)
        self.estimate.setAccessibleName(self.tr("Estimate of time and disk"))
        self.curve = TrainingCurve()
        self.state = _label("")
        self.state.setAccessibleName(self.tr("State of the training"))
        self.bar = QProgressBar(textVisible=False, maximum=1000, objectName="Fetch", accessibleName=self.tr("Progress"))
        self.details = _label("", muted=True)
        self.speeds = _label("")
        self.speeds.setAccessibleName(self.tr("Speed before and after"))
        self.keep = QCheckBox(self.tr("Go on training when the window is closed"))
        self.keep.setToolTip(self.tr("Else the training pauses then, and goes on when you resume it"))
        self.keep.setChecked(True)
        self.start = _button(self.tr("Start"), self.tr("Start training"), primary=True)
        self.start.clicked.connect(self._start)
        self.pause = _button(self.tr("Pause"), self.tr("Keep what is done and give the memory back"))
        self.pause.clicked.connect(self._pause)
        self.cancel = _button(self.tr("Cancel training …"), self.tr("End the training and delete what it made"))
        self.cancel.clicked.connect(self._cancel)
        self.use = _button(
            self.tr("Load with its drafts"), self.tr("Load the model again with what was trained"), primary=True
        )
        self.use.clicked.connect(lambda: self.trained.emit(Path(self.info.path)))
        choices, estimate, buttons = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        choices.addWidget(self.effort)
        choices.addWidget(self.choose)
        choices.addWidget(self.prompts_label, 1)
        estimate.addWidget(self.measure)
        estimate.addWidget(self.estimate, 1)
        buttons.addWidget(self.cancel)
        buttons.addStretch()
        for button in (self.pause, self.start, self.use):
            buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 18)
        column.setSpacing(12)
        column.addWidget(self.introduction)
        column.addLayout(choices)
        column.addLayout(estimate)
        column.addWidget(self.curve, 1)
        for part in (self.state, self.bar, self.details, self.speeds, self.keep):
            column.addWidget(part)
        column.addLayout(buttons)

    # -- what the training tells ---------------------------------------------------------------------------------

    def look(self) -> None:
        """Look at the training and show it."""
        status = self.job.status
        running = status is not None and status.is_running
        resumable = status is not None and status.can_resume
        done = status is not None and status.state == State.DONE
        for part in (self.effort, self.choose):
            part.setEnabled(not running and not resumable)
        self.measure.setEnabled(not running and not self.job.is_measuring)
        self.estimate.setText(self._estimate_said())
        self.start.setVisible(not running)
        self.start.setText(self.tr("Resume") if resumable else self.tr("Train further") if done else self.tr("Start"))
        self.start.setProperty("primary", not done)
        self.start.style().polish(self.start)
        self.pause.setVisible(running)
        if not running:
            self.pause.setEnabled(True)
        self.cancel.setVisible(running or resumable)
        self.use.setVisible(done)
        self._show(status)
        if self._was_running and not running and status is not None and not self.isVisible():
            self.ended.emit(words.ended(self.info.name, status))
        self._was_running = running

    def _show(self, status: Status | None) -> None:
        self.bar.setVisible(status is not None and status.is_running)
        if status is None:
            self._say("", "", "")
            return
        pausing = status.is_running and not self.pause.isEnabled()
        state = self.tr("Pausing after this step …") if pausing else words.heading(status)
        self._say(state, words.details(status), words.speeds(status))
        known = status.total > 0 and status.state in (State.CORPUS, State.TRAINING)
        self.bar.setRange(0, 1000 if known else 0)
        if known:
            self.bar.setValue(int(1000 * status.done / status.total))
        order = self.job.order
        self.curve.show_points(status.curve, order.steps if order else 0)

    def _say(self, state: str, details: str, speeds: str) -> None:
        for part, said in ((self.state, state), (self.details, details), (self.speeds, speeds)):
            part.setText(said)
            part.setVisible(bool(said))

    def _estimate_said(self) -> str:
        if self.job.is_measuring:
            return self.tr("Measuring how long it would take …")
        found, effort = self.job.estimate, self.effort.currentData()
        if found is None:
            failed = self.job.measuring_failed
            return (
                self.tr("It could not be measured: {why}").format(why=self.job.last_line)
                if failed
                else self.tr("Not measured yet")
            )
        seconds = found.seconds(effort.corpus_tokens, effort.steps, effort.measure_every)
        return self.tr("About {time} and {size} on the disk").format(
            time=words.duration(seconds), size=words.size(found.disk(effort.corpus_tokens))
        )

    # -- what the user does --------------------------------------------------------------------------------------

    def _choose_prompts(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self, self.tr("Prompts to answer"), "", self.tr("JSON lines (*.jsonl);;All files (*)")
        )
        self.prompts = Path(chosen) if chosen else None
        self.prompts_label.setText(self.prompts.name if self.prompts else self.tr("The model writes the prompts too"))

    def _measure(self) -> None:
        self._try(lambda: self.job.measure(Path(self.info.path)))

    def _start(self) -> None:
        status, effort = self.job.status, self.effort.currentData()
        if status is not None and status.can_resume:
            self._try(self.job.resume)
            return
        prompts = str(self.prompts) if self.prompts else None
        order = Order(self.info.path, effort.corpus_tokens, effort.steps, effort.measure_every, prompts)
        self._try(lambda: self.job.start(order))

    def _pause(self) -> None:
        self.job.pause()
        self.pause.setEnabled(False)
        self.look()

    def _cancel(self) -> None:
        asked = self.tr("End the training and delete what it made so far? Drafts that were finished before stay.")
        yes = QMessageBox.StandardButton.Yes
        if QMessageBox.question(self, self.tr("Cancel training"), asked) == yes:
            self._try(self.job.cancel)

    def window_closes(self) -> None:
        """The program ends: the training pauses, unless it is to go on."""
        self.job.stop_measuring()
        status = self.job.status
        if status is not None and status.is_running and not self.keep.isChecked():
            self.job.pause()

    def _try(self, do) -> None:
        try:
            do()
        except S3DError as error:
            self.look()
            self._say(self.state.text(), str(error), self.speeds.text())
            return
        self.look()


def _label(text: str, muted: bool = False) -> QLabel:
    label = QLabel(text, wordWrap=True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("muted", muted)
    return label


def _button(text: str, tip: str, primary: bool = False) -> QPushButton:
    button = QPushButton(text, toolTip=tip, accessibleName=text.removesuffix(" …"))
    button.setProperty("primary", primary)
    button.setAutoDefault(False)
    return button
