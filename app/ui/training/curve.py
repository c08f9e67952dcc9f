"""The curve of a training: tokens per round on held-out chats, by step."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.ui.theme import colours


class TrainingCurve(QWidget):
    """Shows measured points as they come; the accessible description holds the last one."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setAccessibleName(self.tr("Tokens per round on held-out chats"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(130)
        self.points: tuple[tuple[int, float], ...] = ()
        self._steps = 0
        self._describe()

    def sizeHint(self) -> QSize:
        return QSize(420, 170)

    def show_points(self, points: tuple[tuple[int, float], ...], steps: int) -> None:
        """Points of (step, tokens per round), of a training of so many steps."""
        if (points, steps) != (self.points, self._steps):
            self.points, self._steps = points, steps
            self._describe()
            self.update()

    def _describe(self) -> None:
        said = self.tr("Nothing measured yet")
        if self.points:
            step, value = self.points[-1]
            said = self.tr("{tokens:.2f} tokens per round after step {step:,}").format(tokens=value, step=step)
        self.setAccessibleDescription(said)
        self.setToolTip(said)

    def paintEvent(self, event) -> None:
        ink, painter = colours(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 0.85)
        painter.setFont(font)
        ground = QRectF(0, 0, self.width(), self.height())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ink.raised))
        painter.drawRoundedRect(ground, 8, 8)
        frame = ground.adjusted(38, 12, -14, -24)
        values = [value for _, value in self.points]
        low, high = 1.0, max([2.0, *values]) * 1.08
        most = max(self._steps, *(step for step, _ in self.points), 1) if self.points else max(self._steps, 1)

        def at(step: float, value: float) -> QPointF:
            return QPointF(
                frame.left() + frame.width() * step / most,
                frame.bottom() - frame.height() * (value - low) / (high - low),
            )

        self._draw_grid(painter, frame, low, high, at)
        painter.setPen(QColor(ink.muted))
        below = QRectF(frame.left(), frame.bottom() + 4, frame.width(), 18)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, self.tr("step 0"))
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, f"{most:,}" if self._steps else "")
        if not self.points:
            painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, self.tr("Measured while training"))
        else:
            self._draw_line(painter, [at(step, value) for step, value in self.points], frame)
        painter.end()

    def _draw_grid(self, painter: QPainter, frame: QRectF, low: float, high: float, at) -> None:
        ink = colours()
        step = 0.5
        value = low
        while value < high:
            point = at(0, value)
            painter.setPen(QPen(QColor(ink.line), 1))
            painter.drawLine(QPointF(frame.left(), point.y()), QPointF(frame.right(), point.y()))
            painter.setPen(QColor(ink.muted))
            beside = QRectF(0, point.y() - 9, frame.left() - 6, 18)
            painter.drawText(beside, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{value:.2g}")
            value += step

    def _draw_line(self, painter: QPainter, points: list[QPointF], frame: QRectF) -> None:
        ink = colours()
        painter.setPen(QPen(QColor(ink.speed), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(QColor(ink.speed))
        for point in points if len(points) <= 40 else points[-1:]:
            painter.drawEllipse(point, 3, 3)
        last = f"{self.points[-1][1]:.2f}"
        painter.setPen(QColor(ink.text))
        box = QRectF(min(points[-1].x() - 20, frame.right() - 40), points[-1].y() - 22, 44, 16)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, last)
