"""Where the user writes."""

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QPushButton

from app.ui.icons import icon
from app.ui.theme import colours, text_font

_MOST_LINES = 8


class Composer(QFrame):
    """A text field that grows with its lines, and a button that sends or stops.

    Signals:
        sent: the text, not empty; the field is left as it is until `clear`.
        stopped: the user wants the answer to end.
    """

    sent = Signal(str)
    stopped = Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setObjectName("Composer")
        self.field = _Field()
        self.field.setAccessibleName("Message")
        self.field.setToolTip("Enter sends, Shift+Enter starts a new line")
        self.field.submitted.connect(self._submit)
        self.field.textChanged.connect(self._on_text)
        self.field.focus_changed.connect(self._on_focus)
        self.button = QPushButton(objectName="Send")
        self.button.setFixedSize(34, 34)
        self.button.setIconSize(QSize(20, 20))
        self.button.clicked.connect(self._on_button)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 7, 8, 7)
        row.addWidget(self.field, 1)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignBottom)
        self._ready = self._answering = False
        self._why_not = "The model is still loading"
        self._renew_state()

    @property
    def text(self) -> str:
        """What is written."""
        return self.field.toPlainText()

    def set_text(self, text: str) -> None:
        """Put a text into the field, the cursor behind it."""
        self.field.setPlainText(text)
        self.field.moveCursor(QTextCursor.MoveOperation.End)

    def clear(self) -> None:
        """Empty the field."""
        self.field.clear()

    def set_state(self, ready: bool, answering: bool, why_not: str = "") -> None:
        """Whether a message can be sent, whether one is being answered, and why nothing can be sent."""
        self._ready, self._answering, self._why_not = ready, answering, why_not
        self._renew_state()

    def renew(self) -> None:
        """Take the theme's present colours."""
        self._renew_state()

    def _renew_state(self) -> None:
        button, ink = self.button, colours()
        if self._answering:
            button.setIcon(icon("stop", ink.on_accent))
            button.setAccessibleName("Stop")
            button.setToolTip("Stop (Escape)")
            button.setEnabled(True)
        else:
            button.setIcon(icon("send", ink.on_accent))
            button.setAccessibleName("Send")
            button.setToolTip("Send (Enter)" if self._ready else self._why_not)
            button.setEnabled(self._ready and bool(self.text.strip()))
        self.field.setPlaceholderText("Ask anything" if self._ready or self._answering else self._why_not)

    def _on_button(self) -> None:
        if self._answering:
            self.stopped.emit()
        else:
            self._submit()

    def _submit(self) -> None:
        if self._ready and not self._answering and self.text.strip():
            self.sent.emit(self.text.strip())

    def _on_text(self) -> None:
        if not self._answering:
            self.button.setEnabled(self._ready and bool(self.text.strip()))

    def _on_focus(self, focused: bool) -> None:
        self.setProperty("focused", focused)
        self.style().unpolish(self)
        self.style().polish(self)


class _Field(QPlainTextEdit):
    submitted = Signal()
    focus_changed = Signal(bool)

    def __init__(self):
        super().__init__()
        self.setFont(text_font())
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(4)
        self.document().documentLayout().documentSizeChanged.connect(lambda size: self._fit())
        self._fit()

    def keyPressEvent(self, event) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self.textCursor().insertText("\n")
                self.ensureCursorVisible()
            else:
                self.submitted.emit()
            return
        super().keyPressEvent(event)

    def focusInEvent(self, event) -> None:
        super().focusInEvent(event)
        self.focus_changed.emit(True)

    def focusOutEvent(self, event) -> None:
        super().focusOutEvent(event)
        self.focus_changed.emit(False)

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def _fit(self) -> None:
        lines = max(1, min(_MOST_LINES, int(self.document().size().height())))
        height = int(lines * QFontMetricsF(self.font()).lineSpacing() + 2 * self.document().documentMargin() + 3)
        self.setFixedHeight(max(34, height))
