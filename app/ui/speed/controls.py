"""A switch, a choice of a few, and a slider that says what it is and where it stands."""

from collections.abc import Callable

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.ui.theme import colours


class Switch(QCheckBox):
    """A check box drawn as a switch."""

    def sizeHint(self) -> QSize:
        return QSize(42, 24)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def hitButton(self, position) -> bool:  # noqa: N802
        return self.rect().contains(position)

    def paintEvent(self, event) -> None:
        ink, painter = colours(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(2, 3, 36, 18)
        on = self.isChecked()
        painter.setPen(QPen(QColor(ink.text if self.hasFocus() else (ink.accent if on else ink.muted)), 1.5))
        painter.setBrush(QColor(ink.accent if on and self.isEnabled() else ink.raised))
        painter.drawRoundedRect(track, 9, 9)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ink.on_accent if on and self.isEnabled() else ink.muted))
        painter.drawEllipse(QRectF(track.right() - 16 if on else track.left() + 3, track.top() + 3, 12, 12))
        painter.end()


class Choice(QWidget):
    """A few named things side by side, one of which is chosen.

    Signals:
        chosen: the key of what the user chose.
    """

    chosen = Signal(str)

    def __init__(self, name: str, options: dict[str, tuple[str, str]], parent=None):
        """`options` are (text, tip) by key."""
        super().__init__(parent)
        self.setAccessibleName(name)
        self.buttons: dict[str, QToolButton] = {}
        self._offered = tuple(options)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for key, (text, tip) in options.items():
            button = QToolButton(text=text, toolTip=tip, checkable=True, objectName="Choice")
            button.setAccessibleName(f"{name}: {text}")
            button.setSizePolicy(button.sizePolicy().Policy.Expanding, button.sizePolicy().Policy.Fixed)
            # Not a button group: of that only the chosen one is reached by Tab.
            button.clicked.connect(lambda checked=False, key=key: self._on_clicked(key))
            row.addWidget(button, 1)
            self.buttons[key] = button

    @property
    def value(self) -> str:
        """The key of what is chosen."""
        return next((key for key, button in self.buttons.items() if button.isChecked()), "")

    def set(self, key: str) -> None:
        """Choose without telling anyone."""
        if key in self._offered:
            for other, button in self.buttons.items():
                button.setChecked(other == key)

    def offer(self, keys: tuple[str, ...]) -> None:
        """Show only these."""
        self._offered = keys
        for key, button in self.buttons.items():
            button.setVisible(key in keys)

    def _on_clicked(self, key: str) -> None:
        self.set(key)
        self.chosen.emit(key)


class _Slider(QSlider):
    """A slider that the wheel turns only when it has the focus: scrolling the panel turns nothing."""

    def wheelEvent(self, event) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class NamedSlider(QWidget):
    """A name at the left, the value at the right, the slider below.

    Signals:
        moved: the new position.
    """

    moved = Signal(int)

    def __init__(self, name: str, tip: str, low: int, high: int, said: Callable[[int], str] = str, parent=None):
        super().__init__(parent)
        self._said = said
        self.name = QLabel(name)
        self.value_label = QLabel()
        self.value_label.setAlignment(Qt.AlignmentFlag.AlignRight)
        font = self.value_label.font()
        font.setBold(True)
        self.value_label.setFont(font)
        self.slider = _Slider(Qt.Orientation.Horizontal, minimum=low, maximum=high)
        self.slider.setAccessibleName(name)
        self.slider.setToolTip(tip)
        self.name.setToolTip(tip)
        self.name.setBuddy(self.slider)
        self.slider.valueChanged.connect(self._on_value)
        head = QHBoxLayout()
        head.addWidget(self.name)
        head.addWidget(self.value_label, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        column.addLayout(head)
        column.addWidget(self.slider)
        self._show_value()

    @property
    def value(self) -> int:
        """Where the slider stands."""
        return self.slider.value()

    def set(self, value: int, high: int | None = None) -> None:
        """Move the slider, and its upper end, without telling anyone."""
        if value == self.value and high is None:
            return
        self.slider.blockSignals(True)
        if high is not None:
            self.slider.setMaximum(max(self.slider.minimum(), high))
            self.slider.setPageStep(max(1, high // 8))
        self.slider.setValue(value)
        self.slider.blockSignals(False)
        self._show_value()

    def _on_value(self, value: int) -> None:
        self._show_value()
        self.moved.emit(value)

    def _show_value(self) -> None:
        said = self._said(self.slider.value())
        self.value_label.setText(said)
        self.slider.setAccessibleDescription(said)


def figure(name: str, scale: float = 1.75) -> QLabel:
    """A large number."""
    label = QLabel("–")
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * scale)
    font.setBold(True)
    label.setFont(font)
    label.setAccessibleName(name)
    return label


def caption(text: str) -> QLabel:
    """Small muted text."""
    label = QLabel(text)
    label.setProperty("muted", True)
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * 0.88)
    label.setFont(font)
    return label


def separator() -> QFrame:
    """A line across."""
    return QFrame(objectName="Separator")


def switch_row(switch: Switch, name: QLabel) -> QHBoxLayout:
    """A name at the left of its switch."""
    name.setToolTip(switch.toolTip())
    switch.setAccessibleName(name.text())
    row = QHBoxLayout()
    row.addWidget(name)
    row.addStretch()
    row.addWidget(switch)
    return row
