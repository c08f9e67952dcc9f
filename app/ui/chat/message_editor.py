"""A field in the place of a message, to write another version of it."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetricsF, QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout

from app.ui.theme import text_font

_MOST_LINES = 16


class MessageEditor(QFrame):
    """Signals:
    done: the text as it was edited, not empty.
    cancelled: leave the message as it is.
    """

    done = Signal(str)
    cancelled = Signal()

    def __init__(self, text: str, sends: bool):
        super().__init__()
        self.setObjectName("Composer")
        self.field = _Field()
        self.field.setPlainText(text)
        self.field.moveCursor(QTextCursor.MoveOperation.End)
        self.field.setAccessibleName(self.tr("Edited message"))
        said = self.tr("Send") if sends else self.tr("Keep")
        self.field.setToolTip(
            self.tr("Enter makes this a new version, Shift+Enter starts a new line, Escape leaves it as it is")
        )
        self.keep = QPushButton(said, toolTip=self.tr("Make this a new version of the message (Enter)"))
        self.keep.setProperty("primary", True)
        self.leave = QPushButton(self.tr("Cancel"), toolTip=self.tr("Leave the message as it is (Escape)"))
        for button in (self.keep, self.leave):
            button.setAccessibleName(self.tr("{action} edited message").format(action=button.text()))
        self.keep.clicked.connect(self._submit)
        self.leave.clicked.connect(self.cancelled)
        self.field.submitted.connect(self._submit)
        self.field.left.connect(self.cancelled)
        self.field.textChanged.connect(self._on_text)
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(self.leave)
        row.addWidget(self.keep)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 8, 10, 8)
        column.addWidget(self.field)
        column.addLayout(row)

    @property
    def text(self) -> str:
        """What is written."""
        return self.field.toPlainText()

    def _submit(self) -> None:
        text = self.field.toPlainText().strip()
        if text:
            self.done.emit(text)

    def _on_text(self) -> None:
        self.keep.setEnabled(bool(self.field.toPlainText().strip()))


class _Field(QPlainTextEdit):
    submitted = Signal()
    left = Signal()

    def __init__(self):
        super().__init__()
        self.setFont(text_font())
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.document().setDocumentMargin(2)
        self.document().documentLayout().documentSizeChanged.connect(lambda size: self._fit())
        self._fit()

    def keyPressEvent(self, event) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.submitted.emit()
            return
        super().keyPressEvent(event)

    def event(self, event) -> bool:
        # Escape is the window's shortcut for "stop"; in here it means this field.
        if event.type() == event.Type.ShortcutOverride and event.key() == Qt.Key.Key_Escape:
            event.accept()
            return True
        if event.type() == event.Type.KeyPress and event.key() == Qt.Key.Key_Escape:
            self.left.emit()
            return True
        return super().event(event)

    def _fit(self) -> None:
        lines = max(1, min(_MOST_LINES, int(self.document().size().height())))
        self.setFixedHeight(int(lines * QFontMetricsF(self.font()).lineSpacing() + 8))
