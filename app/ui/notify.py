"""One place for sentences the user must see."""

from collections.abc import Callable

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton

from app.ui.icons import icon
from app.ui.theme import colours


class NoticeBar(QFrame):
    """A strip with one sentence, perhaps something to do about it, and a button that closes it."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setObjectName("Notice")
        self._label = QLabel(wordWrap=True)
        self._label.setTextFormat(self._label.textFormat().PlainText)
        self._action = QPushButton()
        self._action.clicked.connect(self._act)
        self._close = QToolButton(toolTip=self.tr("Close this notice"), accessibleName=self.tr("Close notice"))
        self._close.clicked.connect(self.hide)
        self._do: Callable[[], None] | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 8, 8, 8)
        row.addWidget(self._label, 1)
        row.addWidget(self._action)
        row.addWidget(self._close)
        self.hide()

    @property
    def text(self) -> str:
        """The sentence shown, or nothing."""
        return "" if self.isHidden() else self._label.text()

    def info(self, sentence: str) -> None:
        """Something worth knowing."""
        self._show(sentence, "info")

    def offer(self, sentence: str, action: str, do: Callable[[], None]) -> None:
        """Something was done, and what can be done about it."""
        self._show(sentence, "info", action, do)

    def error(self, sentence: str, action: str = "", do: Callable[[], None] | None = None) -> None:
        """Something went wrong; `action` names a button that calls `do`."""
        self._show(sentence, "error", action, do)

    def renew(self) -> None:
        """Take the theme's present colours."""
        ink = colours()
        self._close.setIcon(icon("close", ink.error_text if self.property("kind") == "error" else ink.warning_text))

    def _show(self, sentence: str, kind: str, action: str = "", do: Callable[[], None] | None = None) -> None:
        self.setProperty("kind", kind)
        self._label.setText(sentence)
        self.setAccessibleName(sentence)
        self._action.setText(action)
        self._action.setToolTip(f"{action}: {sentence}")
        self._action.setVisible(bool(action))
        self._do = do
        for part in (self, self._label):
            part.style().unpolish(part)
            part.style().polish(part)
        self.renew()
        self.show()

    def _act(self) -> None:
        self.hide()
        if self._do is not None:
            self._do()
