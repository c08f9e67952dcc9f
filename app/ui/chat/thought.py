"""What a model thinks before it answers, folded away."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton, QVBoxLayout, QWidget

from app.ui.chat.flow_text import FlowText

OPEN, CLOSE = "<think>", "</think>"


class Thought(QWidget):
    """A line that says that the model thinks, or thought; a click on it shows what."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.button = QToolButton(checkable=True, toolTip=self.tr("Show or hide what the model thought"))
        self.button.setProperty("small", True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setArrowType(Qt.ArrowType.RightArrow)
        self.button.toggled.connect(self._on_toggled)
        self.flow = FlowText()
        self.flow.setProperty("muted", True)
        self.flow.setAccessibleName(self.tr("What the model thought"))
        self.flow.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.button)
        column.addWidget(self.flow)
        self._text = ""
        self.setVisible(False)

    def show_text(self, text: str, goes_on: bool) -> None:
        """Show what was thought so far, and whether more comes; nothing is shown of an empty thought."""
        words = len(text.split())
        said = self.tr("Thinking: %n word(s)", "", words) if goes_on else self.tr("Thought: %n word(s)", "", words)
        self.button.setText(said)
        self.button.setAccessibleName(said)
        self.setVisible(bool(text))
        self._text = text
        if self.button.isChecked():
            self.flow.plain(text)

    def _on_toggled(self, shown: bool) -> None:
        self.button.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self.flow.plain(self._text if shown else "")
        self.flow.setVisible(shown)
