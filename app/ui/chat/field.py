"""The text field of the composer."""

from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, Qt, Signal
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QFrame, QPlainTextEdit

from app.ui.shortcuts import pressed
from app.ui.theme import text_font

_MOST_LINES = 8


class Field(QPlainTextEdit):
    """Plain text that grows with its lines; files that are pasted or dropped are not typed but handed on.

    Signals:
        submitted: the user wants to send.
        focus_changed: whether the field has the keys.
        files: paths that were pasted or dropped.
    """

    submitted = Signal()
    focus_changed = Signal(bool)
    files = Signal(object)

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
        does = pressed(event)
        if does == "line":
            self.textCursor().insertText("\n")
            self.ensureCursorVisible()
        elif does:
            self.submitted.emit()
        else:
            super().keyPressEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:  # noqa: N802
        return bool(local_files(source)) or super().canInsertFromMimeData(source)

    def insertFromMimeData(self, source: QMimeData) -> None:  # noqa: N802
        if paths := local_files(source):
            self.files.emit(paths)
        else:
            super().insertFromMimeData(source)

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


def local_files(source: QMimeData) -> list[Path]:
    """The files on this machine that are pasted or dropped."""
    return [Path(url.toLocalFile()) for url in source.urls() if url.isLocalFile()] if source.hasUrls() else []
