"""The column of messages. It follows the newest text unless the user has scrolled up."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QToolButton, QVBoxLayout, QWidget

from app.ui.chat.message import ReplyMessage, UserMessage
from app.ui.icons import icon

COLUMN_WIDTH = 780
_NEAR_END = 40


class Transcript(QScrollArea):
    """Messages of one conversation.

    Signals:
        regenerate: another answer is wanted.
        link_clicked: the address of a link in a reply.
    """

    regenerate = Signal()
    link_clicked = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Conversation")
        page = QWidget(objectName="Page")
        self._column = QWidget(objectName="Column")
        self._column.setMaximumWidth(COLUMN_WIDTH)
        row = QHBoxLayout(page)
        row.setContentsMargins(20, 18, 20, 18)
        row.addStretch(0)
        row.addWidget(self._column, 1)
        row.addStretch(0)
        self._messages = QVBoxLayout(self._column)
        self._messages.setContentsMargins(0, 0, 0, 0)
        self._messages.setSpacing(22)
        self._messages.addStretch(1)
        self.setWidget(page)
        self._shown: list[UserMessage | ReplyMessage] = []
        self._show_drafted = False
        self._stuck = True
        self.to_end = QToolButton(self, toolTip="Go to the newest text", accessibleName="Go to the newest text")
        self.to_end.clicked.connect(self.follow)
        self.to_end.setStyleSheet("QToolButton { border-radius: 15px; }")
        self.to_end.hide()
        bar = self.verticalScrollBar()
        bar.rangeChanged.connect(self._on_range)
        bar.valueChanged.connect(self._on_scrolled)
        self.renew()

    @property
    def messages(self) -> list[UserMessage | ReplyMessage]:
        """The shown messages in order."""
        return list(self._shown)

    def add_user(self, text: str) -> None:
        """Show a turn of the user, and go to it."""
        self._add(UserMessage(text))
        self.follow()

    def add_reply(self) -> ReplyMessage:
        """A new, empty reply."""
        reply = ReplyMessage()
        reply.body.show_drafted(self._show_drafted)
        reply.regenerate.connect(self.regenerate)
        reply.link_clicked.connect(self.link_clicked)
        for message in self.messages:
            if isinstance(message, ReplyMessage):
                message.set_last(False)
        self._add(reply)
        return reply

    def take_last(self) -> None:
        """Remove the last message."""
        self._drop(self._shown.pop())
        if self._shown and isinstance(self._shown[-1], ReplyMessage):
            self._shown[-1].set_last(True)

    def clear(self) -> None:
        """Remove all messages."""
        while self._shown:
            self._drop(self._shown.pop())
        self._stuck = True

    def show_drafted(self, shown: bool) -> None:
        """Colour letters by origin in all replies, or stop doing so."""
        self._show_drafted = shown
        for message in self.messages:
            if isinstance(message, ReplyMessage):
                message.body.show_drafted(shown)

    def renew(self) -> None:
        """Take the theme's present colours."""
        self.to_end.setIcon(icon("down"))
        for message in self.messages:
            message.renew()

    def follow(self) -> None:
        """Go to the end and stay there."""
        self._stuck = True
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.to_end.setGeometry((self.viewport().width() - 32) // 2, self.viewport().height() - 42, 32, 32)

    def _add(self, message: UserMessage | ReplyMessage) -> None:
        self._shown.append(message)
        self._messages.insertWidget(self._messages.count() - 1, message)

    def _drop(self, message: QWidget) -> None:
        self._messages.removeWidget(message)
        message.hide()
        message.deleteLater()

    def _on_range(self, low: int, high: int) -> None:
        if self._stuck:
            self.verticalScrollBar().setValue(high)

    def _on_scrolled(self, value: int) -> None:
        self._stuck = value >= self.verticalScrollBar().maximum() - _NEAR_END
        self.to_end.setVisible(not self._stuck)
