"""What the window offers about errors: "Copy diagnostics" in the menu, and after a crash a notice with the report."""

import threading

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout

from app.diagnostics.report import report
from app.diagnostics.runs import Ended
from app.models.precision import said
from app.ui.language import QT_TRANSLATE_NOOP, translate
from app.ui.notify import NoticeBar

COPIED = QT_TRANSLATE_NOOP(
    "Window",
    "Copied: versions, hardware, settings and the log, without your chats and tokens. Paste it into your report.",
)


class Diagnostics(QObject):
    """Joins the reports to a window.

    Attributes:
        action: the entry in the menu.
        offer: the notice about a run that broke off; hidden where none did.

    Signals:
        gathered: the text of a report that was asked for; comes from the thread that gathered it.
    """

    gathered = Signal(str)

    def __init__(self, window, before: Ended | None = None):
        super().__init__(window)
        self._window, self._before = window, before
        self._then = self._copy
        self._gatherer: threading.Thread | None = None
        self.gathered.connect(self._on_gathered, Qt.ConnectionType.QueuedConnection)
        menu = window.topbar.menu.menu()
        menu.addSeparator()
        self.action: QAction = menu.addAction(self.tr("Copy diagnostics"))
        self.action.setToolTip(self.tr("Copy versions, hardware, settings and the log, without chats and tokens"))
        self.action.triggered.connect(lambda: self._gather(self._copy))
        self.offer = NoticeBar()
        window.centralWidget().layout().insertWidget(1, self.offer)
        if before is not None:
            said = self.tr("{sentence} Your chats are as they were saved.").format(sentence=before.sentence)
            self.offer.error(said, self.tr("Show the report"), lambda: self._gather(self._show))

    def _facts(self) -> dict[str, str]:
        """What only the window knows, read in its thread."""
        link, screen = self._window.link, self._window.screen()
        facts = {
            "platform": QGuiApplication.platformName(),
            "screen": f"{screen.size().width()} x {screen.size().height()} at {screen.devicePixelRatio():g}",
            "phase": link.phase,
        }
        if info := link.info:
            facts |= {
                "model": f"{info.architecture}, {info.depth} layers, {info.weight_bytes / 1e6:.0f} MB",
                "device": f"{info.device}, {info.dtype}",
                "precision": said(choice, info.dtype)
                if (choice := link.precision.choice)
                else "the decoder's own choice",
                "adapter": f"{info.adapter_bytes / 1e6:.1f} MB",
                "plain step": f"{link.plain_ms:.1f} ms" if link.plain_ms else "not measured",
                "drafting": str(link.settings.value),
            }
        return facts

    def _gather(self, then) -> None:
        if self._gatherer is not None and self._gatherer.is_alive():
            return
        self._then, facts = then, self._facts()

        def work() -> None:
            self.gathered.emit(report(facts, self._before))

        # Drivers may take seconds to answer. A program that ends does not wait for them.
        self._gatherer = threading.Thread(target=work, name="diagnostics", daemon=True)
        self._gatherer.start()

    def _on_gathered(self, text: str) -> None:
        self._then(text)

    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self._window.chat.notice.info(translate("Window", COPIED))

    def _show(self, text: str) -> None:
        ReportDialog(text, self._window).show()


class ReportDialog(QDialog):
    """The report to look at before it is copied. The window can be used meanwhile."""

    def __init__(self, text: str, parent=None):
        super().__init__(parent)
        self.setWindowTitle(self.tr("Report"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(False)
        self.resize(760, 520)
        said = QLabel(
            self.tr("Nothing was sent. To tell the makers of S3D Chat, copy this and paste it into a report.")
        )
        said.setWordWrap(True)
        self.text = QPlainTextEdit(text, readOnly=True)
        self.text.setAccessibleName(self.tr("Report"))
        self.text.setToolTip(self.tr("What would be copied"))
        self.text.setTabChangesFocus(True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.copy = QPushButton(self.tr("Copy"), toolTip=self.tr("Copy the report"))
        self.copy.setAccessibleName(self.tr("Copy the report"))
        self.copy.setDefault(True)
        self.copy.clicked.connect(self._copy)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setToolTip(self.tr("Close the report"))
        buttons.addButton(self.copy, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.close)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        column.addWidget(said)
        column.addWidget(self.text, 1)
        column.addWidget(buttons)
        self.copy.setFocus()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.text.toPlainText())
        self.copy.setText(self.tr("Copied"))
