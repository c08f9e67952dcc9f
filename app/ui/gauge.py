"""The memory gauge: a stacked bar of ours, others' and free."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.hardware import MemoryReading
from app.ui.theme import colours

_GIB = 1024**3


class MemoryGauge(QWidget):
    """Shows the last reading; the tooltip and the accessible description hold every number."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setAccessibleName("Memory")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.reading: MemoryReading | None = None
        self._own: dict[str, int] = {}

    @property
    def own_bytes(self) -> int:
        """What the engine says it holds."""
        return sum(self._own.values())

    def show_reading(self, reading: MemoryReading) -> None:
        """Show a look at the memory."""
        self.reading = reading
        self._describe()
        self.update()

    def show_own(self, own: dict[str, int]) -> None:
        """What the engine holds, by name."""
        self._own = own
        self._describe()

    def sizeHint(self) -> QSize:
        return QSize(230, 34)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 34)

    def paintEvent(self, event) -> None:
        ink, painter = colours(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 0.86)
        painter.setFont(font)
        painter.setPen(QColor(ink.muted))
        text = QRectF(0, 0, self.width(), self.height() - 11)
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, self._line(QFontMetricsF(font)))
        bar = QRectF(0, self.height() - 10, self.width(), 7)
        shape = QPainterPath()
        shape.addRoundedRect(bar, 3.5, 3.5)
        painter.setClipPath(shape)
        painter.fillRect(bar, QColor(ink.line))
        if self.reading and self.reading.total:
            scale = bar.width() / self.reading.total
            ours, others = self.reading.ours * scale, self.reading.others * scale
            painter.fillRect(QRectF(bar.x(), bar.y(), others, bar.height()), QColor(ink.muted))
            painter.fillRect(QRectF(bar.x() + others, bar.y(), max(2.0, ours), bar.height()), QColor(ink.accent))
        painter.end()

    def _line(self, metrics: QFontMetricsF) -> str:
        if self.reading is None:
            return "Memory …"
        now = self.reading
        numbers = f"{now.used / _GIB:.1f} of {now.total / _GIB:.1f} GB"
        name = "VRAM" if now.is_gpu else "RAM"
        long = f"{name} {numbers}" if now.is_gpu else f"No NVIDIA GPU, RAM {numbers}"
        return long if metrics.horizontalAdvance(long) <= self.width() else f"{name} {numbers}"

    def _describe(self) -> None:
        if self.reading is None:
            return
        now = self.reading
        lines = [
            now.sentence,
            f"This program: {now.ours / _GIB:.2f} GB",
            f"Others: {now.others / _GIB:.2f} GB",
            f"Free: {now.free / _GIB:.2f} GB of {now.total / _GIB:.2f} GB",
        ]
        lines += [f"Model, {name}: {size / _GIB:.2f} GB" for name, size in self._own.items() if size]
        self.setToolTip("\n".join(lines))
        self.setAccessibleDescription(". ".join(lines))
