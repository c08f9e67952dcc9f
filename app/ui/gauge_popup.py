"""The numbers behind the memory gauge: a larger bar, what each piece is, and the last two minutes."""

from collections import deque

from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QVBoxLayout, QWidget

from app.hardware import MemoryReading
from app.ui.memory_parts import GIB, Part, draw_bar, draw_history
from app.ui.theme import colours

_WIDE = 330


class _Picture(QWidget):
    """The bar or the history."""

    def __init__(self, height: int):
        super().__init__()
        self.setFixedHeight(height)
        self.parts: list[Part] = []
        self.history: deque[float] | None = None

    def paintEvent(self, event) -> None:
        ink, painter, whole = colours(), QPainter(self), QRectF(self.rect())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.history is None:
            draw_bar(painter, whole, self.parts, ink)
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(ink.raised))
            painter.drawRoundedRect(whole, 5, 5)
            draw_history(painter, whole.adjusted(3, 3, -3, -2), self.history, ink)
        painter.end()


class _Swatch(QWidget):
    """A piece's colour."""

    def __init__(self, part: Part):
        super().__init__()
        self._part = part
        self.setFixedSize(11, 11)

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._part.ink(colours()))
        painter.drawRoundedRect(self.rect(), 3, 3)
        painter.end()


class MemoryPopup(QFrame):
    """Opens below the gauge; Escape or a click elsewhere closes it."""

    def __init__(self, parent=None):
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("MemoryPopup")
        self.setMinimumWidth(_WIDE)
        self.setAccessibleName(self.tr("Memory in numbers"))
        self._title = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._bar, self._history = _Picture(14), _Picture(44)
        self._legend = QGridLayout()
        self._legend.setHorizontalSpacing(9)
        self._legend.setColumnStretch(1, 1)
        self._sizes: dict[str, QLabel] = {}
        below = QLabel(self.tr("How full it was in the last two minutes"))
        below.setProperty("muted", True)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 14)
        column.setSpacing(10)
        column.addWidget(self._title)
        column.addWidget(self._bar)
        column.addLayout(self._legend)
        column.addWidget(below)
        column.addWidget(self._history)

    def show_memory(self, reading: MemoryReading, parts: list[Part], history: deque[float]) -> None:
        """Show these numbers."""
        self._title.setText(reading.sentence)
        total = Part(self.tr("Total"), reading.total, "surface")
        for part in (*parts, total):
            if part.name not in self._sizes:
                self._add_row(part)
            share = f"  {part.size / reading.total:.0%}" if reading.total else ""
            self._sizes[part.name].setText(f"{part.size / GIB:.2f} GB{share}")
        self._bar.parts, self._history.history = parts, history
        self.setAccessibleDescription(", ".join(f"{name}: {label.text()}" for name, label in self._sizes.items()))
        self._bar.update()
        self._history.update()

    def show_below(self, corner: QPoint) -> None:
        """Open with the upper right corner here."""
        self.adjustSize()
        self.move(max(self.screen().availableGeometry().left(), corner.x() - self.width()), corner.y())
        self.show()

    def _add_row(self, part: Part) -> None:
        row = len(self._sizes)
        size = QLabel()
        size.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._sizes[part.name] = size
        if part.name != self.tr("Total"):
            self._legend.addWidget(_Swatch(part), row, 0)
        self._legend.addWidget(QLabel(part.name), row, 1)
        self._legend.addWidget(size, row, 2)
