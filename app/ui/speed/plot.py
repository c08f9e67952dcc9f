"""Tokens per second over the reply, with plain decoding beside it."""

from bisect import bisect_left

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPainterPath, QPen, QPolygonF
from PySide6.QtWidgets import QToolTip

from app.ui.language import translate
from app.ui.speed.drawings import Drawing
from app.ui.speed.points import Point
from app.ui.theme import colours


def round_step(highest: float) -> float:
    """A round number of which some three fit below `highest`."""
    step = 1.0
    while highest / step > 4:
        step *= 2.5 if f"{step:e}".startswith("2") else 2
    return step


class SpeedPlot(Drawing):
    """The drafted speed as an area, plain decoding as a dashed line; the mouse asks for the numbers of a moment."""

    picture_height, text_lines = 62, 2

    def __init__(self, parent=None):
        super().__init__(translate("Speed", "Tokens per second over time"), parent)
        self.setMouseTracking(True)
        self._points: list[Point] = []
        self._plain: float | None = None

    def show_points(self, points: list[Point], plain: float | None) -> None:
        """What was measured so far; `plain` is plain decoding's tokens/s now."""
        self._points, self._plain = points, plain
        now = (
            self.tr("{speed:.1f} tokens per second").format(speed=points[-1].speed)
            if points
            else self.tr("nothing written yet")
        )
        self.setAccessibleDescription(
            self.tr("{now}, plain decoding {plain:.1f}").format(now=now, plain=plain) if plain else now
        )
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell the numbers of the moment under the mouse."""
        if len(self._points) < 2:
            return
        first, last = self._points[0].seconds, self._points[-1].seconds
        wanted = first + (last - first) * event.position().x() / self.width()
        at = min(bisect_left(self._points, wanted, key=lambda point: point.seconds), len(self._points) - 1)
        QToolTip.showText(event.globalPosition().toPoint(), said_of(self._points[at]), self)

    def draw(self, painter: QPainter) -> None:
        """Ground, round numbers, area, line, and the dashed line of plain decoding."""
        ink = colours()
        frame = QRectF(0, 4, self.width(), self.height() - 8)
        clip = QPainterPath()
        clip.addRoundedRect(frame, 6, 6)
        painter.fillPath(clip, QColor(ink.raised))
        highest = max([point.speed for point in self._points] + [self._plain or 0.0])
        if highest <= 0:
            return
        painter.setClipPath(clip)
        top = 1.2 * highest

        def y_of(speed: float) -> float:
            return frame.bottom() - frame.height() * speed / top

        points = self._points if len(self._points) > 1 else []
        first, last = (points[0].seconds, points[-1].seconds) if points else (0.0, 1.0)
        scale = frame.width() / max(last - first, 0.001)
        xs = [frame.left() + scale * (point.seconds - first) for point in points]
        if points:
            self._draw_area(painter, frame, [QPointF(x, y_of(p.speed)) for x, p in zip(xs, points, strict=True)])
        step, painted = round_step(highest), painter.pen()
        for number in range(1, int(top / step) + 1):
            y = y_of(number * step)
            painter.setPen(QPen(QColor(ink.line), 1))
            painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
            hidden = self._plain is not None and abs(y - self.line / 2 - y_of(self._plain)) < 0.6 * self.line
            if y > frame.top() + self.line + 1 and not hidden:
                painter.setPen(QColor(ink.muted))
                box = QRectF(frame.left(), y - self.line, frame.width() - 6, self.line)
                painter.drawText(box, Qt.AlignmentFlag.AlignRight, f"{number * step:g}")
        painter.setPen(painted)
        if self._plain:
            line = [QPointF(x, y_of(p.plain)) for x, p in zip(xs, points, strict=True) if p.plain]
            line = line or [QPointF(frame.left(), y_of(self._plain))]
            line.append(QPointF(frame.right(), y_of(self._plain)))
            painter.setPen(QPen(QColor(ink.text), 1.3, Qt.PenStyle.DashLine))
            painter.drawPolyline(QPolygonF(line))
            self._label_plain(painter, frame, line[0].y(), self.tr("plain {plain:.1f}").format(plain=self._plain))

    def _draw_area(self, painter: QPainter, frame: QRectF, points: list[QPointF]) -> None:
        ink, line = colours(), QPolygonF(points)
        area = QPolygonF([*points, QPointF(points[-1].x(), frame.bottom()), QPointF(points[0].x(), frame.bottom())])
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ink.speed_soft))
        painter.drawPolygon(area)
        painter.setPen(QPen(QColor(ink.speed), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(line)

    def _label_plain(self, painter: QPainter, frame: QRectF, y: float, text: str) -> None:
        """Below the line where there is room, on a ground of its own, since the speed's line may run through."""
        ink, wide = colours(), painter.fontMetrics().horizontalAdvance(text) + 8
        high = self.line
        box = QRectF(frame.left() + 4, y + 3 if y + high + 4 < frame.bottom() else y - high - 3, wide, high)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ink.surface))
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(QColor(ink.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def said_of(point: Point) -> str:
    """A point in words."""
    said = translate("Speed", "after {seconds:.1f} s: {speed:.1f} tokens/s").format(
        seconds=point.seconds, speed=point.speed
    )
    if not point.plain:
        return said
    return f"{said}\n" + translate("Speed", "plain then: {speed:.1f} tokens/s, {ratio:.2f}×").format(
        speed=point.plain, ratio=point.speed / point.plain
    )
