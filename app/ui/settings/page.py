"""A page of settings, made from their declarations."""

from collections.abc import Callable, Iterable
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QToolButton, QVBoxLayout, QWidget

from app.settings.declare import Declared
from app.ui.icons import icon
from app.ui.language import translate
from app.ui.settings.controls import Control, TextControl, make_control
from app.ui.theme import colours


class Row(QWidget):
    """One setting: its title, its control, what it does, and a button that brings the usual value back.

    Signals:
        reset: the usual value is wanted.
    """

    reset = Signal()

    def __init__(self, declared: Declared, parent: QWidget | None = None):
        super().__init__(parent)
        self.control = make_control(declared)
        title = QLabel(translate("Settings", declared.title))
        title.setBuddy(self.control.field)
        font = title.font()
        font.setBold(True)
        title.setFont(font)
        about = QLabel(translate("Settings", declared.about), wordWrap=True)
        about.setProperty("muted", True)
        self.usual = QToolButton(toolTip=self.tr("Back to the usual value"))
        self.usual.setAccessibleName(self.tr("{title}: usual value").format(title=title.text()))
        self.usual.clicked.connect(self.reset)
        policy = self.usual.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.usual.setSizePolicy(policy)
        head = QHBoxLayout()
        head.addWidget(title, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(head)
        if isinstance(self.control, TextControl):
            column.addWidget(self.control)
        else:
            head.addWidget(self.control)
        head.addWidget(self.usual)
        column.addWidget(about)
        self.renew()

    def show_value(self, value: Any, is_usual: bool) -> None:
        """Show a value, and whether it is the usual one."""
        self.control.show_value(value)
        self.usual.setVisible(not is_usual)

    def renew(self) -> None:
        """Take the theme's present colours."""
        self.usual.setIcon(icon("again", colours().muted))


class Page(QScrollArea):
    """Rows below each other.

    Args:
        change: takes a setting's name and its new value.
        reset: takes the name of a setting that gets its usual value.
    """

    def __init__(
        self,
        settings: Iterable[Declared],
        change: Callable[[str, Any], None],
        reset: Callable[[str], None],
        parent: QWidget | None = None,
    ):
        super().__init__(parent)
        self.column = inside = framed(self)
        self.rows: dict[str, Row] = {}
        for declared in settings:
            row = Row(declared)
            row.control.edited.connect(lambda value, name=declared.name: change(name, value))
            row.reset.connect(lambda name=declared.name: reset(name))
            self.rows[declared.name] = row
            inside.addWidget(row)
        inside.addStretch(1)

    @property
    def controls(self) -> list[Control]:
        """The controls in order."""
        return [row.control for row in self.rows.values()]

    def show_values(self, values: Any, usual: Callable[[str], bool]) -> None:
        """Show a group of settings; `usual` says of a name whether its value is the usual one."""
        for name, row in self.rows.items():
            row.show_value(getattr(values, name), usual(name))

    def flush(self) -> None:
        """Tell what was typed last."""
        for control in self.controls:
            if isinstance(control, TextControl):
                control.flush()

    def renew(self) -> None:
        """Take the theme's present colours."""
        for row in self.rows.values():
            row.renew()


def framed(area: QScrollArea) -> QVBoxLayout:
    """Make a scroll area a page of the settings; returns the column to fill."""
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    page = QWidget(objectName="Page")
    column = QVBoxLayout(page)
    column.setContentsMargins(22, 14, 22, 18)
    column.setSpacing(18)
    area.setWidget(page)
    return column
