"""The field above the list of chats."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLineEdit

from app.ui.icons import icon
from app.ui.theme import colours


class SearchField(QLineEdit):
    """Signals:
    down: the user wants to go on into the list.
    left: Escape in an empty field.
    """

    down = Signal()
    left = Signal()

    def __init__(self, parent=None):
        super().__init__(parent, placeholderText="Search chats", clearButtonEnabled=True)
        self.setAccessibleName("Search chats")
        self.setToolTip("Search titles and messages (Ctrl+K)")
        self._glass = self.addAction(icon("search"), QLineEdit.ActionPosition.LeadingPosition)

    def renew(self) -> None:
        """Take the theme's present colours."""
        self._glass.setIcon(icon("search", colours().muted))

    def event(self, event) -> bool:
        # Escape is the window's shortcut for "stop"; in here it means this field.
        kinds = (event.Type.ShortcutOverride, event.Type.KeyPress)
        if event.type() in kinds and event.key() == Qt.Key.Key_Escape:
            if event.type() == event.Type.KeyPress:
                if self.text():
                    self.clear()
                else:
                    self.left.emit()
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event) -> None:
        if event.key() == Qt.Key.Key_Down:
            self.down.emit()
            return
        super().keyPressEvent(event)
