"""Finding words in the chat that is shown."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QToolButton

from app.ui.chat.transcript import Transcript
from app.ui.icons import icon
from app.ui.theme import colours


class FindBar(QFrame):
    """A field, how many messages have what is in it, and arrows that go from one to the next; Escape closes it.

    Signals:
        left: the keyboard is wanted elsewhere.
    """

    left = Signal()

    def __init__(self, transcript: Transcript, parent=None):
        super().__init__(parent)
        self.setObjectName("FindBar")
        self._transcript = transcript
        self._found: list[int] = []
        self._at = -1
        self.field = QLineEdit()
        self.field.setPlaceholderText(self.tr("Find in this chat"))
        self.field.setAccessibleName(self.tr("Find in this chat"))
        self.field.setToolTip(self.tr("Enter goes to the next message that has it, Shift+Enter to the one before"))
        self.count = QLabel()
        self.count.setProperty("muted", True)
        self.count.setAccessibleName(self.tr("Messages found"))
        self.before = self._button(self.tr("Previous message found"), lambda: self._go(-1))
        self.next = self._button(self.tr("Next message found"), lambda: self._go(1))
        self.close_button = self._button(self.tr("Close the search in this chat"), self.leave)
        self.field.textChanged.connect(self._look)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 6, 6, 6)
        row.setSpacing(4)
        row.addWidget(self.field, 1)
        for part in (self.count, self.before, self.next, self.close_button):
            row.addWidget(part)
        self.renew()
        self.hide()

    def start(self) -> None:
        """Show the bar, and put the cursor into it."""
        self.show()
        self.field.setFocus()
        self.field.selectAll()
        self._look()

    def leave(self) -> None:
        """Hide the bar; nothing is marked any more."""
        self.hide()
        self._transcript.mark("")
        self.left.emit()

    def renew(self) -> None:
        """Take the theme's present colours."""
        for button, name in ((self.before, "left"), (self.next, "right"), (self.close_button, "close")):
            button.setIcon(icon(name, colours().muted))

    def event(self, event) -> bool:
        # Escape and Enter are others' shortcuts; in here they mean this field.
        kinds = (event.Type.ShortcutOverride, event.Type.KeyPress)
        keys = (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.type() in kinds and event.key() in keys:
            if event.type() == event.Type.KeyPress:
                self._press(event)
            event.accept()
            return True
        return super().event(event)

    def _press(self, event) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.leave()
        else:
            self._go(-1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)

    def _look(self) -> None:
        """Look for what is typed now; the newest message that has it is shown."""
        if not self.isVisible():
            return
        text = self.field.text()
        self._found = self._transcript.mark(text)
        self._at = len(self._found) - 1
        self._show()

    def _go(self, step: int) -> None:
        if self._found != (found := self._transcript.mark(self.field.text())):
            self._found, self._at = found, len(found) - step
        if self._found:
            self._at = (self._at + step) % len(self._found)
        self._show()

    def _show(self) -> None:
        if self._found:
            self._transcript.go_to(self._found[self._at])
        here = f"{self._at + 1}/{len(self._found)}" if self._found else self.tr("Nothing found")
        self.count.setText(here if self.field.text() else "")
        for button in (self.before, self.next):
            button.setEnabled(bool(self._found))

    def _button(self, tip: str, do) -> QToolButton:
        button = QToolButton(toolTip=tip, accessibleName=tip)
        button.clicked.connect(do)
        return button
