"""A control for each kind of declared setting."""

from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QWidget

from app.settings.declare import Declared
from app.ui.box import Box, NumberBox, WholeBox
from app.ui.language import translate
from app.ui.speed.controls import Switch

_TYPED_AFTER_MS = 400


class Control(QWidget):
    """Shows a setting's value and tells when the user changes it.

    Attributes:
        field: the part that takes the keys.

    Signals:
        edited: the new value.
    """

    edited = Signal(object)
    field: QWidget

    def __init__(self, declared: Declared, parent: QWidget | None = None):
        super().__init__(parent)
        self.declared = declared

    def show_value(self, value: Any) -> None:
        """Show a value without telling anyone."""
        raise NotImplementedError

    def _add(self, *parts: QWidget) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for part in parts:
            row.addWidget(part)
        self.field = parts[-1]
        about = translate("Settings", self.declared.about)
        for part in parts:
            part.setToolTip(about)
        self.field.setAccessibleName(translate("Settings", self.declared.title))
        self.field.setAccessibleDescription(about)


class NumberControl(Control):
    """A number; where there may be none, a switch before it says so."""

    def __init__(self, declared: Declared, parent: QWidget | None = None):
        super().__init__(declared, parent)
        self.spin: WholeBox | NumberBox
        if declared.kind == "whole":
            self.spin = WholeBox(minimum=int(declared.low), maximum=int(declared.high), singleStep=int(declared.step))
        else:
            self.spin = NumberBox(minimum=declared.low, maximum=declared.high, singleStep=declared.step, decimals=2)
        if declared.unit:
            self.spin.setSuffix(" " + translate("Settings", declared.unit))
        self.spin.setGroupSeparatorShown(declared.high > 9999 and bool(declared.unit))
        # A number is taken when it is whole: half of one may be out of bounds.
        self.spin.setKeyboardTracking(False)
        self.spin.setMinimumWidth(128)
        self.spin.setAlignment(Qt.AlignmentFlag.AlignRight)
        if declared.none:
            self.spin.setValue(int(declared.start))
        self.spin.valueChanged.connect(self._tell)
        self.none = Switch()
        none = translate("Settings", declared.none)
        self.none.setAccessibleName(f"{translate('Settings', declared.title)}: {none}")
        self.none.toggled.connect(self._on_none)
        if declared.none:
            said = QLabel(none)
            said.setBuddy(self.none)
            self._add(said, self.none, self.spin)
        else:
            self._add(self.spin)

    def show_value(self, value: Any) -> None:
        for part in (self.none, self.spin):
            part.blockSignals(True)
        self.none.setChecked(value is None)
        self.spin.setEnabled(value is not None)
        # What is not a number stays as it was: what the user may go back to.
        if value is not None:
            self.spin.setValue(value)
        for part in (self.none, self.spin):
            part.blockSignals(False)

    def _on_none(self, none: bool) -> None:
        self.spin.setEnabled(not none)
        self._tell()

    def _tell(self) -> None:
        none = bool(self.declared.none) and self.none.isChecked()
        # A spin box shows 0.35 where binary numbers have 0.35000000000000003.
        self.edited.emit(None if none else round(self.spin.value(), 4))


class ChoiceControl(Control):
    """One of a few values."""

    def __init__(self, declared: Declared, parent: QWidget | None = None):
        super().__init__(declared, parent)
        self.box = Box()
        for value, shown in declared.choices:
            self.box.addItem(translate("Settings", shown), value)
        self.box.currentIndexChanged.connect(lambda row: self.edited.emit(self.box.itemData(row)))
        self._add(self.box)

    def show_value(self, value: Any) -> None:
        self.box.blockSignals(True)
        self.box.setCurrentIndex(self.box.findData(value))
        self.box.blockSignals(False)

    def refuse(self, value: Any, why: str) -> None:
        """Let a value not be chosen, and say why; "" lets it again."""
        row, model = self.box.findData(value), self.box.model()
        assert isinstance(model, QStandardItemModel)
        item = model.item(row)
        item.setEnabled(not why)
        item.setToolTip(why)


class TextControl(Control):
    """A text of some lines, told a moment after the last letter; or texts, one a line."""

    def __init__(self, declared: Declared, parent: QWidget | None = None):
        super().__init__(declared, parent)
        self.edit = _Edit(tabChangesFocus=True)
        self.edit.setFixedHeight(self.edit.fontMetrics().lineSpacing() * (5 if declared.kind == "text" else 3) + 18)
        self._timer = QTimer(self, singleShot=True, interval=_TYPED_AFTER_MS)
        self._timer.timeout.connect(self._tell)
        self.edit.textChanged.connect(self._timer.start)
        self.edit.left.connect(self.flush)
        self._add(self.edit)

    def show_value(self, value: Any) -> None:
        if self._timer.isActive() or value == self._value():
            return  # what is being typed stays, and the cursor where it is
        self.edit.blockSignals(True)
        self.edit.setPlainText(value if isinstance(value, str) else "\n".join(map(_escaped, value)))
        self.edit.blockSignals(False)

    def flush(self) -> None:
        """Tell now what has not been told."""
        if self._timer.isActive():
            self._timer.stop()
            self._tell()

    def _value(self) -> Any:
        text = self.edit.toPlainText()
        if self.declared.kind == "text":
            return text
        return tuple(_unescaped(line) for line in text.split("\n") if line)

    def _tell(self) -> None:
        self.edited.emit(self._value())


class _Edit(QPlainTextEdit):
    left = Signal()

    def focusOutEvent(self, event) -> None:
        super().focusOutEvent(event)
        self.left.emit()


def make_control(declared: Declared) -> Control:
    """The control for a setting."""
    kinds = {"whole": NumberControl, "number": NumberControl, "choice": ChoiceControl}
    return kinds.get(declared.kind, TextControl)(declared)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def _unescaped(line: str) -> str:
    out, at = "", 0
    while at < len(line):
        pair = line[at : at + 2]
        plain = {"\\\\": "\\", "\\n": "\n", "\\t": "\t"}.get(pair)
        out += plain or line[at]
        at += 2 if plain else 1
    return out
