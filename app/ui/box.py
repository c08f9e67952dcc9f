"""Controls that the wheel changes only when they have the focus, so that scrolling a page never turns one."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox, QWidget

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
    """A choice."""


class WholeBox(_Calm, QSpinBox):
    """A whole number."""


class NumberBox(_Calm, QDoubleSpinBox):
    """A number."""
