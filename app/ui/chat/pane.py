"""The chat pane: welcome page or transcript, the notice strip, the composer."""

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QMessageBox, QStackedWidget, QVBoxLayout, QWidget

from app.ui.chat.composer import Composer
from app.ui.chat.find_bar import FindBar
from app.ui.chat.transcript import COLUMN_WIDTH, Transcript
from app.ui.chat.welcome import Welcome
from app.ui.notify import NoticeBar

_OPENABLE = ("http", "https", "mailto")


class ChatPane(QWidget):
    """Puts the parts of the chat above each other.

    Signals:
        retry: try again to get the default model.
        asked: a prompt of the welcome page.
    """

    retry = Signal()
    asked = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setObjectName("Page")
        # Files may be dropped anywhere on the chat: they go with the next message.
        self.setAcceptDrops(True)
        self.welcome = Welcome()
        self.transcript = Transcript()
        self.notice = NoticeBar()
        self.composer = Composer()
        self.find_bar = FindBar(self.transcript)
        self.find_bar.left.connect(self.composer.field.setFocus)
        self.welcome.suggested.connect(self._on_suggested)
        self.welcome.retry.connect(self.retry)
        self.transcript.link_clicked.connect(self.ask_to_open)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.welcome)
        self._stack.addWidget(self.transcript)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 14)
        column.setSpacing(8)
        column.addWidget(self.find_bar)
        column.addWidget(self._stack, 1)
        for part in (self.notice, self.composer):
            part.setMaximumWidth(COLUMN_WIDTH + 24)
            row = QHBoxLayout()
            row.setContentsMargins(14, 0, 14, 0)
            row.addWidget(part)
            column.addLayout(row)

    def dragEnterEvent(self, event) -> None:
        self.composer.dragEnterEvent(event)

    def dragLeaveEvent(self, event) -> None:
        self.composer.dragLeaveEvent(event)

    def dropEvent(self, event) -> None:
        self.composer.dropEvent(event)

    def show_conversation(self, shown: bool) -> None:
        """The transcript, or the welcome page."""
        self._stack.setCurrentWidget(self.transcript if shown else self.welcome)

    def renew(self) -> None:
        """Take the theme's present colours."""
        for part in (self.transcript, self.find_bar, self.notice, self.composer):
            part.renew()

    def ask_to_open(self, address: str) -> bool:
        """Show a link's whole address and open it when the user says so."""
        url = QUrl(address)
        if url.scheme() not in _OPENABLE:
            self.notice.info(
                self.tr("This link is not opened, as it is no web address: {address}").format(address=address)
            )
            return False
        box = QMessageBox(self, windowTitle=self.tr("Open this link?"), icon=QMessageBox.Icon.Question)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(self.tr("The model wrote this link. Open it in your browser?"))
        box.setInformativeText(address)
        box.setStandardButtons(QMessageBox.StandardButton.Open | QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(QMessageBox.StandardButton.Cancel)
        agreed = box.exec() == QMessageBox.StandardButton.Open
        return agreed and QDesktopServices.openUrl(url)

    def _on_suggested(self, text: str) -> None:
        """One click asks; while a model is on its way, or something is written, the prompt waits in the field."""
        if self.composer.can_ask:
            self.asked.emit(text)
        elif not self.composer.message:
            self.composer.set_text(text)
        self.composer.field.setFocus()
