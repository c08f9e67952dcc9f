"""Controls that the wheel changes only when they have the focus, so that scrolling a page never turns one."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox, QWidget

from app.ui.icons import pixmap
from app.ui.theme import colours

if TYPE_CHECKING:
    _Widget = QWidget
else:
    _Widget = object  # a class may come from one class of Qt only


class _Calm(_Widget):
    def __init__(self, *args, **properties):
        super().__init__(*args, **properties)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class Box(_Calm, QComboBox):
    """A choice whose arrow has the theme's colour."""

    def paintEvent(self, event) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        _draw_arrow(painter, QRect(self.width() - 25, (self.height() - 18) // 2, 18, 18))
        painter.end()


class _Arrows(_Calm):
    def paintEvent(self, event) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        middle, left = self.height() // 2, self.width() - 21
        _draw_arrow(painter, QRect(left, middle, 13, 13))
        painter.scale(1, -1)
        _draw_arrow(painter, QRect(left, -middle, 13, 13))
        painter.end()


class WholeBox(_Arrows, QSpinBox):
    """A whole number."""


class NumberBox(_Arrows, QDoubleSpinBox):
    """A number."""


def _draw_arrow(painter: QPainter, place: QRect) -> None:
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawPixmap(place, pixmap("chevron", 54, colours().muted))
