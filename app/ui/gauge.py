"""The memory gauge: a stacked bar of others', ours and free, with a short history; a click shows the numbers."""

from collections import deque

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy

from app.hardware import MemoryAlarm, MemoryReading
from app.ui.gauge_popup import MemoryPopup
from app.ui.memory_parts import GIB, HISTORY, Part, draw_bar, draw_history, parts_of
from app.ui.theme import colours

_SPARK = 52


class MemoryGauge(QAbstractButton):
    """Shows the last reading; the tooltip and the accessible description hold every number.

    Signals:
        nearly_full: a sentence, once, before the memory is full.
    """

    nearly_full = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setAccessibleName(self.tr("Memory"))
        self.setToolTip(self.tr("Memory: click for the numbers"))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.reading: MemoryReading | None = None
        self.history: deque[float] = deque(maxlen=HISTORY)
        self._own: dict[str, int] = {}
        self._alarm = MemoryAlarm()
        self.popup = MemoryPopup(self)
        self.clicked.connect(self._open)

    @property
    def own_bytes(self) -> int:
        """What the engine says it holds."""
        return sum(self._own.values())

    @property
    def parts(self) -> list[Part]:
        """The pieces of the bar; none before the first reading."""
        return parts_of(self.reading, self._own) if self.reading else []

    def show_reading(self, reading: MemoryReading) -> None:
        """Show a look at the memory."""
        if self.reading is not None and reading.device != self.reading.device:
            self.history.clear()
        self.reading = reading
        self.history.append(reading.used / reading.total if reading.total else 0.0)
        self._renew()
        sentence = self._alarm.sentence(reading)
        if sentence:
            self.nearly_full.emit(sentence)

    def show_own(self, own: dict[str, int]) -> None:
        """What the engine holds, by name."""
        self._own = own
        self._renew()

    def sizeHint(self) -> QSize:
        return QSize(230, 36)

    def minimumSizeHint(self) -> QSize:
        return QSize(130, 36)

    def paintEvent(self, event) -> None:
        ink, painter = colours(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus():
            painter.setPen(QPen(QColor(ink.accent), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        inside = QRectF(self.rect()).adjusted(5, 2, -5, -4)
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 0.86)
        painter.setFont(font)
        painter.setPen(QColor(ink.text if self.underMouse() else ink.muted))
        text = QRectF(inside.x(), inside.y(), inside.width() - _SPARK - 6, inside.height() - 10)
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, self._line(QFontMetricsF(font), text.width()))
        spark = QRectF(inside.right() - _SPARK, inside.y() + 2, _SPARK, inside.height() - 13)
        draw_history(painter, spark, self.history, ink)
        draw_bar(painter, QRectF(inside.x(), inside.bottom() - 7, inside.width(), 7), self.parts, ink)
        painter.end()

    def enterEvent(self, event) -> None:
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event) -> None:
        super().leaveEvent(event)
        self.update()

    def _open(self) -> None:
        if self.reading is not None:
            self.popup.show_memory(self.reading, self.parts, self.history)
            self.popup.show_below(self.mapToGlobal(QPoint(self.width(), self.height() + 4)))

    def _line(self, metrics: QFontMetricsF, room: float) -> str:
        if self.reading is None:
            return self.tr("Memory …")
        now = self.reading
        numbers = self.tr("{used:.1f} of {total:.1f} GB").format(used=now.used / GIB, total=now.total / GIB)
        name = self.tr("VRAM") if now.is_gpu else self.tr("RAM")
        lines = [f"{name} {numbers}", f"{name} {now.used / now.total:.0%}" if now.total else name]
        return next((line for line in lines if metrics.horizontalAdvance(line) <= room), lines[-1])

    def _renew(self) -> None:
        self.update()
        if self.reading is None:
            return
        now = self.reading
        lines = [now.sentence] + [
            self.tr("{name}: {size:.2f} GB").format(name=part.name, size=part.size / GIB) for part in self.parts
        ]
        lines.append(self.tr("Total: {total:.2f} GB").format(total=now.total / GIB))
        self.setToolTip("\n".join(lines))
        self.setAccessibleDescription(". ".join(lines))
        if self.popup.isVisible():
            self.popup.show_memory(now, self.parts, self.history)
