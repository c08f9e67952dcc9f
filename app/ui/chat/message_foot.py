"""The row below a message: branches, copy, edit, delete, and for a reply regenerate, continue and its figures."""

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from app.ui.icons import icon
from app.ui.theme import colours


class MessageFoot(QWidget):
    """What can be done with one message.

    Args:
        text: what "copy" copies.
        kind: what the message is called.

    Signals:
        branch_wanted: -1 for the version before, 1 for the next.
        edit_wanted: another version is to be written.
    """

    branch_wanted = Signal(int)
    edit_wanted = Signal()

    def __init__(self, text: Callable[[], str], kind: str = "message"):
        super().__init__()
        self._text = text
        of_answer = kind == "answer"
        self.before = _button(
            self.tr("Show the version before this one"),
            self.tr("Previous version of the answer") if of_answer else self.tr("Previous version of the message"),
        )
        self.place = QLabel()
        self.place.setProperty("muted", True)
        self.next = _button(
            self.tr("Show the version after this one"),
            self.tr("Next version of the answer") if of_answer else self.tr("Next version of the message"),
        )
        self.copy = _button(
            self.tr("Copy this answer") if of_answer else self.tr("Copy this message"),
            self.tr("Copy answer") if of_answer else self.tr("Copy message"),
        )
        self.edit = _button(
            self.tr("Edit this answer as a new version")
            if of_answer
            else self.tr("Edit this message as a new version"),
            self.tr("Edit answer") if of_answer else self.tr("Edit message"),
        )
        self.delete = _button(
            self.tr("Delete this answer; what follows stays")
            if of_answer
            else self.tr("Delete this message; what follows stays"),
            self.tr("Delete answer") if of_answer else self.tr("Delete message"),
        )
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.setSpacing(2)
        for part in (self.before, self.place, self.next, self.copy, self.edit, self.delete):
            self.row.addWidget(part)
        self._icons = {"left": self.before, "right": self.next, "copy": self.copy, "edit": self.edit}
        self._icons |= {"delete": self.delete}
        self.before.clicked.connect(lambda: self.branch_wanted.emit(-1))
        self.next.clicked.connect(lambda: self.branch_wanted.emit(1))
        self.copy.clicked.connect(self._copy)
        self.edit.clicked.connect(self.edit_wanted)
        self.renew()

    def show_branch(self, place: int, branches: int) -> None:
        """Which of how many versions this is; nothing is shown for a single one."""
        self.place.setText(f"{place}/{branches}")
        self.place.setAccessibleName(self.tr("Version {place} of {branches}").format(place=place, branches=branches))
        for part in (self.before, self.place, self.next):
            part.setVisible(branches > 1)
        self.before.setEnabled(place > 1)
        self.next.setEnabled(place < branches)

    def set_state(self, busy: bool, can_continue: bool) -> None:
        """Whether the model writes, so that nothing else can be asked of it, and whether this can be gone on with."""
        self.edit.setEnabled(not busy)
        self.delete.setEnabled(not busy)

    def renew(self) -> None:
        """Draw the buttons in the present colours."""
        for name, button in self._icons.items():
            button.setIcon(icon(name, colours().muted, colours().line))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._text())
        self.copy.setIcon(icon("done", colours().speed))
        QTimer.singleShot(1500, self.copy, self.renew)


class ReplyFoot(MessageFoot):
    """Signals:
    regenerate: another reply is wanted. go_on: this one is to be continued.
    """

    regenerate = Signal()
    go_on = Signal()

    def __init__(self, text: Callable[[], str]):
        super().__init__(text, "answer")
        self.again = _button(self.tr("Write another answer (Ctrl+R for the last one)"), self.tr("Regenerate"))
        self.more = _button(self.tr("Let the model go on with this answer"), self.tr("Continue"))
        self.more.setText(self.tr("Continue"))
        self.more.setProperty("small", True)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.hide()
        self.figures = QLabel()
        self.figures.setProperty("muted", True)
        self.figures.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.figures.setWordWrap(True)
        self.figures.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.row.addWidget(self.again)
        self.row.addWidget(self.more)
        self.row.addSpacing(8)
        self.row.addWidget(self.figures, 1)
        self.again.clicked.connect(self.regenerate)
        self.more.clicked.connect(self.go_on)
        self._icons |= {"again": self.again, "more": self.more}
        self.renew()

    def set_state(self, busy: bool, can_continue: bool) -> None:
        super().set_state(busy, can_continue)
        self.again.setEnabled(not busy)
        self.more.setEnabled(not busy)
        self.more.setVisible(can_continue)

    def show_figures(self, line: str) -> None:
        """The line of figures."""
        self.figures.setText(line)
        self.figures.setToolTip(line)


def _button(tip: str, name: str) -> QToolButton:
    button = QToolButton(toolTip=tip, accessibleName=name)
    button.setIconSize(QSize(16, 16))
    return button
