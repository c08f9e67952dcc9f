"""What the memory is full of, as pieces of a bar, and how full it was: the drawings that gauge and popup share."""

from collections import deque
from typing import NamedTuple

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

from app.hardware import MemoryReading
from app.ui.language import QT_TRANSLATE_NOOP, translate
from app.ui.theme import Colours

GIB = 1024**3
# Readings, one a second.
HISTORY = 120
_NAMES = {
    "weights": QT_TRANSLATE_NOOP("Window", "Weights"),
    "cache": QT_TRANSLATE_NOOP("Window", "Conversation (K/V cache)"),
    "adapter": QT_TRANSLATE_NOOP("Window", "Drafting (adapter)"),
}


class Part(NamedTuple):
    """A piece of the bar: its name, its bytes, and its colour's name in `Colours`."""

    name: str
    size: int
    colour: str

    def ink(self, of: Colours) -> QColor:
        """The colour to paint with."""
        return QColor(getattr(of, self.colour))


def parts_of(reading: MemoryReading, own: dict[str, int]) -> list[Part]:
    """The bar's pieces from left to right; together they are the whole memory.

    Args:
        own: what the engine holds, by name, in bytes. It may say more than the system has seen of us so far.
    """
    parts, left = [Part(translate("Window", "Other programs"), reading.others, "muted")], reading.ours
    for name, colour in (("weights", "accent"), ("cache", "number"), ("adapter", "speed")):
        size = min(left, own.get(name, 0))
        left -= size
        parts.append(Part(translate("Window", _NAMES[name]), size, colour))
    parts.append(Part(translate("Window", "Rest of this program"), left, "keyword"))
    parts.append(Part(translate("Window", "Free"), reading.free, "line"))
    return parts


def draw_bar(painter: QPainter, bar: QRectF, parts: list[Part], ink: Colours) -> None:
    """The parts side by side, rounded at both ends."""
    shape = QPainterPath()
    shape.addRoundedRect(bar, bar.height() / 2, bar.height() / 2)
    painter.save()
    painter.setClipPath(shape)
    painter.fillRect(bar, QColor(ink.line))
    total, x = sum(part.size for part in parts), bar.x()
    for part in parts:
        if part.size and total:
            # What is there is seen, be it ever so small.
            wide = max(2.0, part.size / total * bar.width())
            painter.fillRect(QRectF(x, bar.y(), wide, bar.height()), part.ink(ink))
            x += wide
    painter.restore()


def draw_history(painter: QPainter, frame: QRectF, shares: deque[float], ink: Colours) -> None:
    """How full the memory was, from empty to full over the frame's height, the newest at the right."""
    if len(shares) < 2:
        return
    step = frame.width() / (HISTORY - 1)
    first = frame.right() - step * (len(shares) - 1)
    line = [QPointF(first + step * at, frame.bottom() - s * frame.height()) for at, s in enumerate(shares)]
    area = QPolygonF([*line, QPointF(frame.right(), frame.bottom()), QPointF(first, frame.bottom())])
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(ink.accent_soft))
    painter.drawPolygon(area)
    painter.setPen(QPen(QColor(ink.accent), 1.4))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolyline(QPolygonF(line))
