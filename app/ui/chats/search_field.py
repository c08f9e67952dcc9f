"""The field above the list of chats."""

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLineEdit, QToolButton

from app.ui.icons import pixmap
from app.ui.theme import colours

_GLASS = 16


class SearchField(QLineEdit):
    """Signals:
    down: the user wants to go on into the list.
    left: Escape in an empty field.
    """

    down = Signal()
    left = Signal()

    def __init__(self, parent=None):
        super().__init__(parent, clearButtonEnabled=True)
        self.setPlaceholderText(self.tr("Search chats"))
        self.setAccessibleName(self.tr("Search chats"))
        self.setToolTip(self.tr("Search titles and messages (Ctrl+K)"))
        self.setTextMargins(_GLASS + 4, 0, 0, 0)
        for clear in self.findChildren(QToolButton):
            clear.setAccessibleName(self.tr("Clear search"))
            clear.setToolTip(self.tr("Clear the search (Escape)"))
            clear.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def paintEvent(self, event) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        at = QRect(8, (self.height() - _GLASS) // 2, _GLASS, _GLASS)
        painter.drawPixmap(at, pixmap("search", 3 * _GLASS, colours().muted))
        painter.end()

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
