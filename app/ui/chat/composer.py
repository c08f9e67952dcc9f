"""Where the user writes."""

from pathlib import Path

from PySide6.QtCore import QSize, QTimer, Signal
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QPushButton, QToolButton, QVBoxLayout

from app.attach.fence import with_files
from app.attach.read import Attachment
from app.ui.chat.chips import Chips
from app.ui.chat.field import Field, local_files
from app.ui.chat.meter import ContextMeter
from app.ui.icons import icon
from app.ui.shortcuts import with_keys
from app.ui.theme import colours

_EDITED_AFTER_MS = 250


class Composer(QFrame):
    """A text field that grows with its lines, the files that go with it, and a button that sends or stops.

    Signals:
        sent: the message with its files, not empty; all is left as it is until `clear`.
        stopped: the user wants what runs to end.
        edited: the message is another one; a moment after the last key.
        refused: a sentence about a file that cannot be attached.
        tune_wanted: the user wants to see this chat's own settings.
    """

    sent = Signal(str)
    stopped = Signal()
    edited = Signal()
    refused = Signal(str)
    tune_wanted = Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setObjectName("Composer")
        self.setAcceptDrops(True)
        self.chips = Chips()
        self.chips.changed.connect(self._on_changed)
        self.chips.refused.connect(self.refused)
        self.field = Field()
        self.field.setAccessibleName(self.tr("Message"))
        self.field.setToolTip(self.tr("Enter sends, Shift+Enter starts a new line"))
        self.field.submitted.connect(self._submit)
        self.field.textChanged.connect(self._on_changed)
        self.field.focus_changed.connect(self._on_focus)
        self.field.files.connect(self.chips.add_paths)
        self.attach = QToolButton(toolTip=with_keys(self.tr("Attach text, Markdown, code or PDF files"), "attach"))
        self.attach.setAccessibleName(self.tr("Attach files"))
        self.attach.setIconSize(QSize(20, 20))
        self.attach.clicked.connect(self.choose_files)
        self.tune = QToolButton()
        self.tune.setAccessibleName(self.tr("Settings of this chat"))
        self.tune.setIconSize(QSize(20, 20))
        self.tune.clicked.connect(self.tune_wanted)
        self._tuned = False
        self.meter = ContextMeter()
        self.button = QPushButton(objectName="Send")
        self.button.setFixedSize(34, 34)
        self.button.setIconSize(QSize(20, 20))
        self.button.clicked.connect(self._on_button)
        self._edited_timer = QTimer(self, singleShot=True, interval=_EDITED_AFTER_MS)
        self._edited_timer.timeout.connect(self.edited)
        below = QHBoxLayout()
        below.setSpacing(8)
        below.addWidget(self.attach)
        below.addWidget(self.tune)
        below.addStretch(1)
        below.addWidget(self.meter)
        below.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 8, 8)
        column.setSpacing(2)
        for part in (self.chips, self.field):
            column.addWidget(part)
        column.addLayout(below)
        self._ready = self._busy = False
        self._stops = ""
        self._why_not = self.tr("The model is still loading")
        self._given: tuple[str, str, list[Attachment]] = ("", "", [])
        self.renew()

    @property
    def text(self) -> str:
        """What is written."""
        return self.field.toPlainText()

    @property
    def message(self) -> str:
        """What would be sent: the files and the text."""
        return with_files(self.text.strip(), self.chips.files)

    @property
    def can_ask(self) -> bool:
        """The model is ready and nothing is written that asking something else would lose."""
        return self._ready and not self.chips.chips and not self.text.strip()

    def set_text(self, text: str) -> None:
        """Put a text into the field, the cursor behind it. The message sent last comes back with its files."""
        message, written, files = self._given
        if files and text == message:
            text = written
            self.chips.set_files(files)
        self.field.setPlainText(text)
        self.field.moveCursor(QTextCursor.MoveOperation.End)

    def clear(self) -> None:
        """Empty the field, and let the files go."""
        self.field.clear()
        self.chips.set_files([])

    def set_state(self, ready: bool, answering: bool, why_not: str = "", stops: str = "") -> None:
        """Say what can be done.

        Args:
            ready: a message can be sent.
            answering: one is being answered, so that the button stops that.
            why_not: why nothing can be sent.
            stops: what else the button would stop, such as "Stop loading".
        """
        self._ready, self._why_not = ready, why_not
        self._stops = self.tr("Stop") if answering else stops
        self._busy = answering
        self._renew_state()

    def show_tuned(self, tuned: bool) -> None:
        """Say whether this chat has settings of its own."""
        self._tuned = tuned
        own = self.tr("This chat has settings of its own") if tuned else self.tr("Settings of this chat")
        self.tune.setToolTip(own)
        self.tune.setAccessibleDescription(own if tuned else "")
        self.tune.setIcon(icon("settings", colours().accent if tuned else colours().muted))

    def choose_files(self) -> None:
        """Let the user choose files to attach."""
        dialog = QFileDialog(self, self.tr("Attach files"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters([self.tr("All files (*)"), self.tr("Documents (*.txt *.md *.pdf *.csv *.json)")])
        dialog.filesSelected.connect(lambda names: self.chips.add_paths([Path(name) for name in names]))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def renew(self) -> None:
        """Take the theme's present colours."""
        self.attach.setIcon(icon("attach", colours().muted))
        self.chips.renew()
        self.show_tuned(self._tuned)
        self._renew_state()

    # -- inside --------------------------------------------------------------------------------------------------

    @property
    def _can_send(self) -> bool:
        return self._ready and not self.chips.reading and bool(self.message)

    def _renew_state(self) -> None:
        button, ink = self.button, colours()
        if self._stops:
            button.setIcon(icon("stop", ink.on_accent))
            button.setAccessibleName(self._stops)
            button.setToolTip(with_keys(self._stops, "stop"))
            button.setEnabled(True)
        else:
            button.setIcon(icon("send", ink.on_accent))
            button.setAccessibleName(self.tr("Send"))
            button.setToolTip(with_keys(self.tr("Send"), "send") if self._ready else self._why_not)
            button.setEnabled(self._can_send)
        self.field.setPlaceholderText(self.tr("Ask anything") if self._ready or self._busy else self._why_not)

    def _on_button(self) -> None:
        if self._stops:
            self.stopped.emit()
        else:
            self._submit()

    def _submit(self) -> None:
        if self._can_send and not self._stops:
            message = self.message
            self._given = (message, self.text, self.chips.files)
            self.sent.emit(message)

    def _on_changed(self) -> None:
        if not self._stops:
            self.button.setEnabled(self._can_send)
        self._edited_timer.start()

    def _on_focus(self, focused: bool) -> None:
        self._mark("focused", focused)

    def _mark(self, name: str, value: bool) -> None:
        self.setProperty(name, value)
        self.style().unpolish(self)
        self.style().polish(self)

    def dragEnterEvent(self, event) -> None:
        if local_files(event.mimeData()):
            event.acceptProposedAction()
            self._mark("dropping", True)

    def dragLeaveEvent(self, event) -> None:
        self._mark("dropping", False)

    def dropEvent(self, event) -> None:
        self._mark("dropping", False)
        if paths := local_files(event.mimeData()):
            event.acceptProposedAction()
            self.chips.add_paths(paths)
